"""Reductions over sequences of which only some elements count.

A mask is bool, integer or float and true where an element is valid. Axes that it lacks at the end
are added, then it is broadcast against `x`, before anything is counted. What stands at the other
elements, NaN included, reaches neither values nor gradients. The functions are those of rl8 1.0.0.

>>> import torch
>>> x = torch.tensor([[1.0, 3.0, float("nan")]])
>>> masked_avg(x, mask=mask_from_lengths(x, torch.tensor([2])))
tensor([2.])
"""

from __future__ import annotations

import torch

from twisterl.nn import checked


def binary_mask_to_float_mask(mask: torch.Tensor, /) -> torch.Tensor:
    """0 where `mask` [...] is valid and -inf elsewhere, its shape; float32 unless it is a float."""
    mask = checked.tensor("mask", mask)
    dtype = mask.dtype if mask.is_floating_point() else torch.float32
    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask == 0, float("-inf"))


def float_mask_to_binary_mask(mask: torch.Tensor, /) -> torch.Tensor:
    """bool of the shape of `mask` [...]: False at -inf, True elsewhere."""
    return ~torch.isneginf(checked.tensor("mask", mask))


def mask_from_lengths(x: torch.Tensor, lengths: torch.Tensor, /) -> torch.Tensor:
    """bool [B, T], true where t < lengths[b].

    Args:
        x: [B, T, ...].
        lengths: [B], integers, or floats that are truncated; any value.
    """
    x = checked.tensor("x", x, at_least=2)
    lengths = checked.shape("lengths", lengths, x.shape[:1])
    if lengths.dtype == torch.bool or lengths.is_complex():
        raise TypeError(f"lengths: expected integers or floats, got {lengths.dtype}")
    steps = torch.arange(x.shape[1], device=x.device)
    return steps < lengths.to(x.device).trunc()[:, None]


def masked_avg(
    x: torch.Tensor,
    /,
    *,
    mask: torch.Tensor | None = None,
    dim: int = 1,
    keepdim: bool = False,
) -> torch.Tensor:
    """Sum of the valid elements of `x` along `dim` over their number; 0 where there are none.

    Args:
        x: [B, T, ...]; the average of integers is a float.
        mask: [B, T], or what else broadcasts.
        keepdim: whether `dim` is kept with size 1.
    """
    dim, valid = _axis(dim, x), _valid(mask, x)
    is_half = x.dtype in (torch.float16, torch.bfloat16)
    kept = torch.where(valid, x, torch.zeros_like(x))
    # Halves overflow before they are divided.
    total = kept.sum(dim, keepdim, dtype=torch.float32 if is_half else None)
    average = total / valid.sum(dim, keepdim).clamp(min=1)
    return average.to(x.dtype) if is_half else average


def masked_max(
    x: torch.Tensor, /, *, mask: torch.Tensor | None = None, dim: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest valid element of `x` [B, T, ...] along `dim` and its index, the axis of size 1.

    Where none is valid: the least number of the dtype, and index 0.
    """
    dim, valid = _axis(dim, x), _valid(mask, x)
    if x.shape[dim] == 0:
        raise ValueError(f"x: expected elements along axis {dim}, got shape {list(x.shape)}")
    least = _least(x.dtype)
    lower = float("-inf") if x.is_floating_point() else least
    best = x.detach().masked_fill(~valid, lower).amax(dim, keepdim=True)
    # A NaN is the maximum, as torch has it; it equals nothing, itself included.
    is_best = valid & ((x == best) | (x != x))
    index = is_best.to(torch.uint8).max(dim, keepdim=True).indices
    values = x.gather(dim, index)
    return values.masked_fill(~valid.any(dim, keepdim=True), least), index


def masked_log_softmax(
    x: torch.Tensor, /, *, mask: torch.Tensor | None = None, dim: int = -1
) -> torch.Tensor:
    """x - log sum exp(x) over the valid elements along `dim`, of the shape of `x` [..., A].

    The others get the least finite number of the dtype, a probability of 0 and no gradient. Where
    none is valid all are equally probable.
    """
    dim, valid = _axis(dim, x), _valid(mask, x)
    if not x.is_floating_point():
        raise TypeError(f"x: expected floats, got {x.dtype}")
    least = _least(x.dtype)
    log_probs = x.masked_fill(~valid, least).log_softmax(dim)
    return log_probs.masked_fill(~valid & valid.any(dim, keepdim=True), least)


def masked_categorical_sample(
    x: torch.Tensor, /, *, mask: torch.Tensor | None = None, dim: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws a category of `x` [B, A, ...] along `dim`, by softmax(x) over the valid ones.

    Returns:
        `x` at the drawn category and its index, both with `dim` of size 1.
    """
    dim = _axis(dim, x)
    probs = masked_log_softmax(x.detach(), mask=mask, dim=dim).exp().movedim(dim, -1)
    if probs.dtype in (torch.float16, torch.bfloat16):
        probs = probs.float()
    index = torch.multinomial(probs.reshape(-1, probs.shape[-1]), 1)
    index = index.reshape(*probs.shape[:-1], 1).movedim(-1, dim)
    return x.gather(dim, index), index


def skip_connection(
    x: torch.Tensor, y: torch.Tensor, /, *, kind: str | None = "cat", dim: int = -1
) -> torch.Tensor:
    """`x` and `y` [..., E] joined: "cat" along `dim`, "residual" as x + y, None leaves y.

    Args:
        x, y: of one shape; "cat" lets them differ along `dim`.

    Raises:
        ValueError: another `kind`, or shapes that do not fit.
    """
    checked.choice("kind", kind, ("cat", "residual", None))
    checked.tensor("x", x), checked.tensor("y", y)
    if kind is None:
        return y
    if not checked.is_recorded(x):
        expected = list(x.shape)
        if kind == "cat" and x.ndim == y.ndim:
            axis = _axis(dim, x)
            expected[axis] = y.shape[axis]
        checked.shape("y", y, expected)
    return torch.cat((x, y), dim) if kind == "cat" else x + y


def _axis(dim: int, x: torch.Tensor) -> int:
    """`dim` as a number from 0."""
    checked.tensor("x", x, at_least=1)
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise TypeError(f"dim: expected an integer, got {type(dim).__name__}")
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(f"dim: expected from {-x.ndim} to {x.ndim - 1}, got {dim}")
    return dim % x.ndim


def _valid(mask: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """`mask` as bool of the shape of `x`."""
    if x.is_complex():
        raise TypeError(f"x: expected real numbers, got {x.dtype}")
    if mask is None:
        return torch.ones_like(x, dtype=torch.bool)
    mask = checked.tensor("mask", mask).to(x.device) != 0
    sizes = [*mask.shape, *[1] * (x.ndim - mask.ndim)]
    fits = len(sizes) == x.ndim and all(
        size in (1, whole) for size, whole in zip(sizes, x.shape, strict=True)
    )
    if not fits:
        got = f"got {list(mask.shape)} for x of {list(x.shape)}"
        raise ValueError(f"mask: expected a shape that broadcasts against x, {got}")
    return mask.reshape(sizes).expand(x.shape)


def _least(dtype: torch.dtype) -> float | int | bool:
    if dtype == torch.bool:
        return False
    return torch.finfo(dtype).min if dtype.is_floating_point else torch.iinfo(dtype).min
