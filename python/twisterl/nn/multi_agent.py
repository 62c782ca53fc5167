"""Policies of several agents.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace
>>> policy = IndependentMultiAgentPolicy(BoxSpace(-1, 1, 3), DiscreteSpace([0, 1]), 2)
>>> logits, values = policy(torch.zeros(3, 3), torch.tensor([1, 0, 1]))
>>> logits.shape, values.shape
(torch.Size([3, 2]), torch.Size([3, 1]))
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.actor_critic import ActorCritic, given
from twisterl.nn.encoders import VectorEncoder
from twisterl.nn.vector_policies import MLPPolicy


class SharedMultiAgentPolicy(ActorCritic):
    """One Linear(256) with a ReLU for all agents: a row is what one agent sees, [B N, D].

    Args:
        num_agents: N.
    """

    def __init__(
        self, observation_space: Any, action_space: Any, num_agents: int, hidden_size: int = 256
    ) -> None:
        self.num_agents = checked.integer("num_agents", num_agents)
        self._given = {"num_agents": self.num_agents, "hidden_size": hidden_size}
        super().__init__(
            VectorEncoder(observation_space, (hidden_size,)),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given


class IndependentMultiAgentPolicy(nn.Module):
    """An `MLPPolicy` for each agent.

    Args:
        num_agents: how many.
    """

    def __init__(
        self, observation_space: Any, action_space: Any, num_agents: int, hidden_size: int = 256
    ) -> None:
        super().__init__()
        self.num_agents = checked.integer("num_agents", num_agents)
        self.observation_space, self.action_space = observation_space, action_space
        self.policies = nn.ModuleList(
            MLPPolicy(observation_space, action_space, hidden_size) for _ in range(num_agents)
        )

    def forward(
        self, observations: torch.Tensor, agent_ids: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """What `MLPPolicy.forward` tells of each row, by the policy of its agent, in their order.

        Args:
            observations: [B, *shape].
            agent_ids: integers [B] from 0 to num_agents - 1; agents may be absent.

        Raises:
            TypeError, ValueError: other ids.
        """
        checked.shape("agent_ids", agent_ids, observations.shape[:1])
        if agent_ids.is_floating_point() or agent_ids.dtype == torch.bool:
            raise TypeError(f"agent_ids: expected integers, got {agent_ids.dtype}")
        agent_ids = agent_ids.to(next(self.parameters()).device)
        if checked.is_traced():
            # The rows of an agent are not known yet: everyone sees all.
            told = [policy(observations) for policy in self.policies]
            return tuple(map(lambda *parts: _chosen(parts, agent_ids), *told))
        if not bool(((agent_ids >= 0) & (agent_ids < self.num_agents)).all()):
            problem = f"expected from 0 to {self.num_agents - 1}, got others"
            raise ValueError(f"agent_ids: {problem}")
        rows = [(agent_ids == agent).nonzero()[:, 0] for agent in range(self.num_agents)]
        observations = observations.to(agent_ids.device)
        told = [policy(observations[own]) for policy, own in zip(self.policies, rows, strict=True)]
        back = torch.cat(rows).argsort()
        return tuple(map(lambda *parts: _joined(parts, back), *told))


def _chosen(parts: tuple[Any, ...], agent_ids: torch.Tensor) -> Any:
    """Of what each agent tells of all rows, that of the agent of each row."""
    if isinstance(parts[0], tuple):
        return tuple(_chosen(each, agent_ids) for each in zip(*parts, strict=True))
    rows = torch.arange(len(agent_ids), device=agent_ids.device)
    return torch.stack(parts)[agent_ids, rows]


def _joined(parts: tuple[Any, ...], back: torch.Tensor) -> Any:
    """What each agent tells of its rows, in the order `back`."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(each, back) for each in zip(*parts, strict=True))
    return torch.cat(parts)[back]
