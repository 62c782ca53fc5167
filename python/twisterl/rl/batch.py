"""Samples of a rollout, each distinct observation kept once: tensors, or arrays for the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twisterl.on_demand import torch
from twisterl.rl import columns
from twisterl.rl.columns import MASKED_LOGIT, ROW_FIELDS, columns_of, has
from twisterl.rl.sequences import Sequences

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "MASKED_LOGIT",
    "Batch",
    "columns_of",
    "has",
    "rows_from_collected",
    "take_rows",
    "tensor",
]


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
        names = [field.name for field in fields(self) if field.name not in ROW_FIELDS]
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
        return self._with(columns.joined(_arrays(self), _arrays(other)))

    def newest(self, count: int) -> Self:
        """The last `count` samples, with just the rows that they need. On the CPU."""
        return self._with(columns.newest(_arrays(self), count))

    def _with(self, fields: dict[str, Any]) -> Self:
        return replace(self, **(fields if isinstance(self.rows, np.ndarray) else tensors(fields)))

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
    """As that of `twisterl.rl.columns`, as tensors on the CPU."""
    return tensors(columns.rows_from_collected(data))


def tensors(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as tensors of the same memory; what is none stays."""
    return {
        name: torch.as_tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in fields.items()
    }


def _arrays(batch: Batch) -> dict[str, Any]:
    return {
        name: value if value is None or isinstance(value, np.ndarray) else value.numpy()
        for name, value in vars(batch).items()
    }


def tensor(values: Any, dtype: torch.dtype) -> torch.Tensor:
    """Shares the memory of an array of that type; converts everything else."""
    return torch.as_tensor(np.asarray(values)).to(dtype)
