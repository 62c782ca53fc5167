"""Attention whose cost grows with the inputs and not with their square.

>>> import torch
>>> layer = PerceiverIOLayer(8, 3)
>>> layer(torch.zeros(2, 4, 8), torch.zeros(2, 100, 8)).shape
torch.Size([2, 3, 8])
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.attention import CrossAttention, SelfAttention, SelfAttentionStack


class PerceiverLayer(nn.Module):
    """Cross-attention of q to kv, then self-attention of what came of it. rl8's.

    Jaegle et al., "Perceiver: General Perception with Iterative Attention".

    Args:
        embed_dim: E, a multiple of `num_heads`.
        num_layers: of the self-attention.
        share_parameters: whether these are one layer, applied `num_layers` times.
        num_heads, hidden_dim, activation_fn, attention_dropout, hidden_dropout, skip_kind: as
            `CrossAttention`.
    """

    def __init__(
        self,
        embed_dim: int,
        /,
        *,
        num_heads: int = 2,
        hidden_dim: int = 128,
        num_layers: int = 2,
        activation_fn: str = "relu",
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        skip_kind: str | None = "cat",
        share_parameters: bool = False,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "activation_fn": activation_fn,
            "attention_dropout": attention_dropout,
            "hidden_dropout": hidden_dropout,
            "skip_kind": skip_kind,
        }
        self.cross_attention = CrossAttention(embed_dim, **options)
        self.self_attention = SelfAttentionStack(
            SelfAttention(embed_dim, **options), num_layers, share_parameters=share_parameters
        )

    def forward(
        self,
        q: torch.Tensor,
        kv: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[B, Q, E] of latents `q` [B, Q, E] and inputs `kv` [B, K, E].

        The masks, as in `twisterl.nn.attention`, are for `kv`; the latents see each other.
        """
        return self.self_attention(self.cross_attention(q, kv, key_padding_mask, attention_mask))


class PerceiverIOLayer(nn.Module):
    """A `PerceiverLayer`, then cross-attention of O learned queries [O, E] to the latents. rl8's.

    Jaegle et al., "Perceiver IO: A General Architecture for Structured Inputs & Outputs".

    Args:
        embed_dim: E, a multiple of `num_heads`.
        output_seq_dim: O.
        the others: as `PerceiverLayer`.
    """

    def __init__(
        self,
        embed_dim: int,
        output_seq_dim: int,
        /,
        *,
        num_heads: int = 2,
        hidden_dim: int = 128,
        num_layers: int = 2,
        activation_fn: str = "relu",
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        skip_kind: str | None = "cat",
        share_parameters: bool = False,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "activation_fn": activation_fn,
            "attention_dropout": attention_dropout,
            "hidden_dropout": hidden_dropout,
            "skip_kind": skip_kind,
        }
        self.perceiver = PerceiverLayer(
            embed_dim, num_layers=num_layers, share_parameters=share_parameters, **options
        )
        size = checked.integer("output_seq_dim", output_seq_dim)
        self.output_query = nn.Parameter(torch.empty(size, embed_dim))
        nn.init.xavier_uniform_(self.output_query)
        self.output_attention = CrossAttention(embed_dim, **options)

    def forward(
        self,
        q: torch.Tensor,
        kv: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[B, O, E]; the arguments are those of `PerceiverLayer`."""
        latents = self.perceiver(q, kv, key_padding_mask, attention_mask)
        queries = self.output_query.expand(latents.shape[0], *self.output_query.shape)
        return self.output_attention(queries, latents)
