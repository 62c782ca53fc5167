"""Samples of a rollout as tensors, each distinct observation kept once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from twisterl.rl.sequences import Sequences
from twisterl.twisterl.collector import distinct_rows

if TYPE_CHECKING:
    from typing_extensions import Self

# Logits of illegal actions are set to it; a logit below half of it means "illegal" in old data.
MASKED_LOGIT = -1e10

_ROW_FIELDS = ("indices", "offsets", "perms", "rows", "sequences")


@dataclass(frozen=True)
class Batch:
    """N samples of U distinct rows; a row is an observation together with its twist.

    An algorithm adds its targets as further fields, each [N] or [N, ...].

    Attributes:
        indices: int64 [K], active features of all rows, row after row; where observations are
            dense, their words, which `twisterl.nn.dense.numbers` reads.
        offsets: int64 [U + 1], where each row starts in `indices`.
        perms: int64 [U], twist of each row, -1 for none.
        rows: int64 [N], the row of each sample.
        illegal: bool [N, A], True where an action must not be played; None if all may be.
        sequences: how the samples follow each other, for a policy with memory; they are taken and
            split by sequences then.
    """

    indices: torch.Tensor
    offsets: torch.Tensor
    perms: torch.Tensor
    rows: torch.Tensor
    illegal: torch.Tensor | None
    sequences: Sequences | None = field(default=None, kw_only=True)

    @property
    def num_units(self) -> int:
        """How many there are of what `take` takes: samples, or sequences of them."""
        return self.num_samples if self.sequences is None else len(self.sequences.lengths)

    @property
    def num_samples(self) -> int:
        return self.rows.shape[0]

    @property
    def num_rows(self) -> int:
        return self.perms.shape[0]

    def to(self, device: torch.device) -> Self:
        tensors: dict[str, Any] = {k: v.to(device) for k, v in vars(self).items() if v is not None}
        return replace(self, **tensors)

    def columns(self) -> dict[str, Any]:
        """What belongs to a sample rather than to a row, by field."""
        names = [field.name for field in fields(self) if field.name not in _ROW_FIELDS]
        return {name: getattr(self, name) for name in names}

    def take(self, units: torch.Tensor) -> Self:
        """The samples (or sequences) numbered `units` (int64 [M]), with just the rows they need."""
        sequences, samples = self.sequences, units
        if sequences is not None:
            samples, sequences = sequences.samples(units), sequences.take(units)
        rows = self.rows[samples]
        needed = torch.zeros(self.num_rows, dtype=torch.bool, device=rows.device)
        needed[rows] = True
        if sequences is not None:
            needed[sequences.rows] = True
            needed[sequences.burn_in] = True
        kept = needed.nonzero()[:, 0]
        renumbered = torch.empty(self.num_rows, dtype=torch.int64, device=rows.device)
        renumbered[kept] = torch.arange(kept.shape[0], device=rows.device)
        indices, offsets = take_rows(self.indices, self.offsets, kept)
        columns = self.columns().items()
        return replace(
            self,
            indices=indices,
            offsets=offsets,
            perms=self.perms[kept],
            rows=renumbered[rows],
            sequences=None if sequences is None else sequences.renumbered(renumbered),
            **{name: None if column is None else column[samples] for name, column in columns},
        )

    def joined(self, other: Self) -> Self:
        """The samples of both, other's last; a row that both have is kept once. On the CPU.

        Both must have all fields, `illegal` too.
        """
        indices = torch.cat([self.indices, other.indices])
        offsets = torch.cat([self.offsets, other.offsets[1:] + self.offsets[-1]])
        perms = torch.cat([self.perms, other.perms])
        kept, same = (
            torch.from_numpy(found)
            for found in distinct_rows(
                indices.to(torch.int32).numpy(), offsets.numpy(), perms.to(torch.int32).numpy()
            )
        )
        indices, offsets = take_rows(indices, offsets, kept)
        rows = same[torch.cat([self.rows, other.rows + self.num_rows])]
        columns: dict[str, Any] = {
            name: torch.cat([column, getattr(other, name)])
            for name, column in self.columns().items()
        }
        return replace(
            self, indices=indices, offsets=offsets, perms=perms[kept], rows=rows, **columns
        )

    def twisted(self, twists: torch.Tensor, num_twists: int) -> Self:
        """The samples, each seen through its twist (int64 [N], in 0..num_twists)."""
        pairs, rows = (self.rows * num_twists + twists).unique(return_inverse=True)
        indices, offsets = take_rows(self.indices, self.offsets, pairs // num_twists)
        return replace(self, indices=indices, offsets=offsets, perms=pairs % num_twists, rows=rows)

    def split(self, max_rows: int) -> list[Self]:
        """Parts of at most `max_rows` rows that hold each sample once and share no row.

        Of sequences, which may share some, each has at most so many steps, or is one sequence.
        """
        if self.sequences is None and self.num_rows <= max_rows:
            return [self]
        if self.sequences is not None:
            count = max(1, max_rows // self.sequences.rows.shape[1])
            every = torch.arange(self.num_units, device=self.rows.device)
            return [self.take(units) for units in every.split(count)]
        rows, order = torch.sort(self.rows, stable=True)
        num_parts = -(-self.num_rows // max_rows)
        starts = torch.arange(1, num_parts, device=rows.device) * self.num_rows // num_parts
        sizes = torch.searchsorted(rows, starts).cpu()
        return [self.take(samples) for samples in torch.tensor_split(order, sizes)]


def take_rows(
    indices: torch.Tensor, offsets: torch.Tensor, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The given rows (int64 [M]) of a sparse batch: indices and offsets [M + 1]."""
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    taken = torch.zeros(rows.shape[0] + 1, dtype=torch.int64, device=rows.device)
    torch.cumsum(lengths, 0, out=taken[1:])
    total = int(taken[-1])
    within = torch.arange(total, device=rows.device)
    shift = torch.repeat_interleave(starts - taken[:-1], lengths, output_size=total)
    return indices[within + shift], taken


