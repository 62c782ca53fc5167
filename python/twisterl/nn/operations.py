"""The blocks of one operation of one tensor: a layer of torch, a function or a method by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import fx, nn

from twisterl.nn.layers import LEAVES, MULTIPLE, RECURRENT, leaf_type
from twisterl.nn.spec import Block, NotDescribed
from twisterl.nn.tracing import Traced, name_of


class At(dict[str, Any]):
    """A block, and the node that it was made of."""

    node: fx.Node | None = None


def at(node: fx.Node, **block: Any) -> Block:
    """A block that was made of `node`."""
    made = At(block)
    made.node = node
    return made


def blocks_of(known: Traced, node: fx.Node, source: fx.Node, prefix: str) -> list[Block]:
    """The blocks that make `node` of `source`.

    Args:
        prefix: put in front of the names of parameters.

    Raises:
        NotDescribed: the engine has no such operation.
    """
    if node.op == "call_module":
        name = str(node.target)
        return _layer(known, node, source, known.root.get_submodule(name), prefix + name)
    if node.op not in ("call_function", "call_method"):
        raise NotDescribed(f"{known.who(node)} is no layer")
    operation = _OPERATIONS.get(name_of(node.target))
    if operation is None:
        raise NotDescribed(f"{known.who(node)} is no layer that the engine has")
    return operation(known, node, source)


def dim_of(node: fx.Node, default: int | None) -> Any:
    """The argument `dim` of a function of torch, its second one."""
    return node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else default)


def _layer(
    known: Traced, node: fx.Node, source: fx.Node, module: nn.Module, name: str
) -> list[Block]:
    kind = leaf_type(module)
    if kind is None:
        raise NotDescribed(f"{known.who(node)} is no layer that the engine has")
    # A third argument, where sequences restart, is none here.
    told = [part for part in node.args if part is not None]
    if kind in RECURRENT and (len(told) != 2 or node.kwargs or told[0] is not source):
        raise NotDescribed(f"{known.who(node)} of other arguments than an input and a state")
    options = {key: value for key, value in node.kwargs.items() if key != "need_weights"}
    if kind in MULTIPLE and (options or any(part is not source for part in node.args)):
        raise NotDescribed(f"{known.who(node)} of other arguments than one tensor")
    made = LEAVES[kind](module, name, known.shape(source), known.shape(node))
    if isinstance(made, str):
        raise NotDescribed(f"{known.who(node)}: {made}")
    blocks: list[Block] = [At(block) for block in made]
    if blocks:
        blocks[-1].node = node  # type: ignore[attr-defined]
    return blocks


Operation = Callable[[Traced, fx.Node, fx.Node], list[Block]]


def _as(layer: Callable[..., nn.Module]) -> Operation:
    """A function as the layer of torch.nn whose arguments it takes."""

    def made(known: Traced, node: fx.Node, source: fx.Node) -> list[Block]:
        kwargs = {key: value for key, value in node.kwargs.items() if key != "inplace"}
        try:
            module = layer(*node.args[1:], **kwargs)
        except TypeError as error:
            raise NotDescribed(f"{known.who(node)}: {error}") from error
        return _layer(known, node, source, module, "")

    return made


def _max_pool(known: Traced, node: fx.Node, source: fx.Node) -> list[Block]:
    is_flat = len(known.shape(source)) == 2
    return _as(nn.MaxPool1d if is_flat else nn.MaxPool2d)(known, node, source)


def _with_parameters(known: Traced, node: fx.Node, source: fx.Node) -> list[Block]:
    raise NotDescribed(f"{known.who(node)} with parameters of its own: use the layer")


def _mean(known: Traced, node: fx.Node, source: fx.Node) -> list[Block]:
    """The mean along the first axis behind the batch, as pooling of one channel."""
    dim, shape = dim_of(node, None), known.shape(source)
    if dim not in (1, [1], (1,)) or len(shape) != 2 or known.shape(node) != shape[1:]:
        raise NotDescribed(f"{known.who(node)} along dim {dim} of a shape {shape}")
    window = [shape[0], 1]
    return [
        {"block": "reshape", "shape": [1, *shape]},
        {"block": "pool", "of": "mean", "kernel": window, "stride": window, "padding": [0, 0]},
        at(node, block="flatten"),
    ]


def _reshaped(known: Traced, node: fx.Node, source: fx.Node) -> list[Block]:
    shape = known.shape(node)
    if shape == known.shape(source):
        return []
    if len(shape) == 1:
        return [at(node, block="flatten")]
    return [at(node, block="reshape", shape=shape)]


def _item(known: Traced, node: fx.Node, source: fx.Node) -> list[Block]:
    index: Any = node.args[1]
    if isinstance(known.values[source], tuple):
        # Of what an attention or a recurrent layer returns, the outputs.
        if index == 0:
            return []
        raise NotDescribed(f"{known.who(node)} of {known.who(source)}")
    shape = known.shape(source)
    whole = slice(None, None, None)
    parts = index if isinstance(index, tuple) else (index,)
    if (
        parts[0] in (whole, Ellipsis)
        and all(part in (whole, Ellipsis, None) or isinstance(part, int) for part in parts)
        and known.values[node].numel() == known.values[source].numel()
    ):
        # Axes of one number come or go.
        return _reshaped(known, node, source)
    is_last = isinstance(index, tuple) and index[0] in (whole, Ellipsis) and len(index) == 2
    if len(shape) != 1 or not is_last:
        raise NotDescribed(f"{known.who(node)} of a shape {shape}")
    last = index[1] % shape[0] if isinstance(index[1], int) else index[1]
    numbers = range(shape[0])[slice(last, last + 1) if isinstance(last, int) else last]
    if numbers.step != 1 or not numbers:
        raise NotDescribed(f"{known.who(node)} of every {numbers.step}. number")
    if len(numbers) == shape[0]:
        return []
    return [at(node, block="slice", start=numbers.start, end=numbers.stop)]


# Functions and methods by name.
_OPERATIONS: dict[str, Operation] = {
    "getitem": _item,
    "mean": _mean,
    **dict.fromkeys(("flatten", "reshape", "view", "squeeze", "unsqueeze", "unflatten"), _reshaped),
    **dict.fromkeys(("linear", "layer_norm", "conv1d", "conv2d"), _with_parameters),
    # torch's functions of pooling are wrapped by fx under another name.
    **dict.fromkeys(("boolean_dispatch", "max_pool1d", "max_pool2d"), _max_pool),
    **dict.fromkeys(("relu", "relu_"), _as(nn.ReLU)),
    **dict.fromkeys(("tanh", "tanh_"), _as(nn.Tanh)),
    **dict.fromkeys(("sigmoid", "sigmoid_"), _as(nn.Sigmoid)),
    "gelu": _as(nn.GELU),
    "silu": _as(nn.SiLU),
    "leaky_relu": _as(nn.LeakyReLU),
    "elu": _as(nn.ELU),
    "softplus": _as(nn.Softplus),
    "avg_pool1d": _as(nn.AvgPool1d),
    "avg_pool2d": _as(nn.AvgPool2d),
    "adaptive_avg_pool1d": _as(nn.AdaptiveAvgPool1d),
    "adaptive_avg_pool2d": _as(nn.AdaptiveAvgPool2d),
    **dict.fromkeys(("contiguous", "float", "clone", "long", "int", "to"), _as(nn.Identity)),
}
