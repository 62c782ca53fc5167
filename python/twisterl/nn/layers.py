"""The layers of torch that the engine has, by type: a function makes the blocks of each.

It takes the module, its name, and the shapes of an observation's numbers before and behind it; it
returns blocks, or a text that says why there are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from twisterl.nn.cells import Cells
from twisterl.nn.running_norm import RunningNorm
from twisterl.nn.spec import RELU, Block

Shape = list[int]
Made = list[Block] | str


def _linear(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    return [linear(name, module)]


def linear(name: str, module: Any) -> Block:
    """The block of a Linear layer."""
    block = {"block": "linear", "name": name, "inputs": module.in_features}
    return {**block, "out": module.out_features, **({} if module.bias is not None else NO_BIAS)}


NO_BIAS: Block = {"bias": False}


def _same(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    return []


def _reshaped(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    if inputs == outputs:
        return []
    if len(outputs) == 1:
        return [{"block": "flatten"}]
    return [{"block": "reshape", "shape": outputs}]


def _activation(function: str, **options: str) -> Callable[..., Made]:
    """The function, with arguments of the engine's that are attributes of the module."""

    def make(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
        numbers = {key: float(getattr(module, attribute)) for key, attribute in options.items()}
        return [{"block": "activation", "function": function, **numbers}]

    return make


def _relu(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    return [RELU]


def _gelu(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    function = "gelu_tanh" if module.approximate == "tanh" else "gelu"
    return [{"block": "activation", "function": function}]


def _softplus(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    if module.beta != 1:
        return "beta is not 1"
    return [{"block": "activation", "function": "softplus"}]


def layer_norm(name: str, module: Any) -> Block:
    """The block of a LayerNorm."""
    block: Block = {"block": "layer_norm", "name": name, "shape": list(module.normalized_shape)}
    block["eps"] = module.eps
    if module.weight is None:
        return {**block, "affine": False}
    return block if module.bias is not None else {**block, **NO_BIAS}


def _running_norm(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    size = math.prod(module.size)
    return [{"block": "running_norm", "name": name, "size": size, "eps": module.eps}]


def _layer_norm(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    return [layer_norm(name, module)]


def _group_norm(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    block: Block = {"block": "group_norm", "name": name, "groups": module.num_groups}
    block |= {"channels": module.num_channels, "eps": module.eps}
    return [block if module.weight is not None else {**block, "affine": False}]


def _axes(count: int, size: Any) -> list[int]:
    """A number for each axis; torch takes one for all."""
    return [int(size)] * count if isinstance(size, int) else [int(n) for n in size]


def _conv(axes: int) -> Callable[..., Made]:
    def make(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
        if module.groups != 1 or set(module.dilation) != {1} or module.padding_mode != "zeros":
            return "groups, dilation or a padding other than zeros"
        if isinstance(module.padding, str):
            return f"padding {module.padding!r}: give its numbers"
        block: Block = {"block": "conv", "name": name, "channels": module.in_channels}
        block |= {"out": module.out_channels, "kernel": _axes(axes, module.kernel_size)}
        block |= {"stride": _axes(axes, module.stride), "padding": _axes(axes, module.padding)}
        return [block if module.bias is not None else {**block, **NO_BIAS}]

    return make


def _pool(of: str, axes: int) -> Callable[..., Made]:
    def make(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
        if module.ceil_mode or getattr(module, "return_indices", False):
            return "ceil_mode or return_indices"
        if of == "max" and set(_axes(axes, module.dilation)) != {1}:
            return "dilation"
        padding = _axes(axes, module.padding)
        if of == "mean" and not module.count_include_pad and any(padding):
            return "count_include_pad is false"
        if of == "mean" and getattr(module, "divisor_override", None) is not None:
            return "divisor_override"
        if len(inputs) != axes + 1:
            return f"an input of shape {inputs}"
        kernel = _axes(axes, module.kernel_size)
        stride = kernel if module.stride is None else _axes(axes, module.stride)
        block: Block = {"block": "pool", "of": of, "kernel": kernel}
        return [{**block, "stride": stride, "padding": padding}]

    return make


def _adaptive(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    axes = len(inputs) - 1
    if outputs[1:] != [1] * axes:
        return f"an output of shape {outputs}, not one number a channel"
    block: Block = {"block": "pool", "of": "mean", "kernel": inputs[1:]}
    return [{**block, "stride": [1] * axes, "padding": [0] * axes}]


def _embedding(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    if module.max_norm is not None or module.padding_idx is not None or module.scale_grad_by_freq:
        return "max_norm, padding_idx or scale_grad_by_freq"
    if outputs[:-1] != inputs:
        return f"an input of shape {inputs}"
    block: Block = {"block": "embedding", "name": name}
    return [{**block, "num": module.num_embeddings, "out": module.embedding_dim}]


def _attention(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    if not module.batch_first or module.in_proj_weight is None or module.dropout > 0:
        return "batch_first is false, sizes of its own for keys or values, or dropout"
    if module.bias_k is not None or module.add_zero_attn:
        return "bias_k, bias_v or add_zero_attn"
    block: Block = {"block": "attention", "name": name, "size": module.embed_dim}
    block["heads"] = module.num_heads
    return [block if module.in_proj_bias is not None else {**block, **NO_BIAS}]


def _encoder_layer(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    attention = _attention(module.self_attn, f"{name}.self_attn", inputs, inputs)
    if isinstance(attention, str):
        return attention
    between = _function(module.activation)
    if between is None:
        return f"activation {module.activation}"
    first, second = (linear(f"{name}.linear{i}", getattr(module, f"linear{i}")) for i in (1, 2))
    norms = [layer_norm(f"{name}.norm{i}", getattr(module, f"norm{i}")) for i in (1, 2)]
    blocks: list[Block] = []
    for norm, inner in zip(norms, (attention, [first, between, second]), strict=True):
        if module.norm_first:
            blocks.append({"block": "residual", "blocks": [norm, *inner]})
        else:
            blocks += [{"block": "residual", "blocks": list(inner)}, norm]
    return blocks


def _recurrent(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    is_cell = isinstance(module, nn.RNNCellBase)
    if not is_cell and (module.bidirectional or module.proj_size):
        return "bidirectional or proj_size"
    if not is_cell and not module.batch_first:
        return "batch_first is false"
    if not is_cell and module.dropout > 0 and module.num_layers > 1:
        return "dropout"
    mode = _MODES[next(cls for cls in type(module).__mro__ if cls in _MODES)]
    if mode == "rnn":
        mode += f"_{module.nonlinearity}"
    if isinstance(module, Cells):
        mode = module.mode.lower()
    block: Block = {"block": "recurrent", "name": name, "cell": mode}
    block |= {"inputs": module.input_size, "size": module.hidden_size}
    if is_cell:
        block["is_cell"] = True
    elif module.num_layers > 1:
        block["layers"] = module.num_layers
    return [block if module.bias else {**block, **NO_BIAS}]


_MODES: dict[type, str] = {nn.RNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm", Cells: ""}
_MODES |= {nn.RNNCell: "rnn", nn.GRUCell: "gru", nn.LSTMCell: "lstm"}


def _function(activation: Any) -> Block | None:
    """The block of what a TransformerEncoderLayer has between its linear layers."""
    if activation is nn.functional.relu or isinstance(activation, nn.ReLU):
        return RELU
    if activation is nn.functional.gelu:
        return {"block": "activation", "function": "gelu"}
    kind = leaf_type(activation) if isinstance(activation, nn.Module) else None
    made = [] if kind is None else LEAVES[kind](activation, "", [], [])
    return made[0] if isinstance(made, list) and len(made) == 1 else None


def _encoder(module: Any, name: str, inputs: Shape, outputs: Shape) -> Made:
    blocks: list[Block] = []
    for i, layer in enumerate(module.layers):
        if leaf_type(layer) is not nn.TransformerEncoderLayer:
            return f"layers.{i} is no TransformerEncoderLayer"
        made = _encoder_layer(layer, f"{name}.layers.{i}", inputs, inputs)
        if isinstance(made, str):
            return made
        blocks += made
    if module.norm is not None:
        blocks.append(layer_norm(f"{name}.norm", module.norm))
    return blocks


LEAVES: dict[type, Callable[..., Made]] = {
    nn.Linear: _linear,
    nn.Identity: _same,
    nn.Dropout: _same,
    nn.Flatten: _reshaped,
    nn.Unflatten: _reshaped,
    nn.ReLU: _relu,
    nn.Tanh: _activation("tanh"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.GELU: _gelu,
    nn.SiLU: _activation("silu"),
    nn.LeakyReLU: _activation("leaky_relu", slope="negative_slope"),
    nn.ELU: _activation("elu", alpha="alpha"),
    nn.Softplus: _softplus,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    RunningNorm: _running_norm,
    nn.Embedding: _embedding,
    nn.Conv1d: _conv(1),
    nn.Conv2d: _conv(2),
    nn.MaxPool1d: _pool("max", 1),
    nn.MaxPool2d: _pool("max", 2),
    nn.AvgPool1d: _pool("mean", 1),
    nn.AvgPool2d: _pool("mean", 2),
    nn.AdaptiveAvgPool1d: _adaptive,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.MultiheadAttention: _attention,
    nn.TransformerEncoderLayer: _encoder_layer,
    nn.TransformerEncoder: _encoder,
    **dict.fromkeys(_MODES, _recurrent),
}

# Layers that may be called with more than one tensor, or with masks.
MULTIPLE: set[type] = {nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder}

# Those that remember: they are called with a state, and return the next one.
RECURRENT: set[type] = set(_MODES)


def leaf_type(module: torch.nn.Module) -> type | None:
    """The type of `LEAVES` that computes what `module` computes; None if none does."""
    for cls in type(module).__mro__:
        if cls in LEAVES:
            return cls if type(module).forward is cls.forward else None  # type: ignore[attr-defined]
    return None
