"""How weights begin.

>>> import torch
>>> actor = layer_init(torch.nn.Linear(64, 4), std=0.01)
>>> round(torch.linalg.matrix_norm(actor.weight, 2).item(), 4), actor.bias.tolist()
(0.01, [0.0, 0.0, 0.0, 0.0])
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import nn

from twisterl.nn import checked

Layer = TypeVar("Layer", bound=nn.Module)


def layer_init(layer: Layer, std: float = math.sqrt(2), bias_const: float = 0.0) -> Layer:
    """Makes weight.flatten(1) [out, in] of `layer` orthogonal, every singular value `std`.

    Customary: sqrt(2) where a ReLU follows, 0.01 for an actor, 1 for a critic. Saxe et al., "Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks"; the name is
    PufferLib's.

    Args:
        layer: a Linear or a convolution, with or without a bias.
        bias_const: what every bias becomes.

    Returns:
        `layer`.
    """
    weight = getattr(layer, "weight", None)
    if not isinstance(layer, nn.Module) or not isinstance(weight, torch.Tensor):
        raise TypeError(f"layer: expected a Linear or a convolution, got {type(layer).__name__}")
    checked.tensor("weight of layer", weight, at_least=2)
    checked.number("std", std)
    nn.init.orthogonal_(weight, std)
    bias = getattr(layer, "bias", None)
    if isinstance(bias, torch.Tensor):
        nn.init.constant_(bias, checked.number("bias_const", bias_const))
    return layer


_OPTIONS = {"uniform_bias", "t_max", "bell"}


def init_param(module: nn.Module, **kwargs: Any) -> None:
    """Draws the weights [out, in] and biases [out] of one layer anew, by its type: Pyrado's.

    Linear, RNN, GRU: orthogonal weights with gain 1; biases N(0, 1 / sqrt(n)), or uniform in
    +-1 / sqrt(n) with `uniform_bias`, n being the number of biases.

    LSTM: orthogonal weight_ih; weight_hh is four identities; biases 0, but 1 for the forget gate.
    With `t_max`, the forget bias is log U(1, t_max - 1) and the input bias its negative, once, in
    bias_ih (Tallec and Ollivier, "Can recurrent neural networks warp time?").

    Conv1d with `bell`: the symmetric kernel 2 a (exp(-(x / sigma)^2) - 1/2), a ~ U(0, 1), x from
    -2 sigma to 2 sigma.

    Layers of one scale an element: scale 1, offset 0. Others stay as they are.

    Args:
        kwargs: `uniform_bias`, `t_max`, `bell`; what is not of this layer is ignored.

    Raises:
        ValueError: another argument.
    """
    from twisterl.nn.nonlin import IndiNonlinLayer

    checked.module("module", module)
    for name in kwargs.keys() - _OPTIONS:
        known = ", ".join(sorted(_OPTIONS))
        raise ValueError(f"{name}: expected one of {known}, got another argument")
    with torch.no_grad():
        mode = getattr(module, "mode", None) if isinstance(module, nn.RNNBase) else None
        if mode == "LSTM":
            _init_lstm(module, kwargs.get("t_max"))
        elif mode is not None or isinstance(module, nn.Linear):
            for name, parameter in module.named_parameters():
                if name.startswith("weight"):
                    nn.init.orthogonal_(parameter)
                else:
                    _init_bias(parameter, kwargs.get("uniform_bias", False))
        elif isinstance(module, nn.Conv1d) and kwargs.get("bell", False):
            _init_bell(module)
        elif isinstance(module, IndiNonlinLayer):
            for each, value in ((module.weight, 1.0), (module.bias, 0.0)):
                if each is not None:
                    each.fill_(value)


def _init_bias(bias: torch.Tensor, uniform: bool) -> None:
    width = 1 / math.sqrt(bias.numel())
    if uniform:
        nn.init.uniform_(bias, -width, width)
    else:
        nn.init.normal_(bias, std=width)


def _init_lstm(lstm: nn.Module, t_max: float | None) -> None:
    if t_max is not None and checked.number("t_max", t_max) <= 2:
        raise ValueError(f"t_max: expected a number above 2, got {t_max}")
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.orthogonal_(parameter)
        elif name.startswith("weight_hh"):
            for gate in parameter.chunk(4):
                nn.init.eye_(gate)
        elif name.startswith("bias"):
            nn.init.zeros_(parameter)
        if name.startswith("bias_ih"):
            # In torch's order: input, forget, cell, output.
            enter, forget, _, _ = parameter.chunk(4)
            forget.fill_(1.0)
            if t_max is not None:
                forget.uniform_(1.0, t_max - 1).log_()
                enter.copy_(-forget)


def _init_bell(conv: nn.Conv1d) -> None:
    size, taps = conv.kernel_size[0], conv.weight.shape[-1]
    x = torch.linspace(-2, 2, size, device=conv.weight.device) if size > 1 else torch.zeros(1)
    bell = 2 * (torch.exp(-(x**2)) - 0.5)
    height = torch.rand_like(conv.weight[..., :1])
    # A mirrored convolution keeps the first half of its taps.
    conv.weight.copy_(height * bell[:taps].to(conv.weight))
