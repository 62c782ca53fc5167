"""Pyrado's recurrent policies as the memory of an `ActorCritic`, so that PPO trains them.

>>> import torch
>>> from twisterl.nn.rnn_policies import GRUPolicy
>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace, EnvSpec
>>> observations, actions = BoxSpace(-1, 1, 3), DiscreteSpace([0, 1])
>>> policy = GRUPolicy(EnvSpec(observations, BoxSpace(-1, 1, 2)), 8, 1)
>>> logits, value, state = PolicyActorCritic(observations, actions, policy)(torch.zeros(5, 3))
>>> logits.shape, value.shape, state.shape
(torch.Size([5, 2]), torch.Size([5, 1]), torch.Size([5, 8]))
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked, potentials
from twisterl.nn.actions import actions_of
from twisterl.nn.activations import get_activation
from twisterl.nn.actor_critic import ActorCritic
from twisterl.nn.init import layer_init
from twisterl.nn.mlp import MLP
from twisterl.nn.recurrent import LayeredPolicy, RecurrentPolicy
from twisterl.nn.spaces import BoxSpace, EnvSpec, flat_dim

_FUNCTIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}


class PolicyCore(nn.Module):
    """The outputs of a policy, then its features [B, K], as `twisterl.nn.cores` has them."""

    def __init__(self, policy: RecurrentPolicy) -> None:
        super().__init__()
        if not isinstance(policy, LayeredPolicy):
            known = "one of twisterl.nn's recurrent policies"
            raise TypeError(f"policy: expected {known}, got {type(policy).__name__}")
        self.policy = policy
        with torch.no_grad():
            zeros = next(policy.parameters()).new_zeros(policy.feature_size)
            self.num_outputs = [part.shape[-1] for part in _several(policy.outputs(zeros))]
        self.out_features = sum(self.num_outputs) + policy.feature_size
        self.state_size = policy.hidden_size

    def initial_state(self, batch_size: int) -> torch.Tensor:
        """[B, S], what the policy remembers at first."""
        return self.policy.init_hidden(batch_size)

    def step(
        self, x: torch.Tensor, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """y [B, K] and the new state [B, S] after one input `x` [B, D]."""
        features, state = self._features(x[:, None], state, None if done is None else done[:, None])
        return self._told(features[:, 0]), state

    def forward(
        self, x: torch.Tensor, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """y [B, T, K] and the last state [B, S] of inputs `x` [B, T, D]."""
        features, state = self._features(x, state, done)
        return self._told(features), state

    def _features(
        self, x: torch.Tensor, state: torch.Tensor | None, done: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        state = self.initial_state(x.shape[0]) if state is None else state
        checked.shape("state", state, (x.shape[0], self.state_size))
        return self.policy.features(x, state, done)

    def _told(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat((*_several(self.policy.outputs(features)), features), -1)


class PolicyActorCritic(ActorCritic):
    """A recurrent policy, and Linear heads: logits or means of its (first) output, values of all.

    With its output y [B, Y] and features f [B, F]: logits or means W y + b [B, A], value
    V (y, f) + c [B, 1]. The trained policy is `core.policy`.

    Args:
        policy: one of `twisterl.nn`, as many numbers wide as it sees and, best, as there are
            choices to make.
    """

    def __init__(self, observation_space: Any, action_space: Any, policy: RecurrentPolicy) -> None:
        core = PolicyCore(policy)
        seen = flat_dim("observation_space", observation_space)
        if seen != policy.obs_dim:
            raise ValueError(f"policy: expected one of {seen} numbers, got {policy.obs_dim}")
        super().__init__(
            nn.Flatten(),
            core,
            _FirstNumbers(core.num_outputs[0], actions_of(action_space).num_outputs),
            observation_space=observation_space,
            action_space=action_space,
        )

    def arguments(self) -> dict[str, Any]:
        """Not known: raises ValueError; a run config names the class of the policy itself."""
        name = type(self.core.policy).__name__
        raise ValueError(f"the arguments that made the {name} are not known")


class _FirstNumbers(nn.Module):
    """A Linear of the first n numbers."""

    def __init__(self, n: int, out_features: int) -> None:
        super().__init__()
        self.n, self.layer = n, layer_init(nn.Linear(n, out_features), std=0.01)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return self.layer(y[..., : self.n])


def actor_critic_of(
    policy_cls: type[RecurrentPolicy], spec: EnvSpec, arguments: dict[str, Any]
) -> PolicyActorCritic:
    """The policy of a config for the spaces `spec`: what is a function there is told by its name.

    `outputs` is how many numbers it says, by default as many as there are choices or numbers in an
    action; `obs_layer` are the widths of an `MLP` of tanh, or None.
    """
    given = dict(arguments)
    width = given.pop("outputs", None) or actions_of(spec.act_space).num_outputs
    # The heads make what they like of its numbers.
    given["spec"] = EnvSpec(spec.obs_space, BoxSpace(-math.inf, math.inf, width))
    for name in ("output_nonlin", "head_1_output_nonlin", "head_2_output_nonlin"):
        if given.get(name) is not None:
            given[name] = _function(given[name])
    if "activation_nonlin" in given:
        told = given["activation_nonlin"]
        given["activation_nonlin"] = (
            [_function(each) for each in told] if isinstance(told, list) else _function(told)
        )
    if "potentials_dyn_fcn" in given:
        given["potentials_dyn_fcn"] = getattr(potentials, given["potentials_dyn_fcn"])
    if given.get("obs_layer") is not None:
        inputs = flat_dim("obs_space", spec.obs_space)
        widths = [*given["obs_layer"], given.get("hidden_size", width)]
        given["obs_layer"] = MLP(inputs, widths, activation_fn="tanh")
    return PolicyActorCritic(spec.obs_space, spec.act_space, policy_cls(**given))


def _function(name: str) -> Any:
    return _FUNCTIONS.get(name) or get_activation(name)


def _several(outputs: Any) -> tuple[torch.Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
