"""Which row of a sparse batch an index belongs to."""

from __future__ import annotations

from twisterl.on_demand import torch


def row_numbers(offsets: torch.Tensor, num_indices: int) -> torch.Tensor:
    """The row that each index belongs to: `offsets` [N + 1] to int64 [K]."""
    rows = torch.arange(offsets.shape[0] - 1, device=offsets.device)
    return torch.repeat_interleave(rows, offsets.diff(), output_size=num_indices)
