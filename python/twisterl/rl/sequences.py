"""Samples in the order of their episodes, for policies that remember.

An episode is cut into sequences. The gradient flows back to a sequence's first step, where the
policy starts from what it remembered there when the samples were collected (the stored state of
Kapturowski et al. 2019, R2D2). With a burn-in it starts some steps earlier, which make that memory
anew with the weights as they are now, without a gradient and as no samples of this sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from twisterl.on_demand import torch

if TYPE_CHECKING:
    from typing_extensions import Self

# Steps of a sequence where the config names none.
SEQUENCE_LENGTH = 64


@dataclass(frozen=True)
class Sequences:
    """Q sequences of at most T steps, which are the samples of a batch in their order.

    Attributes:
        states: float32 [Q, S], what is remembered before the first step, or before the burn-in.
        rows: int64 [Q, T], the batch's row of each step; row 0 fills up the shorter ones.
        lengths: int64 [Q], the steps of each.
        burn_in: int64 [Q, B], the rows of the steps before.
        has_burn_in: bool [Q], False for an episode's first sequence.
    """

    states: torch.Tensor
    rows: torch.Tensor
    lengths: torch.Tensor
    burn_in: torch.Tensor
    has_burn_in: torch.Tensor

    @classmethod
    def cut(
        cls,
        states: torch.Tensor,
        rows: torch.Tensor,
        episode_starts: torch.Tensor,
        length: int,
        burn_in: int,
    ) -> Sequences:
        """Episodes in sequences of `length` steps, an episode's last of those that are left.

        Args:
            states: float32 [N, S], what is remembered before each sample.
            rows: int64 [N], the row of each sample.
            episode_starts: int64 [E + 1], then N.
            length, burn_in: T, and B, which is at most T.
        """
        bounds = episode_starts.tolist()
        firsts = [torch.arange(*pair, length) for pair in pairwise(bounds)]
        first = torch.cat(firsts)
        lengths = torch.diff(first, append=episode_starts[-1:])
        before = torch.where(torch.isin(first, episode_starts), first, first - burn_in)

        def steps(start: torch.Tensor, count: int) -> torch.Tensor:
            places = start[:, None] + torch.arange(count)
            return rows[places.clamp(max=len(rows) - 1)]

        cut = cls(
            states=states[before],
            rows=steps(first, int(lengths.max())),
            lengths=lengths,
            burn_in=steps(before, burn_in),
            has_burn_in=before < first,
        )
        return replace(cut, rows=cut.rows.where(cut.are_steps(), 0))

    def are_steps(self) -> torch.Tensor:
        """bool [Q, T], False for what fills up."""
        places = torch.arange(self.rows.shape[1], device=self.rows.device)
        return places < self.lengths[:, None]

    def samples(self, which: torch.Tensor) -> torch.Tensor:
        """int64, the samples of the sequences of the given numbers (int64 [M]) in their order."""
        first = self.lengths.cumsum(0) - self.lengths
        places = torch.arange(self.rows.shape[1], device=self.rows.device)
        return (first[:, None] + places)[which][self.are_steps()[which]]

    def take(self, which: torch.Tensor) -> Self:
        """The sequences of the given numbers (int64 [M])."""
        return replace(self, **{name: value[which] for name, value in vars(self).items()})

    def renumbered(self, rows: torch.Tensor) -> Self:
        """The same with `rows[row]` (int64) in place of each row."""
        return replace(self, rows=rows[self.rows], burn_in=rows[self.burn_in])

    def to(self, device: torch.device) -> Self:
        return replace(self, **{name: value.to(device) for name, value in vars(self).items()})


def outputs(
    forward: Callable[..., Any], observations: torch.Tensor, sequences: Sequences
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a policy says of all steps: logits [N, A] and values [N].

    Args:
        forward: its `forward_sequences`.
        observations: float32 [U, F], by row.
    """
    states = sequences.states
    warmed = sequences.has_burn_in
    if warmed.any():
        with torch.no_grad():
            before = observations[sequences.burn_in[warmed]]
            states = states.clone()
            states[warmed] = forward(before, states[warmed])[2]
    logits, values, _ = forward(observations[sequences.rows], states)
    steps = sequences.are_steps()
    return logits[steps], values[steps]
