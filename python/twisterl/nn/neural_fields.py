"""Pyrado's neural fields.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, EnvSpec
>>> policy = NFPolicy(EnvSpec(BoxSpace(-1, 1, 3), BoxSpace(-1, 1, 2)), hidden_size=5)
>>> action, potentials = policy(torch.zeros(4, 3))
>>> action.shape, potentials.shape
(torch.Size([4, 2]), torch.Size([4, 5]))
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.nonlin import IndiNonlinLayer, MirrConv1d, Nonlinearity
from twisterl.nn.potential_based import PotentialBasedPolicy
from twisterl.nn.potentials import pd_cubic
from twisterl.nn.spaces import EnvSpec

# Pyrado's names, and numpy's and torch's for the same.
_MODES = {"circular": "circular", "reflected": "reflect", "reflect": "reflect", "zeros": "constant"}


class NFPolicy(PotentialBasedPolicy):
    """Neurons in a row: tau dp/dt = s + h - p + kappa (h - p)^3, a = W f(w (p' + b)).

    s[i] is `obs_layer(obs)` and sum_j k[j] f(p)[(i + j - k // 2) mod n], with the kernel k of
    `conv_layer`, summed over its output channels; f(w (p + b)) is `pot_to_activ`, W `act_layer`.
    Amari, "Dynamics of Pattern Formation in Lateral-Inhibition Type Neural Fields", 1977.

    Args:
        hidden_size: n, from 2.
        activation_nonlin: f.
        mirrored_conv_weights: whether the kernel is symmetric.
        conv_out_channels: kernels, whose outputs are summed.
        conv_kernel_size: k, even ones grow by one; None: n.
        conv_padding_mode: "circular", "reflected" or "zeros".
        kappa_init: the cubic decay; 0 disables it.
        the others: as `PotentialBasedPolicy`.

    Raises:
        TypeError: `activation_nonlin` is no function.
        ValueError: naming the argument.
    """

    name = "nf"

    def __init__(
        self,
        spec: EnvSpec,
        hidden_size: int,
        obs_layer: nn.Module | None = None,
        activation_nonlin: Nonlinearity = torch.sigmoid,
        mirrored_conv_weights: bool = True,
        conv_out_channels: int = 1,
        conv_kernel_size: int | None = None,
        conv_padding_mode: str = "circular",
        tau_init: float = 10.0,
        tau_learnable: bool = True,
        kappa_init: float = 0.0,
        kappa_learnable: bool = True,
        potential_init_learnable: bool = False,
        init_param_kwargs: dict[str, Any] | None = None,
        use_cuda: bool = False,
    ) -> None:
        checked.integer("hidden_size", hidden_size, 2)
        checked.function("activation_nonlin", activation_nonlin)
        self._mode = _MODES[checked.choice("conv_padding_mode", conv_padding_mode, _MODES)]
        size = hidden_size if conv_kernel_size is None else conv_kernel_size
        size = checked.integer("conv_kernel_size", size)
        size += 1 - size % 2
        most = hidden_size - (self._mode == "reflect")
        if self._mode != "constant" and size // 2 > most:
            got = f"got {size} for {hidden_size} neurons"
            raise ValueError(f"conv_kernel_size: expected a padding that they can fill, {got}")
        super().__init__(
            spec, obs_layer, activation_nonlin, tau_init, tau_learnable, kappa_init,
            kappa_learnable, potential_init_learnable, use_cuda, hidden_size,
        )  # fmt: skip
        self.init_kwargs = dict(init_param_kwargs or {})
        self.pot_to_activ = IndiNonlinLayer(hidden_size, activation_nonlin, bias=True)
        kind = MirrConv1d if mirrored_conv_weights else nn.Conv1d
        channels = checked.integer("conv_out_channels", conv_out_channels)
        self.conv_layer: nn.Conv1d = kind(1, channels, size, bias=False)
        self.act_layer = nn.Linear(hidden_size, self.act_dim, bias=False)
        self._begin()

    def potentials_dot(self, potentials: torch.Tensor, stimuli: torch.Tensor) -> torch.Tensor:
        """dp/dt [..., n] of potentials and stimuli [..., n]."""
        return pd_cubic(potentials, stimuli, self.resting_level, self.tau, kappa=self.kappa)

    def _activations(self, potentials: torch.Tensor) -> torch.Tensor:
        return self.pot_to_activ(potentials)

    def _coupling(self) -> torch.Tensor:
        # The convolution is linear: what it makes of each neuron alone says all of it, once for
        # all steps of a sequence.
        own = self.resting_level
        alone = torch.eye(self.num_neurons, dtype=own.dtype, device=own.device)[:, None]
        half = self.conv_layer.kernel_size[0] // 2
        padded = nn.functional.pad(alone, (half, half), mode=self._mode)
        return self.conv_layer(padded).sum(1)

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        return self.act_layer(self._activations(features))
