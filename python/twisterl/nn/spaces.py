"""What observations and actions are made of: Pyrado's spaces, and what gymnasium's tell.

Wherever a space is taken, gymnasium's serve as well; nothing here imports that package.

>>> space = BoxSpace([-1.0, 0.0], 2.0)
>>> space.flat_dim, space.contains([0.0, 1.0]), space.project_to([5.0, -1.0]).tolist()
(2, True, [2.0, 0.0])
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twisterl.nn import checked

Array = npt.NDArray[Any]


class EnvSpec(NamedTuple):
    """The spaces of an environment, whose elements have a shape `[D]` each: Pyrado's."""

    obs_space: Any
    act_space: Any
    state_space: Any = None


class BoxSpace:
    """Numbers [...] between bounds of that shape, which may be infinite.

    Args:
        bound_lo, bound_up: numbers, or arrays of the shape of an element.
        shape: of an element where both bounds are numbers.
        labels: a name for each number.
    """

    def __init__(
        self,
        bound_lo: Any,
        bound_up: Any,
        shape: int | Sequence[int] | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        low, up = _numbers("bound_lo", bound_lo), _numbers("bound_up", bound_up)
        if shape is None:
            sizes = np.broadcast_shapes(low.shape, up.shape) or (1,)
        else:
            sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
            sizes = tuple(checked.integer("shape", size, 0) for size in sizes)
        try:
            self.bound_lo, self.bound_up = (np.broadcast_to(b, sizes).copy() for b in (low, up))
        except ValueError:
            got = f"got {list(low.shape)} and {list(up.shape)}"
            raise ValueError(f"shape: expected that of the bounds, {list(sizes)}; {got}") from None
        if not bool((self.bound_lo <= self.bound_up).all()):
            raise ValueError("bound_lo: expected numbers up to bound_up")
        self.shape = tuple(sizes)
        self.labels = _checked_labels(labels, self.flat_dim)

    @property
    def flat_dim(self) -> int:
        """How many numbers an element has."""
        return math.prod(self.shape)

    @property
    def bounds(self) -> tuple[Array, Array]:
        """The lower and the upper ones, float64 of the shape of an element."""
        return self.bound_lo, self.bound_up

    def contains(self, value: Any) -> bool:
        """Whether `value` has the shape of an element and lies between the bounds."""
        array = np.asarray(value)
        if array.shape != self.shape:
            return False
        return bool(((self.bound_lo <= array) & (array <= self.bound_up)).all())

    def project_to(self, value: Any) -> Array:
        """The element nearest to `value`."""
        array = np.asarray(value, np.float64)
        if array.shape != self.shape:
            raise ValueError(f"value: expected shape {self.shape}, got {array.shape}")
        return np.clip(array, self.bound_lo, self.bound_up)

    def sample_uniform(self, concrete_inf: float = 1e6, rng: Any = np.random) -> Array:
        """An element between the bounds, `concrete_inf` in place of infinity.

        Args:
            rng: a numpy generator; by default numpy's own, which `np.random.seed` seeds.
        """
        checked.number("concrete_inf", concrete_inf, 0.0)
        low, up = (np.clip(bound, -concrete_inf, concrete_inf) for bound in self.bounds)
        return rng.uniform(low, up)


def _numbers(name: str, value: Any) -> Array:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        got = type(value).__name__
        raise TypeError(f"{name}: expected a number or an array of numbers, got {got}") from None


class DiscreteSpace:
    """One of some elements, each of as many numbers.

    Args:
        eles: [n] or [n, k], the elements.
        labels: a name for each of the k numbers.
    """

    def __init__(self, eles: Any, labels: Sequence[str] | None = None) -> None:
        array = np.asarray(eles)
        if array.ndim not in (1, 2) or not array.size:
            raise ValueError(f"eles: expected [n] or [n, k] elements, got shape {array.shape}")
        self.eles = array.reshape(len(array), -1).copy()
        self.shape = self.eles.shape[1:]
        self.labels = _checked_labels(labels, self.flat_dim)

    @property
    def n(self) -> int:
        """How many elements there are to choose from."""
        return len(self.eles)

    @property
    def flat_dim(self) -> int:
        """How many numbers an element has, as in Pyrado: not `n`."""
        return self.eles.shape[1]

    @property
    def bounds(self) -> tuple[Array, Array]:
        """The least and the largest numbers of the elements, [k]."""
        return self.eles.min(0), self.eles.max(0)

    def contains(self, value: Any) -> bool:
        """Whether `value` is one of the elements."""
        array = np.asarray(value)
        if array.size != self.flat_dim:
            return False
        return bool((self.eles == array.reshape(-1)).all(1).any())

    def project_to(self, value: Any) -> Array:
        """The element nearest to `value`."""
        array = np.asarray(value, np.float64)
        if array.size != self.flat_dim:
            raise ValueError(f"value: expected {self.flat_dim} numbers, got {array.size}")
        distances = ((self.eles - array.reshape(-1)) ** 2).sum(1)
        return self.eles[distances.argmin()]

    def sample_uniform(self, concrete_inf: float = 1e6, rng: Any = np.random) -> Array:
        """Any element; `rng` as in `BoxSpace`."""
        return self.eles[int(rng.uniform() * self.n)]


def flat_dim(name: str, space: Any) -> int:
    """How many numbers an element of `space` has as a vector."""
    if hasattr(space, "flat_dim"):
        return int(space.flat_dim)
    return math.prod(shape_of(name, space)) if not is_choice(space) else 1


def shape_of(name: str, space: Any) -> tuple[int, ...]:
    """The shape of an element of `space`; TypeError if it is no space of numbers."""
    shape = getattr(space, "shape", None)
    if shape is None:
        raise TypeError(f"{name}: expected a space with a shape, got {type(space).__name__}")
    return tuple(int(size) for size in shape)


def is_choice(space: Any) -> bool:
    """Whether an element of `space` is one of n."""
    has_n = hasattr(space, "n") and not callable(space.n) and not hasattr(space, "nvec")
    # gymnasium's MultiBinary has an n too.
    return has_n and (hasattr(space, "eles") or not getattr(space, "shape", ()))


def action_space_of(name: str, space: Any) -> dict[str, Any]:
    """`space` as `env.act_space()` tells it: one of n, several such, or numbers in bounds.

    Raises:
        ValueError: choices that do not begin at 0, or numbers that are no floats.
    """
    if np.any(getattr(space, "start", 0)):
        raise ValueError(f"{name}: expected choices from 0, got a start of {space.start}")
    if hasattr(space, "nvec"):
        return {"type": "multi_discrete", "nvec": [int(n) for n in np.ravel(space.nvec)]}
    if is_choice(space):
        return {"type": "discrete", "n": int(space.n)}
    shape = shape_of(name, space)
    if hasattr(space, "n"):
        return {"type": "multi_discrete", "nvec": [2] * math.prod(shape)}
    if np.dtype(getattr(space, "dtype", float)).kind != "f":
        raise ValueError(f"{name}: expected a box of floats, got one of {space.dtype}")
    low, high = space.bounds if hasattr(space, "bounds") else (space.low, space.high)
    return {"type": "box", "low": np.ravel(low).tolist(), "high": np.ravel(high).tolist()}


def _checked_labels(labels: Sequence[str] | None, count: int) -> list[str] | None:
    if labels is None:
        return None
    if len(labels) != count:
        raise ValueError(f"labels: expected {count}, got {len(labels)}")
    return list(labels)


class MultiDiscreteSpace:
    """One of n for each of some parts, [parts].

    Args:
        nvec: n of each part.
    """

    def __init__(self, nvec: Sequence[int]) -> None:
        self.nvec = [checked.integer("nvec", n) for n in nvec]
        self.shape = (len(self.nvec),)

    @property
    def flat_dim(self) -> int:
        """How many numbers an element has."""
        return len(self.nvec)


def action_space_from(told: dict[str, Any]) -> BoxSpace | DiscreteSpace | MultiDiscreteSpace:
    """The space that `env.act_space()` has told."""
    if told["type"] == "box":
        return BoxSpace(told["low"], told["high"])
    if told["type"] == "multi_discrete":
        return MultiDiscreteSpace(told["nvec"])
    return DiscreteSpace(np.arange(told["n"]))


def observation_space_from(shape: Sequence[int], obs_dtype: Any) -> Any:
    """The space of observations as a network of torch gets them: bytes are shares of 255.

    That of several parts is a dictionary of spaces.
    """
    if not isinstance(obs_dtype, str):
        return {
            name: observation_space_from(part["shape"], part["dtype"])
            for name, part in obs_dtype.items()
        }
    low, high = (-math.inf, math.inf) if obs_dtype == "float32" else (0.0, 1.0)
    return BoxSpace(low, high, list(shape))
