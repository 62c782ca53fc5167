"""A policy of parts: encoder, core, heads.

>>> import torch
>>> from twisterl.nn.cores import GRUCore
>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace
>>> observations, actions = BoxSpace(-1, 1, 3), DiscreteSpace([0, 1])
>>> encoder = torch.nn.Linear(3, 8)
>>> policy = ActorCritic(
...     encoder, GRUCore(8, 16), observation_space=observations, action_space=actions
... )
>>> logits, value, state = policy(torch.zeros(5, 3))
>>> logits.shape, value.shape, state.shape
(torch.Size([5, 2]), torch.Size([5, 1]), torch.Size([5, 16]))
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.actions import Choices, actions_of
from twisterl.nn.cores import NoCore
from twisterl.nn.heads import Head
from twisterl.nn.init import layer_init
from twisterl.nn.observations import is_traced, mapped, num_leading_axes


class ActorCritic(nn.Module):
    """Encoder, core and two heads; the structure of PufferLib's policies.

    Args:
        encoder: from observations `[N, *shape]` to features [N, F]; has `out_features`, or both
            heads are given.
        core: as `twisterl.nn.cores` says, or None.
        actor: from features to a logit for each choice, or a mean for each number; None: a Linear.
        critic: from features to a value `[*, 1]`; None: a Linear.
        observation_space: None: vectors.
        action_space: a choice, several ones, or numbers, which are tanh of a normal whose
            deviations are exp(`actor_logstd`); None: a choice of what the actor tells.

    Raises:
        TypeError, ValueError: naming the argument.
    """

    # Set where actions are numbers.
    actor_logstd: nn.Parameter | None
    # What a subclass was made of besides the spaces.
    _given: dict[str, Any]

    def __init__(
        self,
        encoder: nn.Module,
        core: Any = None,
        actor: nn.Module | None = None,
        critic: nn.Module | None = None,
        *,
        observation_space: Any = None,
        action_space: Any = None,
    ) -> None:
        super().__init__()
        for name, part in (("encoder", encoder), ("actor", actor), ("critic", critic)):
            if part is not None or name == "encoder":
                checked.module(name, part)
        self.observation_space, self.action_space = observation_space, action_space
        self.encoder, self.core = encoder, NoCore() if core is None else core
        self._actions = None if action_space is None else actions_of(action_space)
        width = getattr(self.core, "out_features", None) or getattr(encoder, "out_features", None)
        if width is None and (actor is None or critic is None):
            raise ValueError("encoder: expected out_features, or an actor and a critic, got none")
        if actor is None:
            if self._actions is None:
                raise ValueError("action_space: expected a space, or an actor, got neither")
            actor = layer_init(nn.Linear(int(width or 0), self._actions.num_outputs), std=0.01)
        self.actor = actor
        self.critic = layer_init(nn.Linear(int(width or 0), 1), 1.0) if critic is None else critic
        self.actor_logstd = None
        if self._actions is not None and not isinstance(self._actions, Choices):
            self.actor_logstd = nn.Parameter(torch.zeros(1, self._actions.num_outputs))

    @property
    def state_size(self) -> int:
        """The numbers that it remembers of one environment; 0 for none."""
        return int(self.core.state_size)

    def initial_state(self, batch_size: int) -> torch.Tensor:
        """[B, S], what it remembers before the first observation."""
        return self.core.initial_state(batch_size)

    def forward(
        self, obs: Any, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> Any:
        """(logits, value), or (mean, std, value) of numbers; with a memory the new state too.

        Args:
            obs: `[B, *shape]`, or `[B, T, *shape]` for sequences; of any dtype and device.
            state: [B, S]; None: the initial one.
            done: [B] or [B, T]; where it is set the state restarts before that observation.

        Returns:
            Logits [B, A] or [B, T, A], a tuple of them for each part of a MultiDiscrete space;
            values [B, 1] or [B, T, 1]; a state [B, S].
        """
        outputs, value, state = self._evaluated(obs, state, done)
        shown = (outputs,) if self._actions is None else self._actions.shown(outputs, self._std())
        return (*shown, value, state) if self.state_size else (*shown, value)

    @property
    def head(self) -> Head | None:
        """The distribution that `outputs` stand for; None where no action space says."""
        return None if self._actions is None else self._actions.head(self._std())

    def outputs(self, obs: Any, state: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """(outputs, value), with a memory the new state too: what training and the engine take.

        Outputs are the logits `[*, A]` of all parts one after the other, or the means of numbers.
        Arguments and other shapes as in `forward`.
        """
        outputs, value, after = self._evaluated(obs, state, None)
        remembered = (after,) if after is not None and self.state_size else ()
        return (outputs, value, *remembered)

    def get_action(
        self,
        obs: Any,
        deterministic: bool = False,
        state: torch.Tensor | None = None,
        done: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """(action, value), with a memory the new state too; the likeliest action or a drawn one.

        Actions are `[*]` of a choice, `[*, parts]` of several ones or `[*, A]` of numbers; values
        `[*, 1]` and states [B, S].
        """
        outputs, value, state = self._evaluated(obs, state, done)
        action = self._drawn(outputs, deterministic)
        return (action, value, state) if state is not None and self.state_size else (action, value)

    def get_value(
        self, obs: Any, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The value `[*, 1]` of `forward`."""
        return self._evaluated(obs, state, done)[1]

    def get_action_and_value(
        self,
        obs: Any,
        action: torch.Tensor | None = None,
        state: torch.Tensor | None = None,
        done: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """(action, log-probability, entropy, value), with a memory the new state too.

        Log-probabilities and entropies are `[*]`, the rest is as of `get_action`.

        Args:
            action: the one to be judged, as `get_action` returns it; None: one is drawn.
        """
        outputs, value, state = self._evaluated(obs, state, done)
        if action is None:
            action = self._drawn(outputs, False)
        lead, flat = outputs.shape[:-1], outputs.reshape(-1, outputs.shape[-1])
        rows = action.reshape(-1, *action.shape[len(lead) :])
        judged = self._known_actions(flat).judge(flat, self._std(), rows)
        logp, entropy = (each.reshape(lead) for each in judged)
        told = (action, logp, entropy, value)
        return (*told, state) if state is not None and self.state_size else told

    def _evaluated(
        self, obs: Any, state: torch.Tensor | None, done: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        if is_traced(obs):
            # What it computes of a batch is described: where its numbers are does not matter then.
            features, state = self.core.step(self.encoder(obs), state, done)
            return self.actor(features), self.critic(features), state
        own = next(self.parameters())
        obs = mapped(obs, lambda part: part.to(own))
        leading = self._num_leading_axes(obs, done)
        if leading not in (1, 2):
            raise ValueError(f"obs: expected [B, ...] or [B, T, ...], got {leading} leading axes")
        if leading == 1:
            features, state = self.core.step(self.encoder(obs), state, done)
        else:
            sizes = _first(obs).shape[:2]
            rows = mapped(obs, lambda part: part.flatten(0, 1))
            features = self.encoder(rows).unflatten(0, sizes)
            features, state = self.core(features, state, done)
        return self.actor(features), self.critic(features), state

    def _num_leading_axes(self, obs: Any, done: torch.Tensor | None) -> int:
        if self.observation_space is not None:
            return num_leading_axes(obs, self.observation_space)
        if done is not None:
            return done.ndim
        return 2 if self.state_size and obs.ndim == 3 else 1

    def _std(self) -> Any:
        return self.actor_logstd

    def _known_actions(self, outputs: torch.Tensor) -> Any:
        return self._actions or Choices([outputs.shape[-1]], True)

    def _drawn(self, outputs: torch.Tensor, deterministic: bool) -> torch.Tensor:
        flat = outputs.reshape(-1, outputs.shape[-1])
        rows = self._known_actions(flat).drawn(flat, self._std(), deterministic)
        return rows.reshape(*outputs.shape[:-1], *rows.shape[1:])


def given(policy: Any) -> dict[str, Any]:
    """What the constructor of `policy` was given besides the spaces: its method `arguments()`."""
    return dict(policy._given)


def _first(obs: Any) -> torch.Tensor:
    while not isinstance(obs, torch.Tensor):
        obs = next(iter(obs.values())) if isinstance(obs, dict) else obs[0]
    return obs
