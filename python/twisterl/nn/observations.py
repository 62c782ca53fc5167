"""Observations of nested spaces as vectors, and back.

The leaves of a space come in its own order, each raveled; one of a Discrete space is one number.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace
>>> space = {"image": BoxSpace(0, 255, (1, 2, 2)), "place": BoxSpace(-1, 1, 3)}
>>> flat = flatten_observations({"image": torch.ones(5, 1, 2, 2), "place": torch.ones(5, 3)}, space)
>>> flat.shape, unflatten_observations(flat, space)["image"].shape
(torch.Size([5, 7]), torch.Size([5, 1, 2, 2]))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import fx

from twisterl.nn import checked
from twisterl.nn.spaces import is_choice, shape_of


def parts_of(space: Any) -> Any:
    """The mapping or tuple of spaces that a Dict or a Tuple is made of; None for a leaf."""
    inner = getattr(space, "spaces", space)
    return inner if isinstance(inner, (Mapping, tuple, list)) else None


def leaves(space: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(path, space) of every leaf, in the order of the space."""
    parts = parts_of(space)
    if parts is None:
        yield path, space
        return
    for key, part in parts.items() if isinstance(parts, Mapping) else enumerate(parts):
        yield from leaves(part, (*path, key))


def leaf_shape(space: Any) -> tuple[int, ...]:
    """Of an element of a leaf; () for a choice."""
    return () if is_choice(space) else shape_of("space", space)


def at(obs: Any, path: tuple[Any, ...]) -> Any:
    """The leaf of `obs` at `path`, as a tensor, or what stands for one."""
    for key in path:
        try:
            obs = obs[key]
        except (KeyError, IndexError):
            raise ValueError(f"obs: expected an entry {key!r}, got none") from None
        except TypeError:
            got = type(obs).__name__
            raise TypeError(f"obs: expected an entry {key!r}, got a {got}") from None
    return obs if isinstance(obs, fx.Proxy) else _tensor(obs)


def is_traced(obs: Any) -> bool:
    """Whether the leaves of `obs` are no tensors, but stand for them while torch.fx looks on."""
    while isinstance(obs, (Mapping, tuple, list)) and obs:
        obs = next(iter(obs.values() if isinstance(obs, Mapping) else obs))
    return isinstance(obs, fx.Proxy)


def mapped(obs: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """`obs` with each of its tensors changed."""
    if isinstance(obs, torch.Tensor):
        return change(obs)
    if isinstance(obs, (Mapping, dict)):
        return {key: mapped(part, change) for key, part in obs.items()}
    if isinstance(obs, (tuple, list)):
        return tuple(mapped(part, change) for part in obs)
    return change(_tensor(obs))


def _tensor(obs: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(obs)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"obs: expected tensors, got {type(obs).__name__}") from None


def num_leading_axes(obs: Any, space: Any) -> int:
    """How many axes of `obs` come before those of one observation of `space`.

    Raises:
        ValueError: the axes after them are not those of the space.
    """
    path, leaf = next(leaves(space))
    found, shape = at(obs, path), leaf_shape(leaf)
    leading = found.ndim - len(shape)
    if leading < 0 or tuple(found.shape[leading:]) != shape:
        got = list(found.shape)
        raise ValueError(f"obs: expected shape [..., {', '.join(map(str, shape))}], got {got}")
    return leading


def zeros(space: Any, batch_size: int, draw: Callable[..., torch.Tensor] = torch.zeros) -> Any:
    """A batch of observations of `space`, each number drawn by `draw(sizes)`; choices are 0."""
    parts = parts_of(space)
    if isinstance(parts, Mapping):
        return {key: zeros(part, batch_size, draw) for key, part in parts.items()}
    if parts is not None:
        return tuple(zeros(part, batch_size, draw) for part in parts)
    if is_choice(space):
        return torch.zeros(batch_size)
    return draw((batch_size, *leaf_shape(space)))


def flatten_observations(obs: Any, space: Any) -> torch.Tensor:
    """[..., N]: the leaves of `obs` raveled and joined, in the order of `space`.

    Args:
        obs: nested as `space`, leaves `[..., *shape]` of the same leading axes; arrays or tensors.

    Raises:
        TypeError, ValueError: leaves that are missing or do not fit.
    """
    flat: list[torch.Tensor] = []
    for path, leaf in leaves(space):
        found = at(obs, path)
        leading = num_leading_axes(found, leaf)
        flat.append(found.reshape((*found.shape[:leading], math.prod(leaf_shape(leaf)))))
    sizes = {part.shape[:-1] for part in flat}
    if len(sizes) > 1:
        raise ValueError(f"obs: expected the same leading axes, got {sorted(map(list, sizes))}")
    return torch.cat(flat, -1)


def unflatten_observations(flat: torch.Tensor, space: Any) -> Any:
    """The inverse of `flatten_observations`: dicts and tuples of views of `flat` [..., N].

    Raises:
        ValueError: N is not the number of elements of `space`.
    """
    checked.tensor("flat", flat, at_least=1)
    shapes = [leaf_shape(leaf) for _, leaf in leaves(space)]
    counts = [math.prod(shape) for shape in shapes]
    if flat.shape[-1] != sum(counts):
        raise ValueError(f"flat: expected shape [..., {sum(counts)}], got {list(flat.shape)}")
    pieces = zip(flat.split(counts, -1), shapes, strict=True)
    return _nested((part.reshape((*flat.shape[:-1], *shape)) for part, shape in pieces), space)


def _nested(pieces: Iterator[torch.Tensor], space: Any) -> Any:
    parts = parts_of(space)
    if parts is None:
        return next(pieces)
    if isinstance(parts, Mapping):
        return {key: _nested(pieces, part) for key, part in parts.items()}
    return tuple(_nested(pieces, part) for part in parts)
