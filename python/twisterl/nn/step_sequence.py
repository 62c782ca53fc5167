"""Rollouts: what happened, step by step, as Pyrado keeps it.

>>> ro = StepSequence(rewards=[1, 2], observations=[[0.0], [0.5], [1.0]], actions=[[3], [4]])
>>> len(ro), ro[0].next_observation.tolist(), ro[1].done, ro.discounted_return(0.5)
(2, [0.5], True, 2.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twisterl.nn import checked
from twisterl.nn.entries import Entries, concatenated, format_of
from twisterl.nn.nested import FORMATS, converted
from twisterl.nn.rollouts import bounds_of, chained, ends_of, in_order, whole_rollouts
from twisterl.nn.steps import Step, part_of


class StepSequence:
    """n steps, of one rollout or of several in a row; `sequence.name` or `sequence["name"]`.

    `sequence[i]` is a `Step`; slices are sequences of the same rollouts, and lists of steps are
    sequences that are not continuous.

    Args:
        rewards: [n].
        observations, actions: [n, ...]; every entry has n rows, or n + 1 where it also has what
            was behind the last step. Arrays, tensors, lists of rows, and dicts and tuples of such.
        complete: whether the last rollout has ended, where `done` is not given.
        rollout_info: anything; kept.
        data_format: "numpy" or "torch"; None: tensors if there are some.
        done: [n], where a rollout ended.
        continuous: whether the steps followed each other.
        rollout_bounds: 0, the first steps of the other rollouts, n; None: those of `done`.
        data: further entries.

    Raises:
        ValueError: no steps, entries of another length, tensors that require a gradient.
    """

    def __init__(
        self,
        *,
        rewards: Any,
        observations: Any,
        actions: Any,
        complete: bool = True,
        rollout_info: Any = None,
        data_format: str | None = None,
        done: Any = None,
        continuous: bool = True,
        rollout_bounds: Sequence[int] | npt.NDArray[Any] | None = None,
        **data: Any,
    ) -> None:
        given = {"rewards": rewards, "observations": observations, "actions": actions, **data}
        self.rollout_info, self.continuous = rollout_info, bool(continuous)
        self.length = len(rewards)
        if not self.length:
            raise ValueError("rewards: expected at least one step, got none")
        form = format_of(given.values()) if data_format is None else data_format
        self._entries = Entries(self.length, form, self.continuous)
        for name, value in given.items():
            self.add_data(name, value)
        self.done = ends_of(done, self.length, complete and self.continuous)
        self._bounds = bounds_of(rollout_bounds, self.done) if continuous else None

    # What there is.

    def __len__(self) -> int:
        return self.length

    @property
    def data_names(self) -> list[str]:
        """The names of all entries; `done` is none."""
        return list(self._entries.named)

    @property
    def data_format(self) -> str:
        """ "numpy" or "torch"."""
        return self._entries.data_format

    def add_data(self, name: str, value: Any) -> None:
        """Adds an entry of n or n + 1 rows.

        Raises:
            KeyError: there is one of that name.
            ValueError: a name of this class, or as the constructor.
        """
        if name in self._entries.named:
            raise KeyError(f"{name}: expected a new name, got one that is there")
        if hasattr(type(self), name) or name in vars(self) or name.startswith("_"):
            raise ValueError(f"{name}: expected another name, got one of StepSequence itself")
        self._entries.add(name, value)

    def get_data_values(self, name: str, truncate_last: bool = False) -> Any:
        """The rows of an entry, with `truncate_last` n of them; KeyError if there is none."""
        return self._entries.rows(name, truncate_last)

    def __getattr__(self, name: str) -> Any:
        entries = self.__dict__.get("_entries")
        named = {} if entries is None else entries.named
        if name in named:
            return named[name]
        raise AttributeError(f"StepSequence: expected one of {', '.join(named)}, got {name!r}")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.done if index == "done" else self.get_data_values(index)
        if isinstance(index, (slice, list, tuple)) or getattr(index, "ndim", 0) > 0:
            return StepSequence(**part_of(self, index))
        place = int(checked.integer("index", getattr(index, "item", lambda: index)(), -self.length))
        if place >= self.length:
            raise IndexError(f"expected a step below {self.length}, got {place}")
        return Step(self, place % self.length)

    def __iter__(self) -> Iterator[Step]:
        return (Step(self, place) for place in range(self.length))

    # Rollouts.

    @property
    def rollout_bounds(self) -> npt.NDArray[np.int64]:
        """[R + 1]: where each rollout begins, and n; ValueError if nothing is continuous."""
        if self._bounds is None:
            raise ValueError("rollout: expected a continuous sequence, got picked steps")
        return self._bounds

    @property
    def rollout_lengths(self) -> npt.NDArray[np.int64]:
        """[R]."""
        return np.diff(self.rollout_bounds)

    @property
    def rollout_count(self) -> int:
        """R."""
        return len(self.rollout_bounds) - 1

    def iterate_rollouts(self) -> Iterator[StepSequence]:
        """The rollouts in their order."""
        return (self.get_rollout(index) for index in range(self.rollout_count))

    def get_rollout(self, index: Any) -> StepSequence:
        """One rollout, or those of a slice or a list one after the other."""
        if isinstance(index, slice):
            index = range(self.rollout_count)[index]
        if isinstance(index, (range, Sequence)) or getattr(index, "ndim", 0) > 0:
            return self.concat([self.get_rollout(int(each)) for each in index])
        count = self.rollout_count
        if not -count <= index < count:
            raise IndexError(f"index: expected a rollout below {count}, got {index}")
        first = int(index) % count
        return self[int(self.rollout_bounds[first]) : int(self.rollout_bounds[first + 1])]

    @classmethod
    def concat(
        cls,
        parts: Sequence[StepSequence],
        data_format: str | None = None,
        truncate_last: bool = True,
    ) -> StepSequence:
        """All steps of `parts`, which have the same entries.

        Args:
            data_format: None: that of the first.
            truncate_last: whether what was behind the last step of a part is left out.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("parts: expected at least one sequence, got none")
        form = checked.choice("data_format", data_format or parts[0].data_format, FORMATS)
        continuous = all(part.continuous for part in parts)
        return cls(
            **concatenated([part._entries for part in parts], form, truncate_last),
            data_format=form,
            done=np.concatenate([part.done for part in parts]),
            continuous=continuous,
            rollout_bounds=chained([p.rollout_bounds for p in parts]) if continuous else None,
            rollout_info=parts[0].rollout_info if len(parts) == 1 else None,
        )

    # Batches.

    def split_ordered_batches(
        self, batch_size: int | None = None, num_batches: int | None = None
    ) -> Iterator[StepSequence]:
        """Slices in their order: of `batch_size` steps, or `num_batches` of nearly equal length."""
        return (self[a:b] for a, b in in_order(self.length, batch_size, num_batches))

    def split_shuffled_batches(
        self, batch_size: int, complete_rollouts: bool = False, rng: Any = np.random
    ) -> Iterator[StepSequence]:
        """Every step once, in batches of `batch_size` in any order.

        Args:
            complete_rollouts: whether a batch is whole rollouts, until they have so many steps.
            rng: a numpy generator; by default numpy's own, which `np.random.seed` seeds.
        """
        checked.integer("batch_size", batch_size)
        if not complete_rollouts:
            order = rng.permutation(self.length)
            return (self[order[a : a + batch_size]] for a in range(0, self.length, batch_size))
        batches = whole_rollouts(self.rollout_lengths, batch_size, rng)
        return (self.get_rollout(batch) for batch in batches)

    # Returns.

    def undiscounted_return(self) -> float:
        """The sum of the rewards of one rollout; ValueError of several."""
        return self.discounted_return(1.0)

    def discounted_return(self, gamma: float) -> float:
        """sum_t gamma^t r_t of one rollout, gamma from 0 to 1; ValueError of several."""
        checked.number("gamma", gamma, 0.0, 1.0)
        if self.rollout_count != 1:
            raise ValueError(f"rollout: expected a single one, got {self.rollout_count}")
        rewards = np.asarray(converted(self.get_data_values("rewards"), "numpy"), np.float64)
        steps = enumerate(rewards[: self.length])
        return math.fsum(gamma**t * float(reward) for t, reward in steps)

    # Formats.

    def numpy(self, dtype: Any = None) -> None:
        """Makes all entries arrays, of `dtype` where it is given."""
        self._entries.convert("numpy", dtype)

    def torch(self, dtype: torch.dtype | None = None) -> None:
        """Makes all entries tensors, of `dtype` where it is given."""
        self._entries.convert("torch", dtype)
