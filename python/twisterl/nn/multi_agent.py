"""Policies of several agents.

`forward` takes rows of single agents, as PufferLib's guide does. An environment that takes the
choices of all agents at once is played by `outputs`: each agent decides by its own view, an equal
part of the observation's first axis, and what the agents expect together is the sum of what each
expects (Sunehag et al. 2017, "Value-decomposition networks for cooperative multi-agent learning").

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace
>>> policy = IndependentMultiAgentPolicy(BoxSpace(-1, 1, 3), DiscreteSpace([0, 1]), 2)
>>> logits, values = policy(torch.zeros(3, 3), torch.tensor([1, 0, 1]))
>>> logits.shape, values.shape
(torch.Size([3, 2]), torch.Size([3, 1]))
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.actions import Choices
from twisterl.nn.actor_critic import ActorCritic, given
from twisterl.nn.encoders import vector_encoder
from twisterl.nn.heads import Categorical, Head, Product
from twisterl.nn.spaces import BoxSpace, DiscreteSpace, MultiDiscreteSpace, flat_dim, shape_of
from twisterl.nn.vector_policies import MLPPolicy


class _Together:
    """What agents do of whom `_agents` has one `ActorCritic` each, or the same."""

    num_agents: int
    _agents: Any

    @staticmethod
    def spaces_of_one(
        observation_space: Any, action_space: Any, num_agents: Any
    ) -> tuple[BoxSpace, DiscreteSpace | MultiDiscreteSpace]:
        """The spaces of one agent, made of those of all together.

        Raises:
            TypeError, ValueError: they are no equal parts for `num_agents`.
        """
        count = checked.integer("num_agents", num_agents)
        shape = shape_of("observation_space", observation_space)
        if not shape or shape[0] % count:
            rule = f"a divisor of {shape[:1]}, the views that an observation has"
            raise ValueError(f"num_agents: expected {rule}, got {count}")
        nvec = getattr(action_space, "nvec", None)
        parts = [] if nvec is None else np.asarray(nvec).reshape(-1).tolist()
        each = len(parts) // count
        if not parts or parts != parts[:each] * count:
            problem = f"got {type(action_space).__name__} {parts or ''}".rstrip()
            raise ValueError(
                f"num_agents: expected the same choices for each of {count}, {problem}"
            )
        low, high = observation_space.bounds
        half = shape[0] // count
        seen = BoxSpace(low[:half], high[:half], (half, *shape[1:]))
        return seen, DiscreteSpace(range(parts[0])) if each == 1 else MultiDiscreteSpace(
            parts[:each]
        )

    @property
    def head(self) -> Head:
        """The distribution of what all choose together."""
        actions = self._agents[0]._known_actions(self._agents[0].actor.bias)
        if not isinstance(actions, Choices):
            raise TypeError("action_space: expected choices of several agents at once, got numbers")
        nvec = actions.nvec * self.num_agents
        return Categorical(nvec[0]) if len(nvec) == 1 else Product(nvec)

    def outputs(self, obs: Any, state: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """The logits of all agents one after the other [B, N A], and the sum of the values [B, 1].

        Args:
            obs: [B, ...], the views of the agents one after the other.
            state: not used; they remember nothing.
        """
        agents = self._agents
        x = obs.to(next(agents[0].parameters())).flatten(1)
        size = flat_dim("observation_space", agents[0].observation_space)
        views = [x[:, i * size : (i + 1) * size] for i in range(self.num_agents)]
        seen = [agent.encoder(view) for agent, view in zip(agents, views, strict=True)]
        features = torch.cat(seen, 1)
        width = agents[0].encoder.out_features
        parts = [features[:, i * width : (i + 1) * width] for i in range(self.num_agents)]
        logits = [agent.actor(part) for agent, part in zip(agents, parts, strict=True)]
        values = [agent.critic(part) for agent, part in zip(agents, parts, strict=True)]
        return torch.cat(logits, 1), functools.reduce(torch.add, values)


class SharedMultiAgentPolicy(_Together, ActorCritic):
    """One Linear(256) with a ReLU for all agents: a row is what one agent sees, [B N, D].

    Args:
        observation_space, action_space: of one agent.
        num_agents: N.
    """

    def __init__(
        self, observation_space: Any, action_space: Any, num_agents: int, hidden_size: int = 256
    ) -> None:
        self.num_agents = checked.integer("num_agents", num_agents)
        self._given = {"num_agents": self.num_agents, "hidden_size": hidden_size}
        super().__init__(
            vector_encoder(observation_space, (hidden_size,)),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given

    @property
    def _agents(self) -> list[ActorCritic]:
        return [self] * self.num_agents


class IndependentMultiAgentPolicy(_Together, nn.Module):
    """An `MLPPolicy` for each agent.

    Args:
        observation_space, action_space: of one agent.
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
        self._given = {"num_agents": self.num_agents, "hidden_size": hidden_size}

    arguments = given

    @property
    def _agents(self) -> nn.ModuleList:
        return self.policies

    def forward(
        self, observations: torch.Tensor, agent_ids: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """What `MLPPolicy.forward` tells of each row, by the policy of its agent, in their order.

        Args:
            observations: `[B, *shape]`.
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
    rows = torch.arange(agent_ids.shape[0], device=agent_ids.device)
    return torch.stack(parts)[agent_ids, rows]


def _joined(parts: tuple[Any, ...], back: torch.Tensor) -> Any:
    """What each agent tells of its rows, in the order `back`."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(each, back) for each in zip(*parts, strict=True))
    return torch.cat(parts)[back]
