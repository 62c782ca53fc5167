"""Attention with skip connections, alone and in stacks.

Masks are torch's: True in `key_padding_mask` is padding, True in `attention_mask` forbids.

>>> import torch
>>> stack = SelfAttentionStack(SelfAttention(8), 2)
>>> stack(torch.zeros(3, 5, 8)).shape
torch.Size([3, 5, 8])
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.activations import get_activation
from twisterl.nn.skips import SequentialSkipConnection


class CrossAttention(nn.Module):
    """What tokens q gather from tokens kv, then a layer of two Linear, each with a skip. rl8's.

    a = MHA(LN(q), LN'(kv), LN'(kv)), then `SequentialSkipConnection` of q and a with the block
    LN, Linear(E, hidden), activation, dropout, Linear(hidden, E). Vaswani et al., "Attention is
    all you need", with the norms in front.

    Args:
        embed_dim: E, a multiple of `num_heads`.
        num_heads: attention heads.
        hidden_dim: width between the two Linear.
        activation_fn: a name of `twisterl.nn.get_activation`.
        attention_dropout, hidden_dropout: shares that training leaves out.
        skip_kind: as `SequentialSkipConnection`.

    Raises:
        TypeError, ValueError: naming the argument.
    """

    def __init__(
        self,
        embed_dim: int,
        /,
        num_heads: int = 2,
        hidden_dim: int = 128,
        activation_fn: str = "relu",
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        skip_kind: str | None = "cat",
    ) -> None:
        super().__init__()
        self.q_norm, self.kv_norm = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attention = _heads(embed_dim, num_heads, attention_dropout)
        self.skip = _feedforward(embed_dim, hidden_dim, activation_fn, hidden_dropout, skip_kind)

    def forward(
        self,
        q: torch.Tensor,
        kv: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[B, Q, E].

        Args:
            q: [B, Q, E].
            kv: [B, K, E].
            key_padding_mask: [B, K].
            attention_mask: [Q, K] or [B heads, Q, K].
        """
        checked.last_axis("q", q, self.attention.embed_dim, ndim=3)
        checked.last_axis("kv", kv, self.attention.embed_dim, ndim=3)
        kv = self.kv_norm(kv)
        attended = _attend(self.attention, self.q_norm(q), kv, key_padding_mask, attention_mask)
        return self.skip(q, attended)


class SelfAttention(nn.Module):
    """`CrossAttention` of tokens to themselves, with one LayerNorm; the same arguments. rl8's."""

    def __init__(
        self,
        embed_dim: int,
        /,
        num_heads: int = 2,
        hidden_dim: int = 128,
        activation_fn: str = "relu",
        attention_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        skip_kind: str | None = "cat",
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.attention = _heads(embed_dim, num_heads, attention_dropout)
        self.skip = _feedforward(embed_dim, hidden_dim, activation_fn, hidden_dropout, skip_kind)

    def forward(
        self,
        x: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[B, T, E] of `x` [B, T, E]; masks [B, T], and [T, T] or [B heads, T, T]."""
        checked.last_axis("x", x, self.attention.embed_dim, ndim=3)
        normal = self.norm(x)
        attended = _attend(self.attention, normal, normal, key_padding_mask, attention_mask)
        return self.skip(x, attended)


class SelfAttentionStack(nn.Module):
    """A `SelfAttention` applied several times. rl8's.

    Args:
        module: the first layer; the others begin as copies of it.
        num_layers: L.
        share_parameters: whether `module` is applied L times, instead of L layers once each.
    """

    def __init__(
        self, module: nn.Module, num_layers: int, /, *, share_parameters: bool = False
    ) -> None:
        super().__init__()
        checked.module("module", module)
        self.num_layers = checked.integer("num_layers", num_layers)
        self.share_parameters = bool(share_parameters)
        copies = 0 if share_parameters else num_layers - 1
        self.layers = nn.ModuleList([module, *(copy.deepcopy(module) for _ in range(copies))])

    def forward(
        self,
        x: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[B, T, E] of `x` [B, T, E]; masks as `SelfAttention` takes them."""
        for place in range(self.num_layers):
            layer = self.layers[0 if self.share_parameters else place]
            x = layer(x, key_padding_mask, attention_mask)
        return x


def _heads(embed_dim: int, num_heads: int, dropout: float) -> nn.MultiheadAttention:
    if checked.integer("embed_dim", embed_dim) % checked.integer("num_heads", num_heads):
        raise ValueError(f"embed_dim: expected a multiple of {num_heads} heads, got {embed_dim}")
    checked.number("attention_dropout", dropout, 0.0, 1.0)
    return nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)


def _feedforward(
    embed_dim: int, hidden_dim: int, activation_fn: str, dropout: float, kind: str | None
) -> SequentialSkipConnection:
    skip = SequentialSkipConnection(embed_dim, kind)
    checked.integer("hidden_dim", hidden_dim)
    layers = [
        nn.LayerNorm(embed_dim),
        nn.Linear(embed_dim, hidden_dim),
        get_activation(activation_fn),
        nn.Dropout(checked.number("hidden_dropout", dropout, 0.0, 1.0)),
        nn.Linear(hidden_dim, embed_dim),
    ]
    skip.append(nn.Sequential(*layers))
    return skip


def _attend(
    heads: nn.MultiheadAttention,
    q: torch.Tensor,
    kv: torch.Tensor,
    padding: torch.Tensor | None,
    forbidden: torch.Tensor | None,
) -> torch.Tensor:
    _require_fitting(heads, q, kv, padding, forbidden)
    masks: dict[str, Any] = {"key_padding_mask": padding, "attn_mask": forbidden}
    # What is not given is not named: the engine plays attention without masks.
    given = {name: mask for name, mask in masks.items() if mask is not None}
    return heads(q, kv, kv, need_weights=False, **given)[0]


def _require_fitting(
    heads: nn.MultiheadAttention,
    q: torch.Tensor,
    kv: torch.Tensor,
    padding: torch.Tensor | None,
    forbidden: torch.Tensor | None,
) -> None:
    """Refuses by name what torch would by an assertion, or by what it makes of it."""
    if checked.is_recorded(q) or checked.is_recorded(kv):
        return
    (rows, queries), keys = q.shape[:2], kv.shape[1]
    checked.shape("kv", kv, (rows, keys, heads.embed_dim))
    for name, mask in (("key_padding_mask", padding), ("attention_mask", forbidden)):
        if mask is None:
            continue
        checked.tensor(name, mask)
        if mask.dtype != torch.bool and not mask.is_floating_point():
            raise TypeError(f"{name}: expected booleans, got {mask.dtype}")
    if padding is not None:
        checked.shape("key_padding_mask", padding, (rows, keys))
    if forbidden is not None:
        leading = (rows * heads.num_heads,) if forbidden.ndim == 3 else ()
        checked.shape("attention_mask", forbidden, (*leading, queries, keys))
