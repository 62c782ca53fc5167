"""Observations of several parts: the numbers of all as one vector, and each part of it.

The parts are what `env.obs_space()` tells, by their names in their order. A vector has the numbers
of one part after another: 0 and 1 where it is sparse, shares of 255 where it is bytes.

>>> import torch
>>> parts = {"place": {"dtype": "float32", "shape": [2]}, "key": {"dtype": "sparse", "shape": [3]}}
>>> torch.equal(split(torch.arange(5.0), parts)["key"], torch.tensor([2.0, 3.0, 4.0]))
True
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.nn.dense import DTYPES, num_words
from twisterl.on_demand import torch

Parts = Mapping[str, Mapping[str, Any]]


def checked_dtype(obs_dtype: Any) -> Any:
    """`obs_dtype`; ValueError if it is none of `DTYPES`, nor parts."""
    if isinstance(obs_dtype, Mapping):
        return _checked_parts(obs_dtype)
    if obs_dtype not in DTYPES:
        raise ValueError(f"obs_dtype: expected one of {', '.join(DTYPES)}, got {obs_dtype!r}")
    return obs_dtype


def _checked_parts(obs_dtype: Parts) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {}
    for name, part in obs_dtype.items():
        fits = isinstance(part, Mapping) and part.keys() == {"dtype", "shape"}
        if not fits or part["dtype"] not in DTYPES:
            expected = f'{{"dtype": one of {", ".join(DTYPES)}, "shape": [..]}}'
            raise ValueError(f"obs_dtype: {name}: expected {expected}, got {part!r}")
        parts[name] = {"dtype": part["dtype"], "shape": [int(side) for side in part["shape"]]}
    if not parts:
        raise ValueError("obs_dtype: expected at least one part, got none")
    return parts


def size(part: Mapping[str, Any]) -> int:
    """How many numbers a part has."""
    return math.prod(part["shape"])


def split(x: torch.Tensor, parts: Parts) -> dict[str, torch.Tensor]:
    """Each part `[..., *shape]` of vectors `[..., F]`, as views."""
    found, first = {}, 0
    for name, part in parts.items():
        own = x[..., first : first + size(part)]
        found[name] = own.unflatten(-1, part["shape"]) if len(part["shape"]) > 1 else own
        first += size(part)
    return found


def module_of_vectors(module: torch.nn.Module, parts: Parts, method: str) -> torch.nn.Module:
    """`module`, whose `method` takes dictionaries of parts, as one of vectors: its "module"."""

    class OfVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module
            self.train(module.training)

        def forward(self, x: torch.Tensor) -> Any:
            return getattr(self.module, method)(split(x, parts))

    return OfVectors()


def reading(num_features: int, obs_dtype: Any) -> dict[str, Any]:
    """The block of a `twisterl.nn.spec` that reads all numbers of such observations."""
    if isinstance(obs_dtype, Mapping):
        parts = [{"name": name, **part} for name, part in obs_dtype.items()]
        return {"block": "parts", "parts": parts}
    if obs_dtype == "sparse":
        return {"block": "sparse", "features": num_features}
    return {"block": "dense", "features": num_features, "dtype": obs_dtype}


def vectors(words: torch.Tensor, offsets: torch.Tensor, parts: Parts) -> torch.Tensor:
    """Vectors float32 [U, F] of rows, from their words.

    Args:
        words: int32 or int64 [K], of the parts of a row one after another, those of a sparse part
            behind their number.
        offsets: int64 [U + 1].
    """
    at, rows = offsets[:-1].clone(), torch.arange(offsets.shape[0] - 1, device=words.device)
    columns: list[torch.Tensor] = []
    for part in parts.values():
        dtype, count = part["dtype"], size(part)
        if dtype == "sparse":
            counts = words[at].to(torch.int64)
            within = torch.arange(int(counts.sum()), device=words.device)
            begin = counts.cumsum(0) - counts
            row = torch.repeat_interleave(rows, counts)
            features = words[at[row] + 1 + within - begin[row]].to(torch.int64)
            numbers = torch.zeros(len(rows), count, device=words.device)
            numbers.index_put_((row, features), torch.ones((), device=words.device), True)
            at = at + 1 + counts
        else:
            width = num_words(dtype, count)
            own = words[at[:, None] + torch.arange(width, device=words.device)].to(torch.int32)
            numbers = own.view(getattr(torch, dtype))[:, :count].to(torch.float32)
            numbers = numbers / 255 if dtype == "uint8" else numbers
            at = at + width
        columns.append(numbers)
    return torch.cat(columns, 1)


def are_rows(words: npt.NDArray[Any], offsets: npt.NDArray[Any], parts: Parts) -> bool:
    """Whether these are words of observations, whose numbers are finite."""
    return all(
        _is_row(words[start:end], parts)
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    )


def _is_row(words: npt.NDArray[Any], parts: Parts) -> bool:
    first = 0
    for dtype, count in _kinds(parts):
        if dtype == "sparse":
            if first >= len(words):
                return False
            own = words[first + 1 : first + 1 + max(0, int(words[first]))]
            fits = len(own) == words[first] and bool(((own >= 0) & (own < count)).all())
            first += 1 + len(own)
        else:
            width = num_words(dtype, count)
            own = words[first : first + width]
            fits = len(own) == width and bool((np.abs(own + 0.5) < 2**31).all())
            if fits and dtype == "float32":
                fits = bool(np.isfinite(own.astype(np.int32).view(np.float32)).all())
            first += width
        if not fits:
            return False
    return first == len(words)


def _kinds(parts: Parts) -> Iterator[tuple[str, int]]:
    return ((part["dtype"], size(part)) for part in parts.values())
