"""Dense observations: the numbers in the words that the engine keeps of them."""

import torch

# The numbers of a word, by what they are called.
_NUMBERS = {"float32": torch.float32, "uint8": torch.uint8}

DTYPES = ("sparse", *_NUMBERS)


def numbers(words: torch.Tensor, num_rows: int, obs_dtype: str, num_features: int) -> torch.Tensor:
    """Observations [U, F] of `obs_dtype` from their words.

    Args:
        words: int32 or int64 [U * W], those of a row one after another.
        num_rows: U.
        obs_dtype: "float32", a number a word, or "uint8", four a word.
        num_features: F; what is left of a last word is no number.
    """
    rows = words.to(torch.int32).reshape(num_rows, -1)
    return rows.view(_NUMBERS[obs_dtype])[:, :num_features]


def as_floats(x: torch.Tensor, obs_dtype: str) -> torch.Tensor:
    """Observations as a network takes them: bytes as shares of 255, other numbers as they are."""
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    return x / 255 if obs_dtype == "uint8" else x
