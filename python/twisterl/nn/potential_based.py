"""Pyrado's policies whose neurons have potentials that change in time."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked, positive
from twisterl.nn.base_policy import draw_parameters
from twisterl.nn.recurrent import LayeredPolicy
from twisterl.nn.spaces import EnvSpec
from twisterl.nn.spec import NotDescribed

# Potentials stay between it and its negative.
_LIMIT = 100.0


class PotentialBasedPolicy(LayeredPolicy):
    """What it remembers are n potentials p: p' = p + dp/dt, with the stimuli of observation and f.

    Nothing is cut from its graph; p' stays between -100 and 100.

    Args:
        spec: the spaces of the environment.
        obs_layer: from observations [..., D] to stimuli [..., n]; None: a Linear without bias.
        activation_nonlin: f, or a list of n functions where the subclass allows it.
        tau_init: time constant above 0, shared by all neurons.
        tau_learnable: whether it is learned.
        kappa_init: cubic decay from 0, where 0 disables it.
        kappa_learnable: whether it is learned.
        potential_init_learnable: whether the first potentials are, from N(0, 1); else they are -7
            for `torch.sigmoid` and 0 otherwise.
        use_cuda: whether it is on the GPU.
        hidden_size: n; None: the width of an action.

    Attributes:
        resting_level: h [n], learned, from N(0, 1).

    Raises:
        TypeError, ValueError: naming the argument.
    """

    resting_level: nn.Parameter
    # None where there is none.
    log_tau: torch.Tensor
    log_kappa: torch.Tensor | None
    log_capacity: torch.Tensor | None

    def __init__(
        self,
        spec: EnvSpec,
        obs_layer: nn.Module | None,
        activation_nonlin: Any,
        tau_init: float,
        tau_learnable: bool,
        kappa_init: float,
        kappa_learnable: bool,
        potential_init_learnable: bool,
        use_cuda: bool,
        hidden_size: int | None = None,
    ) -> None:
        super().__init__(spec, use_cuda)
        self.num_neurons = self.act_dim if hidden_size is None else hidden_size
        checked.integer("hidden_size", self.num_neurons)
        self._is_own_layer = obs_layer is None
        if obs_layer is None:
            obs_layer = nn.Linear(self.obs_dim, self.num_neurons, bias=False)
        self.obs_layer = checked.module("obs_layer", obs_layer)
        self.activation_nonlin = activation_nonlin
        self.resting_level = nn.Parameter(torch.zeros(self.num_neurons))
        self._first: dict[str, float] = {}
        if checked.number("tau_init", tau_init) <= 0:
            raise ValueError(f"tau_init: expected a number above 0, got {tau_init}")
        checked.number("kappa_init", kappa_init, 0.0)
        self._keep("tau", tau_init, tau_learnable)
        self._keep("kappa", kappa_init, kappa_learnable)
        first = -7.0 if activation_nonlin is torch.sigmoid else 0.0
        start = torch.full((self.num_neurons,), first)
        if potential_init_learnable:
            self.potentials_init: torch.Tensor = nn.Parameter(start)
        else:
            self.register_buffer("potentials_init", start)
        # Of the last step, for those who record them.
        self._stimuli: tuple[torch.Tensor, torch.Tensor] | None = None

    def _keep(self, name: str, value: float | None, learnable: bool) -> None:
        positive.keep(self, name, value, learnable)
        if value:
            self._first[name] = float(value)

    @property
    def tau(self) -> torch.Tensor:
        """The time constant [1]."""
        return self.log_tau.exp()

    @property
    def kappa(self) -> torch.Tensor:
        """The cubic decay [1]; 0 where it is disabled."""
        log = self.log_kappa
        return self.resting_level.new_zeros(1) if log is None else log.exp()

    @property
    def hidden_size(self) -> int:
        """n."""
        return self.num_neurons

    @property
    def stimuli_external(self) -> torch.Tensor:
        """[n] or [B, n], what the last observation did to the neurons."""
        return self._recorded(0)

    @property
    def stimuli_internal(self) -> torch.Tensor:
        """[n] or [B, n], what the neurons did to each other in the last step."""
        return self._recorded(1)

    def _recorded(self, which: int) -> torch.Tensor:
        if self._stimuli is None:
            return self.resting_level.new_zeros(self.num_neurons)
        return self._stimuli[which]

    def init_hidden(self, batch_size: int | None = None) -> torch.Tensor:
        """The first potentials, [n] or [B, n], a new tensor each time; with gradient if learned."""
        if batch_size is None:
            return self.potentials_init.clone()
        checked.integer("batch_size", batch_size, 0)
        return self.potentials_init.repeat(batch_size, 1)

    @property
    def feature_size(self) -> int:
        """n: the features are the potentials."""
        return self.num_neurons

    def forward(self, obs: torch.Tensor, hidden: torch.Tensor | None = None) -> tuple[Any, ...]:
        """As `RecurrentPolicy.forward`, of potentials [n] or [B, n]."""
        told = super().forward(obs, hidden)
        if obs.ndim == 1 and self._stimuli is not None and not checked.is_traced():
            self._stimuli = (self._stimuli[0][0], self._stimuli[1][0])
        return told

    def features(
        self, obs: torch.Tensor, hidden: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if checked.is_recorded(obs):
            raise NotDescribed(f"{type(self).__name__} has potentials, which the engine does not")
        external, coupling = self.obs_layer(obs), self._coupling()
        checked.shape("what obs_layer returns", external, (*obs.shape[:2], self.num_neurons))
        steps = []
        for t in range(obs.shape[1]):
            hidden = self._begun(hidden, None if done is None else done[:, t])
            internal = self._activations(hidden) @ coupling
            change = self.potentials_dot(hidden, external[:, t] + internal)
            hidden = (hidden + change).clamp(-_LIMIT, _LIMIT)
            steps.append(hidden)
        if not checked.is_traced():
            self._stimuli = (external[:, -1].detach(), internal.detach())
        return torch.stack(steps, 1), hidden

    @abstractmethod
    def potentials_dot(self, potentials: torch.Tensor, stimuli: torch.Tensor) -> torch.Tensor:
        """dp/dt [..., n] of potentials and stimuli [..., n]."""

    @abstractmethod
    def _activations(self, potentials: torch.Tensor) -> torch.Tensor:
        """f [..., n] of potentials [..., n]."""

    @abstractmethod
    def _coupling(self) -> torch.Tensor:
        """[n, n], in row j what neuron j does to each one when it is active."""

    def _draw(self, **kwargs: Any) -> None:
        # A layer that was given stays as it is.
        for part in self.children():
            if part is not self.obs_layer or self._is_own_layer:
                draw_parameters(part, **kwargs)
        self.resting_level.normal_()
        if isinstance(self.potentials_init, nn.Parameter):
            self.potentials_init.normal_()
        for name, value in self._first.items():
            getattr(self, f"log_{name}").fill_(math.log(value))

    def extra_repr(self) -> str:
        return f"neurons={self.num_neurons}, tau_learnable={isinstance(self.log_tau, nn.Parameter)}"
