"""What observations are made of, and the numbers in the words that the engine keeps of them."""

from __future__ import annotations

from typing import Any

from twisterl.on_demand import torch

_WORD_BYTES = 4
# Bytes of a number, by what it is called.
_NUMBERS = {"float32": 4, "uint8": 1}

DTYPES = ("sparse", *_NUMBERS)


def num_words(obs_dtype: str, num_features: int) -> int:
    """Words of a dense observation, W."""
    return -(-num_features * _NUMBERS[obs_dtype] // _WORD_BYTES)


def numbers(words: torch.Tensor, num_rows: int, obs_dtype: str, num_features: int) -> torch.Tensor:
    """Observations [U, F] of `obs_dtype` from their words.

    Args:
        words: int32 or int64 [U * W], those of a row one after another.
        num_rows: U.
        obs_dtype: "float32", a number a word, or "uint8", four a word.
        num_features: F; what is left of a last word is no number.
    """
    rows = words.to(torch.int32).reshape(num_rows, -1)
    return rows.view(getattr(torch, obs_dtype))[:, :num_features]


def as_floats(x: torch.Tensor, obs_dtype: Any) -> torch.Tensor:
    """Observations as a network takes them: bytes as shares of 255, other numbers as they are.

    Those of several parts are vectors of such numbers already.
    """
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    return x / 255 if obs_dtype == "uint8" else x
