"""Segments of episodes: advantages that are computed anew, and minibatches drawn by them.

As PufferLib trains. A segment is at most T steps of one episode; what follows it in the episode is
known by its value alone. Before each minibatch the advantages of all segments are those of
`twisterl.nn.functional.puff_advantage`, from values and ratios as the samples were last seen. With
the sums S_q of their sizes, a minibatch draws segment q with probability

    p_q = S_q^alpha / sum_j S_j^alpha,    and its samples weigh (Q p_q)^-beta

(Schaul et al. 2016, "Prioritized experience replay"). With beta = 1 the mean of a loss over all
draws is that over all segments. PufferLib clamps rewards, takes what follows a reset for what
follows an episode that was cut off, and scales the growth of beta by alpha; here nothing of that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from twisterl.on_demand import torch


@dataclass(frozen=True)
class Segments:
    """Q segments of at most T steps, which are the samples of a rollout in their order.

    Attributes:
        samples: int64 [Q, T], the number of the sample of each step; 0 fills up the shorter ones.
        lengths: int64 [Q], the steps of each.
        following: int64 [Q], the sample behind each; -1 where the episode is over.
        rewards: float32 [Q, T]; an episode's last one is all that its last step is worth.
        values, ratios: float32 [N], of the samples as they were last seen; written by `see`.
    """

    samples: torch.Tensor
    lengths: torch.Tensor
    following: torch.Tensor
    rewards: torch.Tensor
    values: torch.Tensor
    ratios: torch.Tensor

    @classmethod
    def cut(cls, columns: Any, returns: torch.Tensor, length: int) -> Segments:
        """Episodes in segments of `length` steps, an episode's last of those that are left.

        Args:
            columns: `values` and `rewards` [N] and `episode_starts` [E + 1].
            returns: float32 [N]; what an episode's last step is worth, cut off or not.
        """
        starts = torch.as_tensor(columns.episode_starts)
        first = torch.cat([torch.arange(*pair, length) for pair in pairwise(starts.tolist())])
        end = torch.cat([first[1:], starts[-1:]])
        lengths = end - first
        places = first[:, None] + torch.arange(int(lengths.max()))
        samples = places.where(places < end[:, None], 0)
        is_last = torch.isin(end, starts)
        rewards = torch.as_tensor(columns.rewards, dtype=torch.float32).clone()
        rewards[starts[1:] - 1] = returns[starts[1:] - 1]
        return cls(
            samples=samples,
            lengths=lengths,
            following=end.where(~is_last, -1),
            rewards=rewards[samples],
            values=torch.as_tensor(columns.values, dtype=torch.float32).clone(),
            ratios=torch.ones(len(rewards)),
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def are_steps(self) -> torch.Tensor:
        """bool [Q, T], False for what fills up."""
        places = torch.arange(self.samples.shape[1], device=self.samples.device)
        return places < self.lengths[:, None]

    def to(self, device: torch.device) -> Segments:
        """On that device; itself if it is there, so that what is seen stays in one place."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        is_here = all(moved[name] is getattr(self, name) for name in moved)
        return self if is_here else replace(self, **moved)

    def see(self, samples: torch.Tensor, values: torch.Tensor, ratios: torch.Tensor) -> None:
        """What the network says of some samples now."""
        self.values[samples] = values
        self.ratios[samples] = ratios

    def advantages(self, gamma: float, gae_lambda: float, **clips: float) -> torch.Tensor:
        """float32 [Q, T] by `puff_advantage`, 0 where nothing is.

        Args:
            clips: `rho_clip` and `c_clip`.
        """
        from twisterl.nn.returns import puff_advantage

        steps, (count, length) = self.are_steps(), self.samples.shape
        # A column more, for what follows: rewards and ends of a step stand there one later.
        values, rewards, dones, ratios = self.values.new_zeros(4, count, length + 1)
        values[:, :-1] = self.values[self.samples].where(steps, 0)
        ratios[:, :-1] = self.ratios[self.samples]
        rewards[:, 1:] = self.rewards.where(steps, 0)
        dones[:, 1:] = 1 - steps.float()
        rows = torch.arange(count, device=values.device)
        goes_on = self.following >= 0
        values[rows, self.lengths] = self.values[self.following.clamp(min=0)].where(goes_on, 0)
        dones[rows, self.lengths] = 1 - goes_on.float()
        told = puff_advantage(
            values, rewards, dones, ratios, gamma=gamma, gae_lambda=gae_lambda, **clips
        )
        return told[:, :-1].where(steps, 0)

    def drawn(
        self,
        advantages: torch.Tensor,
        count: int,
        alpha: float,
        beta: float,
        random: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`count` segments (int64 [M]), the same ones again too, and their weights [M]."""
        sums = advantages.abs().sum(1).double().cpu()
        # Where nothing surprises, all are alike.
        chances = (sums / sums.max().clamp(min=1e-30) + 1e-6) ** alpha
        chances = chances / chances.sum()
        units = torch.multinomial(chances, count, replacement=True, generator=random)
        weights = (len(self) * chances[units]) ** -beta
        return units.to(advantages.device), weights.to(advantages)
