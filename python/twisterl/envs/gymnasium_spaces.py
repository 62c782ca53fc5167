"""Spaces of Gymnasium as the engine has them, and whether a value is of its space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_NUMBERS = "fiub"


@dataclass(frozen=True)
class Observations:
    """How observations of a space become rows.

    Attributes:
        shape: of a row; its product is the number of features.
        dtype: "sparse", "float32" or "uint8"; "dict" of a Dict or a Tuple.
        bounds: the least and the greatest value of each entry; None of a Dict or a Tuple.
        offsets: of a sparse space of choices, where the features of each begin, less its least one.
        parts: of a Dict or a Tuple, by their keys or places.
    """

    space: Any
    shape: list[int]
    dtype: str
    bounds: tuple[Any, Any] | None = None
    offsets: npt.NDArray[np.int64] | None = None
    parts: dict[Any, Observations] = field(default_factory=dict)

    @classmethod
    def of(cls, space: Any) -> Observations:
        """Raises ValueError for a space that has no rows yet."""
        kind = type(space).__name__
        if kind in ("Dict", "Tuple"):
            parts = {key: cls.of(part) for key, part in _inner(space)}
            return cls(space, [], "dict", parts=parts)
        if kind == "Box" and space.dtype.kind in _NUMBERS:
            dtype = "uint8" if space.dtype == np.uint8 else "float32"
            return cls(space, list(space.shape) or [1], dtype, _bounds(space))
        if kind == "Discrete":
            offsets = np.array([-space.start])
            return cls(space, [int(space.n)], "sparse", _bounds(space), offsets)
        if kind == "MultiDiscrete":
            counts = space.nvec.ravel()
            offsets = np.cumsum(counts) - counts - np.ravel(space.start)
            return cls(space, [int(counts.sum())], "sparse", _bounds(space), offsets)
        if kind == "MultiBinary":
            return cls(space, [math.prod(space.shape)], "sparse", _bounds(space))
        expected = "Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or a Tuple of such"
        raise ValueError(f"observation space: expected {expected}, got {space}")

    def described(self) -> dict[str, Any]:
        """As `obs_space` of an environment tells it."""
        if self.dtype == "dict":
            return {str(key): part.described() for key, part in self.parts.items()}
        return {"dtype": self.dtype, "shape": self.shape}

    def rows(self, observations: Sequence[Any]) -> Any:
        """Those of a batch: an array; of features a pair (indices, offsets); or a dictionary.

        Raises ValueError for the first that is not of the space.
        """
        try:
            return self._rows(observations)
        except (LookupError, TypeError, ValueError) as error:
            problems = (misfit(self.space, each) for each in observations)
            problem = next(filter(None, problems), str(error))
            raise ValueError(f"observation: {problem}") from error

    def _rows(self, observations: Sequence[Any]) -> Any:
        """As `rows`, which says what is wrong where this raises."""
        if self.dtype == "dict":
            for each in observations:
                if len(each) != len(self.parts):
                    raise ValueError(f"expected {len(self.parts)} parts, got {len(each)}")
            return {
                str(key): part._rows([each[key] for each in observations])
                for key, part in self.parts.items()
            }
        values = np.array(observations)
        if not self._holds(values):
            raise ValueError(f"expected {self.space}")
        numbers = values.reshape(len(values), -1)
        if self.dtype != "sparse":
            return numbers.astype(self.dtype, copy=False)
        if self.offsets is not None:
            indices = numbers + self.offsets
            return indices.ravel(), np.arange(len(indices) + 1) * indices.shape[1]
        rows, indices = np.nonzero(numbers)
        return indices, np.searchsorted(rows, np.arange(len(numbers) + 1))

    def _holds(self, values: npt.NDArray[Any]) -> bool:
        """Whether `values` `[N, ..]` are all of the space, of which `misfit` says more."""
        space = self.space
        if values.shape[1:] != space.shape or values.dtype.kind not in _NUMBERS:
            return False
        if values.dtype.kind == "f" and np.dtype(space.dtype).kind != "f":
            return False
        assert self.bounds is not None
        low, high = self.bounds
        return bool(((values >= low) & (values <= high)).all())


@dataclass(frozen=True)
class Actions:
    """How actions of the engine become those of a space."""

    space: Any
    described: dict[str, Any]
    start: Any = 0

    @classmethod
    def of(cls, space: Any) -> Actions:
        """Raises ValueError for a space from which nothing is drawn."""
        kind = type(space).__name__
        if kind == "Discrete":
            return cls(space, {"type": "discrete", "n": int(space.n)}, int(space.start))
        if kind == "MultiDiscrete":
            nvec = space.nvec.ravel().tolist()
            return cls(space, {"type": "multi_discrete", "nvec": nvec}, np.ravel(space.start))
        if kind == "MultiBinary":
            return cls(space, {"type": "multi_discrete", "nvec": [2] * math.prod(space.shape)})
        if kind == "Box" and space.dtype.kind == "f":
            low, high = (np.ravel(bounds).tolist() for bounds in (space.low, space.high))
            if all(map(math.isfinite, low + high)):
                return cls(space, {"type": "box", "low": low, "high": high})
            raise ValueError(f"action space: expected a Box of finite bounds, got {space}")
        expected = "Discrete, MultiDiscrete, MultiBinary or a Box of floats"
        raise ValueError(f"action space: expected {expected}, got {space}")

    @property
    def num_choices(self) -> int:
        return int(self.described.get("n") or sum(self.described.get("nvec", [])))

    def actions(self, drawn: Any) -> list[Any]:
        """What `step` of Gymnasium takes, of a batch of actions of the engine."""
        told = (np.asarray(drawn) + self.start).astype(self.space.dtype)
        if self.described["type"] == "discrete":
            return list(told)
        return [each.reshape(self.space.shape) for each in told]


def first_of(rows: Any) -> Any:
    """What `observe` tells, of a batch that `Observations.rows` made of one."""
    if isinstance(rows, dict):
        return {key: first_of(part) for key, part in rows.items()}
    return rows[0]


def _inner(space: Any) -> list[tuple[Any, Any]]:
    """The keys and spaces of a Dict, the places and spaces of a Tuple."""
    inner = space.spaces
    return list(inner.items() if type(space).__name__ == "Dict" else enumerate(inner))


def misfit(space: Any, value: Any) -> str | None:
    """What was expected of a value of `space`, and what came; None if it is one."""
    if type(space).__name__ in ("Dict", "Tuple"):
        return _misfit_of_parts(space, value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return f"expected {space}, got {type(value).__name__}"
    if array.dtype.kind not in _NUMBERS:
        return f"expected {space}, got {type(value).__name__}"
    if array.shape != space.shape:
        return f"expected an array {list(space.shape)}, got {list(array.shape)}"
    is_whole = np.dtype(space.dtype).kind in "iub"
    if is_whole and array.dtype.kind == "f":
        return f"expected {np.dtype(space.dtype)}, got {array.dtype}"
    low, high = _bounds(space)
    outside = ~((array >= low) & (array <= high))
    if not outside.any():
        return None
    place = tuple(int(index) for index in np.argwhere(outside)[0])
    low, high = (np.broadcast_to(bound, array.shape)[place] for bound in (low, high))
    at = f" at {list(place)}" if place else ""
    return f"expected a number from {low:g} to {high:g}{at}, got {array[place]:g}"


def _misfit_of_parts(space: Any, value: Any) -> str | None:
    is_dict = type(space).__name__ == "Dict"
    if not isinstance(value, Mapping if is_dict else tuple | list):
        return f"expected a {'dict' if is_dict else 'tuple'}, got {type(value).__name__}"
    parts = dict(_inner(space))
    for key in value if is_dict else range(len(value)):
        if key not in parts:
            return f"{key}: expected no such part, only {', '.join(map(str, parts))}, got one"
    for key, part in parts.items():
        known = key in value if is_dict else key < len(value)
        problem = misfit(part, value[key]) if known else f"expected {part}, got none"
        if problem is not None:
            return f"{key}: {problem}"
    return None


def _bounds(space: Any) -> tuple[Any, Any]:
    kind = type(space).__name__
    if kind == "Box":
        if space.dtype.kind != "f":
            return space.low, space.high
        # Numbers of 64 bits may be beyond the nearest ones of 32.
        return np.nextafter(space.low, -np.inf), np.nextafter(space.high, np.inf)
    if kind == "MultiBinary":
        return np.int64(0), np.int64(1)
    counts = space.nvec if kind == "MultiDiscrete" else np.int64(space.n)
    return space.start, space.start + counts - 1
