"""Rows of numbers: arrays or tensors, nested in dicts and tuples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

FORMATS = ("numpy", "torch")


class Fields(dict[str, Any]):
    """A dict whose entries are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"expected one of {', '.join(self)}, got {name}") from None


def mapped(change: Callable[..., Any], value: Any, *others: Any) -> Any:
    """`change` of each array or tensor of `value`, and of those of `others` in their places."""
    if isinstance(value, Mapping):
        several = (value, *others)
        return Fields({key: mapped(change, *(each[key] for each in several)) for key in value})
    if isinstance(value, tuple):
        return tuple(mapped(change, *each) for each in zip(value, *others, strict=True))
    return change(value, *others)


def leaves(value: Any) -> list[Any]:
    """The arrays and tensors of `value`."""
    if isinstance(value, (Mapping, tuple)):
        parts = value.values() if isinstance(value, Mapping) else value
        return [leaf for part in parts for leaf in leaves(part)]
    return [value]


def has_tensors(value: Any) -> bool:
    """Whether tensors are among what `value`, or a list, is made of."""
    if isinstance(value, list):
        return any(map(has_tensors, value[:1]))
    return any(isinstance(leaf, torch.Tensor) for leaf in leaves(value))


def stacked(name: str, value: Any, form: str) -> Any:
    """`value` as rows of a format; lists of rows are stacked, also inside of dicts and tuples.

    Raises:
        ValueError: tensors that require a gradient, or rows of different shapes.
    """
    if isinstance(value, Mapping):
        return Fields({key: stacked(f"{name}.{key}", part, form) for key, part in value.items()})
    if isinstance(value, tuple):
        return tuple(stacked(f"{name}[{i}]", part, form) for i, part in enumerate(value))
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        keys = value[0].keys()
        if any(row.keys() != keys for row in value):
            raise ValueError(f"{name}: expected the same keys in every row, got others")
        return stacked(name, {key: [row[key] for row in value] for key in keys}, form)
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        if len({len(row) for row in value}) > 1:
            raise ValueError(f"{name}: expected tuples of one length, got several")
        return stacked(name, tuple(map(list, zip(*value, strict=True))), form)
    return converted(_joined(name, value), form)


def _joined(name: str, value: Any) -> Any:
    rows = value if isinstance(value, list) else [value]
    if any(isinstance(row, torch.Tensor) and row.requires_grad for row in rows):
        raise ValueError(f"{name}: expected tensors without a gradient, got one that requires it")
    try:
        if not isinstance(value, list):
            return value if isinstance(value, torch.Tensor) else np.asarray(value)
        if has_tensors(value):
            return torch.stack([torch.as_tensor(row) for row in value])
        return np.stack([np.asarray(row) for row in value]) if value else np.zeros(0)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{name}: expected rows of one shape, got others ({error})") from None


def converted(value: Any, form: str, dtype: Any = None) -> Any:
    """An array or a tensor in a format, of another dtype where that is given."""
    made: Any = value
    if form == "torch":
        # No numbers are shared with an array that a caller may write into.
        if not isinstance(value, torch.Tensor):
            made = torch.tensor(value)
        return made if dtype is None else made.to(dtype)
    if isinstance(value, torch.Tensor):
        made = value.cpu().numpy()
    return made if dtype is None else made.astype(dtype)


def joined(name: str, parts: list[Any], form: str) -> Any:
    """The rows of all `parts`, one after the other, in a format."""

    def rows(*each: Any) -> Any:
        if form == "torch":
            return torch.cat([converted(part, form) for part in each])
        return np.concatenate([converted(part, form) for part in each])

    try:
        return mapped(rows, *parts)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected rows of one kind in all parts ({error})") from None
