"""Spaces of Gymnasium as the engine has them, and whether a value is of its space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_NUMBERS = "fiub"


@dataclass(frozen=True)
class Observations:
    """How observations of a space become rows.

    Attributes:
        shape: of a row; its product is the number of features.
        dtype: "sparse", "float32" or "uint8".
        offsets: of a sparse space of choices, where the features of each begin, less its least one.
    """

    space: Any
    shape: list[int]
    dtype: str
    offsets: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, space: Any) -> Observations:
        """Raises ValueError for a space that has no rows yet."""
        kind = type(space).__name__
        if kind == "Box" and space.dtype.kind in _NUMBERS:
            dtype = "uint8" if space.dtype == np.uint8 else "float32"
            return cls(space, list(space.shape) or [1], dtype)
        if kind == "Discrete":
            return cls(space, [int(space.n)], "sparse", np.array([-space.start]))
        if kind == "MultiDiscrete":
            counts = space.nvec.ravel()
            offsets = np.cumsum(counts) - counts - np.ravel(space.start)
            return cls(space, [int(counts.sum())], "sparse", offsets)
        if kind == "MultiBinary":
            return cls(space, [math.prod(space.shape)], "sparse")
        expected = "Box, Discrete, MultiDiscrete or MultiBinary"
        if kind in ("Dict", "Tuple"):
            expected += "; gymnasium.wrappers.FlattenObservation makes one Box of it"
        raise ValueError(f"observation space: expected {expected}, got {space}")

    def features(self, observation: Any) -> npt.NDArray[np.int64]:
        """The active features of a sparse space."""
        values = np.ravel(observation)
        return np.flatnonzero(values) if self.offsets is None else values + self.offsets

    def numbers(self, observation: Any) -> npt.NDArray[Any]:
        """The row of a dense space, flat."""
        return np.asarray(observation, self.dtype).ravel()


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

    def action(self, drawn: Any) -> Any:
        """What `step` of Gymnasium takes, of an action of the engine."""
        if self.described["type"] == "discrete":
            return int(drawn) + self.start
        return np.asarray(drawn + self.start, self.space.dtype).reshape(self.space.shape)


def misfit(space: Any, value: Any) -> str | None:
    """What was expected of a value of `space`, and what came; None if it is one."""
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
