"""Rollouts: what happened, step by step, as Pyrado keeps it.

>>> ro = StepSequence(rewards=[1, 2], observations=[[0.0], [0.5], [1.0]], actions=[[3], [4]])
>>> len(ro), ro[0].next_observation.tolist(), ro[1].done, ro.discounted_return(0.5)
(2, [0.5], True, 2.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twisterl.nn import checked
from twisterl.nn.nested import FORMATS, converted, has_tensors, joined, leaves, mapped, stacked


class Step:
    """A step of a sequence; its data have singular names, as attributes or by key.

    `next_*` is that of the next step of the same rollout, or the last row where there is one more
    than there are steps.
    """

    def __init__(self, sequence: StepSequence, index: int) -> None:
        self._sequence, self._index = sequence, index

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._sequence._at(self._index, name)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._sequence._at(self._index, name)
        except AttributeError as error:
            raise KeyError(str(error)) from None


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
        entries = {"rewards": rewards, "observations": observations, "actions": actions, **data}
        if data_format is None:
            data_format = "torch" if any(map(has_tensors, entries.values())) else "numpy"
        self.data_format = checked.choice("data_format", data_format, FORMATS)
        self.rollout_info, self.continuous = rollout_info, bool(continuous)
        self._data: dict[str, Any] = {}
        self.length = len(rewards)
        if not self.length:
            raise ValueError("rewards: expected at least one step, got none")
        for name, value in entries.items():
            self.add_data(name, value)
        self.done = self._ends(done, complete)
        self._bounds = self._checked_bounds(rollout_bounds) if continuous else None

    # What there is.

    def __len__(self) -> int:
        return self.length

    @property
    def data_names(self) -> list[str]:
        """The names of all entries; `done` is none."""
        return list(self._data)

    def add_data(self, name: str, value: Any) -> None:
        """Adds an entry of n or n + 1 rows.

        Raises:
            KeyError: there is one of that name.
            ValueError: a name of this class, or as the constructor.
        """
        if name in self._data:
            raise KeyError(f"{name}: expected a new name, got one that is there")
        if hasattr(type(self), name) or name in vars(self) or name.startswith("_"):
            raise ValueError(f"{name}: expected another name, got one of StepSequence itself")
        rows = stacked(name, value, self.data_format)
        allowed = (self.length, self.length + 1) if self.continuous else (self.length,)
        for leaf in leaves(rows):
            if leaf.ndim == 0 or len(leaf) not in allowed:
                got = "a number" if leaf.ndim == 0 else len(leaf)
                expected = " or ".join(map(str, allowed))
                raise ValueError(f"{name}: expected {expected} rows, got {got}")
        self._data[name] = rows

    def get_data_values(self, name: str, truncate_last: bool = False) -> Any:
        """The rows of an entry, with `truncate_last` n of them.

        Raises:
            KeyError: there is none.
        """
        if name not in self._data:
            raise KeyError(f"expected one of {', '.join(self._data)}, got {name!r}")
        rows = self._data[name]
        return mapped(lambda leaf: leaf[: self.length], rows) if truncate_last else rows

    def __getattr__(self, name: str) -> Any:
        data = self.__dict__.get("_data", {})
        if name in data:
            return data[name]
        raise AttributeError(f"StepSequence: expected one of {', '.join(data)}, got {name!r}")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.done if index == "done" else self.get_data_values(index)
        if isinstance(index, slice):
            return self._sliced(index)
        if isinstance(index, (list, tuple)) or getattr(index, "ndim", 0) > 0:
            return self._picked(np.asarray(index))
        place = int(checked.integer("index", getattr(index, "item", lambda: index)(), -self.length))
        if place >= self.length:
            raise IndexError(f"expected a step below {self.length}, got {place}")
        return Step(self, place % self.length)

    def __iter__(self) -> Iterator[Step]:
        return (Step(self, place) for place in range(self.length))

    def _at(self, index: int, name: str) -> Any:
        """The entry of a step by its singular name; AttributeError if there is none."""
        if name == "done":
            return bool(self.done[index])
        plain = name.removeprefix("next_")
        found = next((each for each in (plain, f"{plain}s") if each in self._data), None)
        if found is None:
            raise AttributeError(f"a step: expected one of {', '.join(self._data)}, got {name!r}")
        rows = self._data[found]
        if plain != name:
            index += 1
            inside = self.continuous and index not in self.rollout_bounds[1:-1]
            if not inside or any(index >= len(leaf) for leaf in leaves(rows)):
                raise AttributeError(f"{name}: expected a next step, got the last of a rollout")
        return mapped(lambda leaf: leaf[index], rows)

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
        names = parts[0].data_names
        for part in parts:
            if set(part.data_names) != set(names):
                expected = f"expected the entries {', '.join(names)} in all of them"
                raise ValueError(f"parts: {expected}, got {', '.join(part.data_names)}")
        form = checked.choice("data_format", data_format or parts[0].data_format, FORMATS)
        data = {
            name: joined(name, [part.get_data_values(name, truncate_last) for part in parts], form)
            for name in names
        }
        continuous = all(part.continuous for part in parts)
        begins = np.cumsum([0, *map(len, parts)])
        bounds = [0]
        if continuous:
            for begin, part in zip(begins, parts, strict=False):
                bounds += (part.rollout_bounds[1:] + begin).tolist()
        return cls(
            **data,
            data_format=form,
            done=np.concatenate([part.done for part in parts]),
            continuous=continuous,
            rollout_bounds=bounds if continuous else None,
            rollout_info=parts[0].rollout_info if len(parts) == 1 else None,
        )

    # Batches.

    def split_ordered_batches(
        self, batch_size: int | None = None, num_batches: int | None = None
    ) -> Iterator[StepSequence]:
        """Slices in their order: of `batch_size` steps, or `num_batches` of nearly equal length."""
        if (batch_size is None) == (num_batches is None):
            raise ValueError("batch_size: expected it or num_batches, got both or neither")
        if batch_size is not None:
            checked.integer("batch_size", batch_size)
            bounds = [*range(0, self.length, batch_size), self.length]
        else:
            count = checked.integer("num_batches", num_batches)
            if count > self.length:
                raise ValueError(f"num_batches: expected at most {self.length}, got {count}")
            bounds = [self.length * place // count for place in range(count + 1)]
        return (self[a:b] for a, b in pairwise(bounds))

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
        batches: list[list[int]] = [[]]
        for index in rng.permutation(self.rollout_count):
            if sum(self.rollout_lengths[batches[-1]]) >= batch_size:
                batches.append([])
            batches[-1].append(int(index))
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
        rewards = np.asarray(converted(self._data["rewards"], "numpy"), np.float64)
        steps = enumerate(rewards[: self.length])
        return math.fsum(gamma**t * float(reward) for t, reward in steps)

    # Formats.

    def numpy(self, dtype: Any = None) -> None:
        """Makes all entries arrays, of `dtype` where it is given."""
        self._convert("numpy", dtype)

    def torch(self, dtype: torch.dtype | None = None) -> None:
        """Makes all entries tensors, of `dtype` where it is given."""
        self._convert("torch", dtype)

    def _convert(self, form: str, dtype: Any) -> None:
        self._data = {
            name: mapped(lambda leaf: converted(leaf, form, dtype), rows)
            for name, rows in self._data.items()
        }
        self.data_format = form

    # How it is made.

    def _ends(self, done: Any, complete: bool) -> npt.NDArray[np.bool_]:
        if done is None:
            ends = np.zeros(self.length, bool)
            ends[-1] = complete and self.continuous
            return ends
        ends = np.array(done.tolist() if isinstance(done, torch.Tensor) else done, bool)
        if ends.shape != (self.length,):
            raise ValueError(f"done: expected shape [{self.length}], got {list(ends.shape)}")
        return ends

    def _checked_bounds(self, given: Any) -> npt.NDArray[np.int64]:
        if given is None:
            inner = np.flatnonzero(self.done[:-1]) + 1
            return np.array([0, *inner, self.length], np.int64)
        bounds = np.asarray(given)
        rises = bounds.ndim == 1 and len(bounds) > 1 and bool((np.diff(bounds) > 0).all())
        if not rises or bounds[0] != 0 or bounds[-1] != self.length:
            expected = f"rising numbers from 0 to {self.length}"
            raise ValueError(f"rollout_bounds: expected {expected}, got {bounds.tolist()}")
        return bounds.astype(np.int64)

    def _sliced(self, index: slice) -> StepSequence:
        if (index.step or 1) != 1 or not self.continuous:
            return self._picked(np.arange(self.length)[index])
        start, stop, _ = index.indices(self.length)
        bounds = [0, *(b - start for b in self.rollout_bounds if start < b < stop), stop - start]
        return self._part(slice(start, stop), slice(start, stop + 1), bounds)

    def _picked(self, index: npt.NDArray[Any]) -> StepSequence:
        if index.ndim != 1 or index.dtype.kind not in "ib":
            raise TypeError(f"index: expected a list of steps, got {index.tolist()}")
        if index.dtype.kind == "b" and len(index) != self.length:
            raise IndexError(f"index: expected {self.length} booleans, got {len(index)}")
        steps = np.arange(self.length)[index]
        return self._part(steps, steps, None)

    def _part(self, index: Any, longer: Any, bounds: list[int] | None) -> StepSequence:
        """Some steps; `longer` is for entries of n + 1 rows."""

        def rows(leaf: Any) -> Any:
            return leaf[index if len(leaf) == self.length else longer]

        data: Mapping[str, Any] = {name: mapped(rows, each) for name, each in self._data.items()}
        return StepSequence(
            **data,
            data_format=self.data_format,
            done=self.done[index],
            continuous=bounds is not None,
            rollout_bounds=bounds,
            rollout_info=self.rollout_info,
        )
