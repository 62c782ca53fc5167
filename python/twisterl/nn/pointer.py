"""A choice among the tokens of a sequence.

>>> import torch
>>> told = PointerNetwork(4)(torch.zeros(1, 2, 4), torch.zeros(1, 5, 4))
>>> told.shape, round(float(told.detach().exp().sum()), 4)
(torch.Size([1, 2, 5]), 2.0)
"""

from __future__ import annotations

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.masking import masked_log_softmax


class PointerNetwork(nn.Module):
    """log softmax over K of v tanh(W2 dec + W1 enc), without biases. rl8's.

    Vinyals et al., "Pointer Networks", equation 3.

    Args:
        embed_dim: E.
    """

    def __init__(self, embed_dim: int, /) -> None:
        super().__init__()
        self.embed_dim = checked.integer("embed_dim", embed_dim)
        self.W1 = nn.Linear(embed_dim, embed_dim, bias=False)
        self.W2 = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v = nn.Linear(embed_dim, 1, bias=False)

    def forward(
        self,
        decoder_out: torch.Tensor,
        encoder_out: torch.Tensor,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Log-probabilities [B, D, K].

        Args:
            decoder_out: [B, D, E], what chooses.
            encoder_out: [B, K, E], what is chosen from.
            mask: [B, D, K], set where a choice is valid.
        """
        rows, choosers, _ = checked.tensor("decoder_out", decoder_out, ndim=3).shape
        choices = checked.tensor("encoder_out", encoder_out, ndim=3).shape[1]
        checked.shape("decoder_out", decoder_out, (rows, choosers, self.embed_dim))
        checked.shape("encoder_out", encoder_out, (rows, choices, self.embed_dim))
        if mask is not None:
            checked.shape("mask", mask, (rows, choosers, choices))
        joined = self.W2(decoder_out)[:, :, None] + self.W1(encoder_out)[:, None]
        return masked_log_softmax(self.v(joined.tanh())[..., 0], mask=mask, dim=-1)
