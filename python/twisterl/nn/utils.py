"""Building stacks of layers, and handing trained ones to the Rust engine."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from twisterl import twisterl

Floats = npt.NDArray[np.float32]


def make_sequential(
    in_size: int, layer_sizes: Sequence[int], final_relu: bool = True
) -> torch.nn.Sequential:
    """Linear layers of the given output sizes with a ReLU after each.

    Args:
        in_size: width of the input.
        layer_sizes: width of each layer's output; none gives an empty Sequential.
        final_relu: whether the last layer has its ReLU too.
    """
    layers: list[torch.nn.Module] = []
    for out_size in layer_sizes:
        layers += [torch.nn.Linear(in_size, out_size), torch.nn.ReLU(inplace=True)]
        in_size = out_size
    if layers and not final_relu:
        layers.pop()
    return torch.nn.Sequential(*layers)


def array(tensor: torch.Tensor) -> Floats:
    """The values as a C-contiguous float32 array."""
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())


def _bias(bias: torch.Tensor | None, size: int) -> Floats:
    return np.zeros(size, np.float32) if bias is None else array(bias)


def sequential_to_rust(module: torch.nn.Sequential) -> twisterl.nn.Sequential:
    """The engine's `Sequential` of a stack of Linear layers, each with or without a ReLU after it.

    Raises:
        TypeError: another kind of layer, or a ReLU that follows no Linear.
    """
    layers = list(module)
    linears = []
    for position, layer in enumerate(layers):
        if isinstance(layer, torch.nn.ReLU):
            if position == 0 or not isinstance(layers[position - 1], torch.nn.Linear):
                raise TypeError(f"layer {position}: expected a Linear before the ReLU")
            continue
        if not isinstance(layer, torch.nn.Linear):
            raise TypeError(
                f"layer {position}: expected Linear or ReLU, got {type(layer).__name__}"
            )
        bias = _bias(layer.bias, layer.out_features)
        relu = position + 1 < len(layers) and isinstance(layers[position + 1], torch.nn.ReLU)
        linears.append(twisterl.nn.Linear(array(layer.weight.t()).reshape(-1), bias, relu))
    return twisterl.nn.Sequential(linears)


def embeddingbag_to_rust(
    module: torch.nn.Module, shape: Sequence[int], dim: int
) -> twisterl.nn.EmbeddingBag:
    """The engine's `EmbeddingBag` of a first layer; a ReLU follows it there.

    Args:
        module: Linear, EmbeddingBag (mode "sum") or Conv1d of kernel size 1 without bias.
        shape: of the observation; one number for Linear and EmbeddingBag.
        dim: the axis of `shape` that a Conv1d takes as its channels.

    Raises:
        TypeError: another kind of layer.
    """
    if isinstance(module, torch.nn.Linear):
        vectors, bias = module.weight.t(), module.bias
        width = module.out_features
    elif isinstance(module, torch.nn.EmbeddingBag):
        vectors, bias = module.weight, None
        width = module.embedding_dim
    elif isinstance(module, torch.nn.Conv1d):
        vectors, bias = module.weight.squeeze(2).t(), None
        width = module.out_channels * shape[1 - dim]
    else:
        raise TypeError(f"expected Linear, EmbeddingBag or Conv1d, got {type(module).__name__}")
    sizes = [int(n) for n in shape]
    return twisterl.nn.EmbeddingBag(array(vectors), _bias(bias, width), True, sizes, dim)
