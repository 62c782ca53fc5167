"""What travels: JSON and arrays as safetensors bytes, each distinct row once. Nothing is pickled.

A column whose rows repeat becomes two: its distinct rows, and which of them each row is, in as few
bytes as that needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.rl.columns import take_rows
from twisterl.runs import tensors
from twisterl.runs.errors import CheckpointError
from twisterl.twisterl.collector import distinct_rows

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

_TOLD = "twisterl.told"
# Ends the name of the column that says which distinct row each row is.
_ROW_OF = ".row_of"
# Types of integers, the smallest first, with the least and the most that they hold.
_SMALL: tuple[tuple[Any, int, int], ...] = tuple(
    (kind, int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for kind in (np.uint8, np.int16, np.int32)
)


class WireError(CheckpointError):
    """Bytes that are not what this package sends."""


def pack(told: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """`told`, which is JSON, and `arrays` as bytes that carry their own SHA-256."""
    return tensors.encode(arrays, {_TOLD: json.dumps(told, allow_nan=False)})


def unpack(content: bytes, source: str) -> tuple[dict[str, Any], Arrays]:
    """What `pack` was given; `WireError` naming `source` if `content` is no such thing."""
    try:
        arrays, metadata = tensors.decode(content, source)
        told = json.loads(metadata[_TOLD])
    except KeyError:
        raise WireError(f"{source}: holds no job and no part") from None
    except ValueError as error:
        raise WireError(str(error)) from error
    if not isinstance(told, dict):
        raise WireError(f"{source}: expected an object, got {type(told).__name__}")
    return told, arrays


def compact(columns: Mapping[str, Array]) -> Arrays:
    """The columns `[N, ...]` with distinct rows only, where that is less."""
    small: Arrays = {}
    for name, values in columns.items():
        words = _words(values)
        if words is None:
            small[name] = _narrow(values)
            continue
        count, width = words.shape
        offsets = np.arange(count + 1, dtype=np.int64) * width
        kept, row_of = distinct_rows(words.reshape(-1), offsets, np.zeros(count, np.int32))
        index = _narrow(row_of)
        distinct = np.ascontiguousarray(values[kept])
        if distinct.nbytes + index.nbytes < values.nbytes:
            small[name], small[name + _ROW_OF] = distinct, index
        else:
            small[name] = values
    return small


def compact_rows(indices: Array, offsets: Array) -> Arrays:
    """Observations `indices` int32 [K] and `offsets` int64 [N + 1], each distinct one once."""
    none = np.zeros(len(offsets) - 1, np.int32)
    kept, row_of = distinct_rows(indices, offsets, none)
    indices, offsets = take_rows(indices, offsets, kept)
    return {
        "indices": _narrow(indices),
        "lengths": _narrow(np.diff(offsets)),
        "indices" + _ROW_OF: _narrow(row_of),
    }


def whole(small: Arrays, types: Mapping[str, Any]) -> Arrays:
    """The columns that `compact` was given, of `types`; `WireError` where they do not fit."""
    columns: Arrays = {}
    for name, kind in types.items():
        try:
            values = small[name].astype(kind, copy=False)
            index = small.get(name + _ROW_OF)
            columns[name] = values if index is None else values[_natural(index)]
        except (KeyError, IndexError) as error:
            raise WireError(f"column {name}: {error}") from None
    return columns


def whole_rows(small: Arrays) -> tuple[Array, Array]:
    """The observations that `compact_rows` was given."""
    try:
        indices = small["indices"].astype(np.int32, copy=False)
        offsets = _starts(small["lengths"])
        if offsets[-1] != len(indices):
            raise WireError(f"observations: {offsets[-1]} features, got {len(indices)}")
        return take_rows(indices, offsets, _natural(small["indices" + _ROW_OF]))
    except (KeyError, IndexError) as error:
        raise WireError(f"observations: {error}") from None


def _starts(lengths: Array) -> Array:
    lengths = _natural(lengths)
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _natural(values: Array) -> Array:
    """As int64; `WireError` if one is negative, which indexing would take for a place."""
    values = values.astype(np.int64)
    if values.ndim != 1 or (len(values) and values.min() < 0):
        raise WireError("a row: expected numbers from 0 on")
    return values


def _narrow(values: Array) -> Array:
    """Integers in as few bytes as hold them all; other numbers as they are."""
    if values.dtype.kind != "i" or not values.size:
        return values
    low, high = int(values.min()), int(values.max())
    for kind, least, most in _SMALL:
        if least <= low and high <= most:
            return values.astype(kind, copy=False)
    return values


def _words(values: Array) -> npt.NDArray[np.int32] | None:
    """Rows of 32-bit words with the bytes of those of `values`; None where there are none."""
    if not values.size:
        return None
    flat = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
    if flat.shape[1] % 4:
        flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4)))
    return np.ascontiguousarray(flat).view(np.int32)
