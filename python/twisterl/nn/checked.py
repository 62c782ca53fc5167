"""Arguments of networks, refused by name where they are wrong."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import torch


def tensor(name: str, value: Any, ndim: int | None = None, at_least: int = 0) -> torch.Tensor:
    """`value`, which must be a tensor of `ndim` axes, or of so many `at_least`."""
    if is_recorded(value):
        return value
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name}: expected a tensor, got {type(value).__name__}")
    if (ndim is not None and value.ndim != ndim) or value.ndim < at_least:
        expected = f"{ndim}" if ndim is not None else f"at least {at_least}"
        raise ValueError(f"{name}: expected {expected} axes, got shape {list(value.shape)}")
    return value


def shape(name: str, value: Any, expected: Iterable[int]) -> torch.Tensor:
    """`value`, which must be a tensor of the `expected` shape."""
    if is_recorded(value):
        return value
    sizes = list(expected)
    if list(tensor(name, value).shape) != sizes:
        raise ValueError(f"{name}: expected shape {sizes}, got {list(value.shape)}")
    return value


def last_axis(name: str, value: Any, width: int, ndim: int | None = None) -> torch.Tensor:
    """`value`, which must be a tensor [..., width], of `ndim` axes where that is given."""
    if is_recorded(value):
        return value
    return shape(name, value, (*tensor(name, value, ndim, at_least=1).shape[:-1], width))


def rows(name: str, value: torch.Tensor, whole: Sequence[int]) -> torch.Tensor:
    """`value`, arrays [.., *whole] or vectors [.., F] of their numbers, as rows [N, F].

    Of any other shape, rows would be made of numbers that do not belong together.
    """
    size = math.prod(whole)
    if not is_recorded(value):
        got = list(value.shape)
        if got[-1:] != [size] and got[-len(whole) :] != list(whole):
            wanted = " or ".join(f"[B, {', '.join(map(str, form))}]" for form in (whole, [size]))
            raise ValueError(f"{name}: expected shape {wanted}, got {got}")
    return value.reshape(-1, size)


def integer(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected an integer from {least}, got {value}")
    return int(value)


def number(name: str, value: Any, low: float = float("-inf"), high: float = float("inf")) -> float:
    """`value` as a float from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    found = float(value)
    if not low <= found <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, got {value}")
    return found


def choice(name: str, value: Any, known: Iterable[Any]) -> Any:
    """`value`, which must be one of the `known`."""
    options = list(known)
    if value not in options:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, options))}, got {value!r}")
    return value


def function(name: str, value: Any) -> Any:
    """`value`, which must be callable."""
    if not callable(value):
        raise TypeError(f"{name}: expected a function, got {type(value).__name__}")
    return value


def module(name: str, value: Any) -> torch.nn.Module:
    """`value`, which must be a module of torch."""
    if not isinstance(value, torch.nn.Module):
        raise TypeError(f"{name}: expected a torch.nn.Module, got {type(value).__name__}")
    return value


def is_recorded(value: Any) -> bool:
    """Whether `value` stands for a tensor whose operations torch.fx records: it has no shape."""
    return isinstance(value, torch.fx.Proxy)


def is_traced() -> bool:
    """Whether torch is recording: values of tensors are then not to be looked at."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
