"""A stack of Linear layers.

>>> import torch
>>> MLP(3, [8, 2], activation_fn="tanh")(torch.zeros(5, 3)).shape
torch.Size([5, 2])
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from twisterl.nn import checked
from twisterl.nn.activations import ACTIVATIONS, get_activation


class MLP(nn.Sequential):
    """For each size but the last Linear, norm, activation, dropout; then a Linear alone. rl8's.

    From [..., input_dim] to [..., hiddens[-1]].

    Args:
        input_dim: width of the input.
        hiddens: width of each Linear, at least one.
        activation_fn: a name of `twisterl.nn.get_activation`.
        norm_layer: makes a layer of a width, such as `torch.nn.LayerNorm`; None: no norm.
        bias: whether each Linear has one.
        dropout: share of the numbers that training leaves out.
        inplace: whether activations that can overwrite their input.

    Raises:
        TypeError, ValueError: naming the argument.
    """

    def __init__(
        self,
        input_dim: int,
        hiddens: Sequence[int],
        /,
        *,
        activation_fn: str = "relu",
        norm_layer: Callable[[int], nn.Module] | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        inplace: bool = False,
    ) -> None:
        if not isinstance(hiddens, Sequence) or isinstance(hiddens, str):
            raise TypeError(f"hiddens: expected a list, got {type(hiddens).__name__}")
        if not hiddens:
            raise ValueError("hiddens: expected at least one width, got none")
        checked.number("dropout", dropout, 0.0, 1.0)
        if norm_layer is not None:
            checked.function("norm_layer", norm_layer)
        checked.choice("activation_fn", activation_fn, ACTIVATIONS)
        can = "inplace" in inspect.signature(ACTIVATIONS[activation_fn]).parameters
        options = {"inplace": True} if inplace and can else {}
        sizes = [checked.integer("input_dim", input_dim)]
        sizes += [checked.integer("hiddens", size) for size in hiddens]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes[:-1]):
            layers.append(nn.Linear(inputs, outputs, bias))
            if norm_layer is not None:
                layers.append(norm_layer(outputs))
            layers += [get_activation(activation_fn, **options), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(sizes[-2], sizes[-1], bias))
        self.out_features = sizes[-1]
