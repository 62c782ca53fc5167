"""Activations by name.

>>> get_activation("leaky_relu", negative_slope=0.5)
LeakyReLU(negative_slope=0.5)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked


class SquaredReLU(nn.Module):
    """max(x, 0)^2 of numbers [...]. So et al., "Primer: Searching for Efficient Transformers"."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[...] of `x` [...]."""
        return torch.relu(x).square()


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "hard_shrink": nn.Hardshrink,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_swish": nn.Hardswish,
    "hard_tanh": nn.Hardtanh,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "log_sigmoid": nn.LogSigmoid,
    "log_softmax": nn.LogSoftmax,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "softmax": nn.Softmax,
    "squared_relu": SquaredReLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
}


def get_activation(name: str, /, **params: Any) -> nn.Module:
    """The activation `name`, a key of `ACTIVATIONS`, made with `params`; of numbers [...].

    `softmax` and `log_softmax` are of the last axis unless `dim` says otherwise.

    Raises:
        ValueError: another name.
    """
    checked.choice("name", name, ACTIVATIONS)
    if name in ("softmax", "log_softmax"):
        params = {"dim": -1, **params}
    return ACTIVATIONS[name](**params)
