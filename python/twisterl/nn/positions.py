"""Where a token stands in its sequence, as numbers that are added to it.

>>> import torch
>>> PositionalEmbedding(4, 10)(torch.zeros(1, 2, 4))[0, 0]
tensor([0., 1., 0., 1.])
"""

from __future__ import annotations

import math

import torch
from torch import nn

from twisterl.nn import checked


class PositionalEmbedding(nn.Module):
    """x + pe[:T]; pe[t, 2 i] = sin(t 10000^(-2 i / E)), pe[t, 2 i + 1] the cosine.

    Vaswani et al., "Attention is all you need", section 3.5. There is nothing to learn.

    Args:
        embed_dim: E.
        max_len: the longest sequence.
        dropout: share of the sums that training leaves out.
    """

    pe: torch.Tensor

    def __init__(self, embed_dim: int, max_len: int, /, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed_dim = checked.integer("embed_dim", embed_dim)
        self.max_len = checked.integer("max_len", max_len)
        self.dropout = nn.Dropout(checked.number("dropout", dropout, 0.0, 1.0))
        rates = torch.arange(0, embed_dim, 2, dtype=torch.float64)
        rates = torch.exp(rates * (-math.log(10_000.0) / embed_dim))
        angles = torch.arange(max_len, dtype=torch.float64)[:, None] * rates
        pe = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :embed_dim]
        self.register_buffer("pe", pe.to(torch.get_default_dtype()).contiguous())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., T, E] of tokens `x` of that shape; ValueError where T exceeds `max_len`."""
        length, width = checked.tensor("x", x, at_least=2).shape[-2:]
        if width != self.embed_dim or length > self.max_len:
            expected = f"[..., at most {self.max_len}, {self.embed_dim}]"
            raise ValueError(f"x: expected shape {expected}, got {list(x.shape)}")
        return self.dropout(x + self.pe[:length].to(x))
