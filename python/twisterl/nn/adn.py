"""Pyrado's activation dynamic networks.

>>> import torch
>>> from twisterl.nn.functional import pd_capacity_21
>>> from twisterl.nn.spaces import BoxSpace, EnvSpec
>>> spec = EnvSpec(BoxSpace(-1, 1, 3), BoxSpace(0, 1, 2))
>>> policy = ADNPolicy(spec, torch.sigmoid, pd_capacity_21)
>>> policy.init_hidden().tolist(), round(float(policy.capacity.detach()), 4)
([-7.0, -7.0], 7.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked, potentials
from twisterl.nn.nonlin import IndiNonlinLayer, Nonlinearity, functions
from twisterl.nn.potential_based import PotentialBasedPolicy
from twisterl.nn.spaces import EnvSpec

_OF_CAPACITY = (
    potentials.pd_capacity_21,
    potentials.pd_capacity_21_abs,
    potentials.pd_capacity_32,
    potentials.pd_capacity_32_abs,
)


class ADNPolicy(PotentialBasedPolicy):
    """One neuron a number of the action [B, n]: tau dp/dt = f(p, s, h), a = f(w p').

    s is `obs_layer(obs)` and, of the n x n weights `prev_act_layer`, what the activations before
    do; f(w p) is `pot_to_act_layer`. Luksch et al., "Adaptive Movement Sequences and Predictive
    Decisions based on Hierarchical Dynamical Systems", IROS 2012.

    Args:
        activation_nonlin: f, or a list of one for each neuron; sigmoid suits positions, tanh
            velocities.
        potentials_dyn_fcn: one of the `pd_*` of `twisterl.nn.functional`, or a function like them.
        kappa_init: the cubic decay of `pd_cubic`.
        capacity_learnable: whether the capacity of `pd_capacity_*` is learned; it begins at 7 with
            sigmoid and 3.8 with tanh.
        init_param_kwargs: for `init_param`; `sigmoid_nlin=True` makes `prev_act_layer` 1 on its
            diagonal and -0.5 elsewhere.
        the others: as `PotentialBasedPolicy`.

    Raises:
        TypeError: what is no function, and a capacity with another f.
        ValueError: naming the argument.
    """

    name = "adn"

    def __init__(
        self,
        spec: EnvSpec,
        activation_nonlin: Nonlinearity | Sequence[Nonlinearity],
        potentials_dyn_fcn: Callable[..., torch.Tensor],
        obs_layer: nn.Module | None = None,
        tau_init: float = 10.0,
        tau_learnable: bool = True,
        kappa_init: float = 1e-3,
        kappa_learnable: bool = True,
        capacity_learnable: bool = True,
        potential_init_learnable: bool = False,
        init_param_kwargs: dict[str, Any] | None = None,
        use_cuda: bool = False,
    ) -> None:
        checked.function("potentials_dyn_fcn", potentials_dyn_fcn)
        super().__init__(
            spec, obs_layer, activation_nonlin, tau_init, tau_learnable, kappa_init,
            kappa_learnable, potential_init_learnable, use_cuda,
        )  # fmt: skip
        n = self.num_neurons
        functions("activation_nonlin", activation_nonlin, n)
        self.potentials_dyn_fcn = potentials_dyn_fcn
        self.init_kwargs = dict(init_param_kwargs or {})
        self.pot_to_act_layer = IndiNonlinLayer(n, activation_nonlin, bias=False)
        self.prev_act_layer = nn.Linear(n, n, bias=False)
        capacity = None
        if potentials_dyn_fcn in _OF_CAPACITY:
            capacity = {torch.sigmoid: 7.0, torch.tanh: 3.8}.get(_hashable(activation_nonlin))
            if capacity is None:
                raise TypeError("activation_nonlin: expected torch.sigmoid or torch.tanh")
        self._keep("capacity", capacity, capacity_learnable)
        self._begin()

    @property
    def capacity(self) -> torch.Tensor | None:
        """C [1] of `pd_capacity_*`; None of other dynamics."""
        return None if self.log_capacity is None else self.log_capacity.exp()

    def potentials_dot(self, potentials: torch.Tensor, stimuli: torch.Tensor) -> torch.Tensor:
        """dp/dt [..., n] of potentials and stimuli [..., n]."""
        return self.potentials_dyn_fcn(
            potentials, stimuli, self.resting_level, self.tau,
            kappa=self.kappa, capacity=self.capacity,
        )  # fmt: skip

    def _activations(self, potentials: torch.Tensor) -> torch.Tensor:
        return self.pot_to_act_layer(potentials)

    def _coupling(self) -> torch.Tensor:
        return self.prev_act_layer.weight.t()

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        return self._activations(features)

    def _draw(self, **kwargs: Any) -> None:
        sigmoid_nlin = kwargs.pop("sigmoid_nlin", False)
        super()._draw(**kwargs)
        if sigmoid_nlin:
            self.prev_act_layer.weight.fill_(-0.5).fill_diagonal_(1.0)


def _hashable(value: Any) -> Any:
    return None if isinstance(value, list) else value
