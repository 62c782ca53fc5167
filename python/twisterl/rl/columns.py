"""Samples of a rollout as arrays, each distinct observation kept once: see `twisterl.rl.batch`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.twisterl.collector import distinct_rows

Array = npt.NDArray[Any]
Fields = dict[str, Any]

# Logits of illegal actions are set to it; a logit below half of it means "illegal" in old data.
MASKED_LOGIT = -1e10
ROW_FIELDS = ("indices", "offsets", "perms", "rows", "sequences", "segments")


def columns_of(data: Any) -> Any:
    """The columns of a `CollectedData` as arrays; any other object has them itself."""
    return getattr(data, "arrays", data)


def has(data: Any, *names: str) -> bool:
    return all(getattr(data, name, None) is not None for name in names)


def rows_from_collected(data: Any) -> Fields:
    """The fields of `Batch` from a `CollectedData`.

    Shares the memory of what our collectors give where the types are the same. Of any other object
    it reads what TwisteRL 0.5 had: lists `obs`, `logits` and `perms` (optional).
    """
    columns = columns_of(data)
    if columns is not data and has(data, "distinct_rows", "distinct_index"):
        kept = np.asarray(data.distinct_rows, np.int64)
        rows = np.asarray(data.distinct_index, np.int64)
        indices, offsets = take_rows(
            np.asarray(columns.indices, np.int64), np.asarray(columns.offsets, np.int64), kept
        )
        perms = np.asarray(columns.perms, np.int64)[kept]
        legal = np.asarray(columns.masks, bool)
    else:
        indices, offsets, perms, rows = _distinct(data.obs, getattr(data, "perms", None))
        legal = np.asarray(data.logits, np.float32) > MASKED_LOGIT / 2
    illegal = None if legal.all() else ~legal
    found = {"indices": indices, "offsets": offsets, "perms": perms, "rows": rows}
    return {**found, "illegal": illegal}


def _distinct(observations: Any, perms: Any) -> tuple[Array, ...]:
    """Distinct rows of a list of lists of features and the row of each sample."""
    twists = [-1] * len(observations) if perms is None or len(perms) == 0 else perms
    known: dict[tuple[int, ...], int] = {}
    rows = [
        known.setdefault((int(twist), *features), len(known))
        for features, twist in zip(observations, twists, strict=True)
    ]
    indices = [feature for key in known for feature in key[1:]]
    offsets = np.cumsum([0] + [len(key) - 1 for key in known])
    kept = [key[0] for key in known]
    return tuple(np.asarray(values, np.int64) for values in (indices, offsets, kept, rows))


def take_rows(indices: Array, offsets: Array, rows: Array) -> tuple[Array, Array]:
    """The given rows (int64 [M]) of a sparse batch: indices and offsets [M + 1]."""
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    taken = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=taken[1:])
    shift = np.repeat(starts - taken[:-1], lengths)
    return indices[np.arange(taken[-1]) + shift], taken


def joined(one: Fields, other: Fields) -> Fields:
    """The samples of both, other's last; a row that both have is kept once."""
    indices = np.concatenate([one["indices"], other["indices"]])
    offsets = np.concatenate([one["offsets"], other["offsets"][1:] + one["offsets"][-1]])
    perms = np.concatenate([one["perms"], other["perms"]])
    kept, same = distinct_rows(indices.astype(np.int32), offsets, perms.astype(np.int32))
    indices, offsets = take_rows(indices, offsets, kept)
    rows = same[np.concatenate([one["rows"], other["rows"] + len(one["perms"])])]
    columns = {
        name: np.concatenate([column, other[name]])
        for name, column in one.items()
        if name not in ROW_FIELDS
    }
    found = {"indices": indices, "offsets": offsets, "perms": perms[kept], "rows": rows}
    return {**found, **columns}


def newest(fields: Fields, count: int) -> Fields:
    """The last `count` samples, with just the rows that they need."""
    rows = fields["rows"][-count:]
    kept, renumbered = np.unique(rows, return_inverse=True)
    indices, offsets = take_rows(fields["indices"], fields["offsets"], kept)
    columns = {
        name: None if column is None else column[-count:]
        for name, column in fields.items()
        if name not in ROW_FIELDS
    }
    found = {"indices": indices, "offsets": offsets, "perms": fields["perms"][kept]}
    return {**found, "rows": renumbered, **columns}


def normalized(advantages: Array) -> Array:
    """(A - mean) / (std + 1e-8) with the sample deviation; a single advantage becomes 0."""
    if len(advantages) < 2:
        return np.zeros_like(advantages)
    # In double precision, where the order of a sum is lost in the rounding to 32 bits: the engine
    # finds the same numbers.
    mean, deviation = advantages.mean(dtype=np.float64), advantages.std(ddof=1, dtype=np.float64)
    return (advantages - np.float32(mean)) / (np.float32(deviation) + np.float32(1e-8))
