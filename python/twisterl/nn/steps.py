"""Some of the steps of a `StepSequence`: one of them, or those that a slice or a list picks."""

from __future__ import annotations

from typing import Any

import numpy as np

from twisterl.nn.rollouts import inner_bounds


class Step:
    """A step of a sequence: rows [...] of its entries by singular names, as attributes or by key.

    `next_*` is that of the next step of the same rollout, or the last row where there is one more
    than there are steps.
    """

    def __init__(self, sequence: Any, index: int) -> None:
        self._sequence, self._index = sequence, index

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _entry(self._sequence, self._index, name)

    def __getitem__(self, name: str) -> Any:
        try:
            return _entry(self._sequence, self._index, name)
        except AttributeError as error:
            raise KeyError(str(error)) from None


def _entry(sequence: Any, index: int, name: str) -> Any:
    """The entry of a step by its singular name; AttributeError if there is none."""
    if name == "done":
        return bool(sequence.done[index])
    plain, entries = name.removeprefix("next_"), sequence._entries
    found = entries.of_step(plain)
    if found is None:
        known = ", ".join(entries.named)
        raise AttributeError(f"a step: expected one of {known}, got {name!r}")
    if plain == name:
        return entries.row(found, index)
    try:
        if not sequence.continuous or index + 1 in sequence.rollout_bounds[1:-1]:
            raise IndexError
        return entries.row(found, index + 1)
    except IndexError:
        said = f"{name}: expected a next step, got the last of a rollout"
        raise AttributeError(said) from None


def part_of(sequence: Any, index: Any) -> dict[str, Any]:
    """What a `StepSequence` of some steps is made of: of a slice, or of picked ones in any order.

    Raises:
        TypeError, IndexError: a list of anything but steps.
    """
    length = sequence.length
    if isinstance(index, slice) and (index.step or 1) == 1 and sequence.continuous:
        start, stop, _ = index.indices(length)
        steps, longer = slice(start, stop), slice(start, stop + 1)
        bounds = inner_bounds(sequence.rollout_bounds, start, stop)
    else:
        steps, bounds = np.arange(length)[_picked(index, length)].copy(), None
        longer = steps
    return {
        **sequence._entries.part(steps, longer),
        "data_format": sequence.data_format,
        "done": sequence.done[steps],
        "continuous": bounds is not None,
        "rollout_bounds": bounds,
        "rollout_info": sequence.rollout_info,
    }


def _picked(index: Any, length: int) -> Any:
    if isinstance(index, slice):
        return index
    index = np.asarray(index)
    if index.ndim != 1 or index.dtype.kind not in "ib":
        raise TypeError(f"index: expected a list of steps, got {index.tolist()}")
    if index.dtype.kind == "b" and len(index) != length:
        raise IndexError(f"index: expected {length} booleans, got {len(index)}")
    return index