def rows_from_collected(data: Any) -> dict[str, Any]:
    """The fields of `Batch` from a `CollectedData`, on the CPU.

    Reads the arrays that our collectors give without a copy. Of any other object it reads what
    TwisteRL 0.5 had: lists `obs`, `logits` and `perms` (optional).
    """
    columns = columns_of(data)
    if columns is not data and has(data, "distinct_rows", "distinct_index"):
        kept = tensor(data.distinct_rows, torch.int64)
        rows = tensor(data.distinct_index, torch.int64)
        indices, offsets = take_rows(
            tensor(columns.indices, torch.int64), tensor(columns.offsets, torch.int64), kept
        )
        perms = tensor(columns.perms, torch.int64)[kept]
        legal = tensor(columns.masks, torch.bool)
    else:
        indices, offsets, perms, rows = _distinct(data.obs, getattr(data, "perms", None))
        legal = tensor(data.logits, torch.float32) > MASKED_LOGIT / 2
    illegal = None if legal.all() else ~legal
    found = {"indices": indices, "offsets": offsets, "perms": perms, "rows": rows}
    return {**found, "illegal": illegal}


def columns_of(data: Any) -> Any:
    """The columns of a `CollectedData` as arrays; any other object has them itself."""
    return getattr(data, "arrays", data)


def has(data: Any, *names: str) -> bool:
    return all(getattr(data, name, None) is not None for name in names)


def tensor(values: Any, dtype: torch.dtype) -> torch.Tensor:
    """Shares the memory of an array of that type; converts everything else."""
    return torch.as_tensor(np.asarray(values)).to(dtype)


def _distinct(observations: Any, perms: Any) -> tuple[torch.Tensor, ...]:
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
    return tuple(tensor(values, torch.int64) for values in (indices, offsets, kept, rows))
