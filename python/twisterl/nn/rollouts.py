"""Where the rollouts of some steps end, and which steps make a batch.

>>> import numpy as np
>>> bounds_of(None, np.array([False, True, False])).tolist()
[0, 2, 3]
>>> inner_bounds(np.array([0, 2, 3]), 1, 3)
[0, 1, 2]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twisterl.nn import checked

Bounds = npt.NDArray[np.int64]


def ends_of(done: Any, length: int, has_ended: bool) -> npt.NDArray[np.bool_]:
    """Bool [n], where a rollout ends: `done`, or the last step if it `has_ended`.

    Raises:
        ValueError: `done` of another shape.
    """
    if done is None:
        ends = np.zeros(length, bool)
        ends[-1] = has_ended
        return ends
    ends = np.array(done.tolist() if isinstance(done, torch.Tensor) else done, bool)
    if ends.shape != (length,):
        raise ValueError(f"done: expected shape [{length}], got {list(ends.shape)}")
    return ends


def bounds_of(given: Any, ends: npt.NDArray[np.bool_]) -> Bounds:
    """[R + 1]: where each of R rollouts begins, and n; as `given`, or as the `ends` [n] say.

    Raises:
        ValueError: `given` does not rise from 0 to n.
    """
    if given is None:
        return np.array([0, *(np.flatnonzero(ends[:-1]) + 1), len(ends)], np.int64)
    bounds = np.asarray(given)
    rises = bounds.ndim == 1 and len(bounds) > 1 and bool((np.diff(bounds) > 0).all())
    if not rises or bounds[0] != 0 or bounds[-1] != len(ends):
        expected = f"rising numbers from 0 to {len(ends)}"
        raise ValueError(f"rollout_bounds: expected {expected}, got {bounds.tolist()}")
    return bounds.astype(np.int64)


def inner_bounds(bounds: Bounds, start: int, stop: int) -> list[int]:
    """The bounds of the steps from `start` to `stop`."""
    return [0, *(int(b) - start for b in bounds if start < b < stop), stop - start]


def chained(several: Sequence[Bounds]) -> list[int]:
    """The bounds of the rollouts of several sequences, one after the other."""
    found = [0]
    for bounds in several:
        found += (bounds[1:] + found[-1]).tolist()
    return found


def in_order(
    length: int, batch_size: int | None, num_batches: int | None
) -> Iterator[tuple[int, int]]:
    """The first step of each batch and that behind it: see `StepSequence.split_ordered_batches`."""
    if (batch_size is None) == (num_batches is None):
        raise ValueError("batch_size: expected it or num_batches, got both or neither")
    if batch_size is not None:
        checked.integer("batch_size", batch_size)
        return pairwise([*range(0, length, batch_size), length])
    count = checked.integer("num_batches", num_batches)
    if count > length:
        raise ValueError(f"num_batches: expected at most {length}, got {count}")
    return pairwise(length * place // count for place in range(count + 1))


def whole_rollouts(lengths: Bounds, batch_size: int, rng: Any) -> list[list[int]]:
    """All rollouts in any order, in batches of at least `batch_size` steps but for the last."""
    batches: list[list[int]] = [[]]
    for index in rng.permutation(len(lengths)):
        if sum(lengths[batches[-1]]) >= batch_size:
            batches.append([])
        batches[-1].append(int(index))
    return batches
