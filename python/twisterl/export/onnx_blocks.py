"""The blocks of a description as nodes of an ONNX graph, opset 17."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twisterl.faults import ConfigError, Fault

Block = dict[str, Any]
# Of torch's gates r, z, n and i, f, g, o, where ONNX has them.
_GATES = {"gru": [1, 0, 2], "lstm": [0, 3, 1, 2], "rnn_tanh": [0], "rnn_relu": [0]}


class Graph:
    """Nodes and tensors that are added one by one; a result is known by its name.

    Args:
        onnx: the package.
        weights: float32 arrays by the names of a description.

    Attributes:
        states: what recurrent blocks remember after an observation, `h` and `c` by block.
    """

    def __init__(self, onnx: Any, weights: dict[str, Any]) -> None:
        self._onnx, self._weights = onnx, weights
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        # The shape of an observation's numbers in each result.
        self._shapes: dict[str, list[int]] = {}
        # By recurrent block: h [layers, N, H], of an LSTM c too, before an observation.
        self._before: dict[str, list[str]] = {}
        self.states: dict[str, list[str]] = {}

    def node(self, kind: str, inputs: list[str], shape: list[int], **attributes: Any) -> str:
        """A node whose result has `shape` behind the batch."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        self._shapes[name] = shape
        return name

    def constant(self, name: str, values: Any) -> str:
        if all(tensor.name != name for tensor in self.tensors):
            array = np.ascontiguousarray(values)
            self.tensors.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def given(self, name: str, shape: list[int]) -> str:
        """An input of the graph."""
        self._shapes[name] = shape
        return name

    def rename(self, result: str, name: str) -> None:
        self.nodes.append(self._onnx.helper.make_node("Identity", [result], [name], name))

    def remember(self, state: str, recurrent: list[Block]) -> None:
        """Cuts `state` [N, S] into what each recurrent block begins with."""
        at = 0
        for block in recurrent:
            layers, size = block.get("layers", 1), block["size"]
            self._before[block["name"]] = parts = []
            for _ in range(2 if block["cell"] == "lstm" else 1):
                end = at + layers * size
                part = self._sliced(state, at, end)
                part = self.reshaped(part, [layers, size])
                parts.append(self.node("Transpose", [part], [], perm=[1, 0, 2]))
                at = end

    def blocks(self, x: str, blocks: list[Block]) -> str:
        for block in blocks:
            x = self.block(x, block)
        return x

    def block(self, x: str, block: Block) -> str:
        """The result of `block` for the result `x`."""
        make = getattr(self, f"_{block['block']}", None)
        if make is None:
            problem = f"has a block {block['block']}, which is not written as ONNX"
            raise ConfigError([Fault("policy_cls", f"{problem}; --safetensors may do")], "run")
        made: str = make(x, block)
        return made

    def reshaped(self, x: str, shape: list[int]) -> str:
        target = self._number(np.array([-1, *shape], np.int64))
        return self.node("Reshape", [x, target], shape)

    # A block each.

    def _relu(self, x: str, block: Block) -> str:
        return self.node("Relu", [x], self._shapes[x])

    def _sparse(self, x: str, block: Block) -> str:
        return x

    def _dense(self, x: str, block: Block) -> str:
        if block["dtype"] != "uint8":
            return x
        number = self.node("Cast", [x], self._shapes[x], to=self._onnx.TensorProto.FLOAT)
        return self._with("Div", number, 255.0)

    def _parts(self, x: str, block: Block) -> str:
        """Inputs `x.name` [N, *shape], raveled and joined."""
        flat = []
        for part in block["parts"]:
            given = self._dense(self.given(f"{x}.{part['name']}", part["shape"]), part)
            flat.append(self.reshaped(given, [math.prod(part["shape"])]))
        return self.node("Concat", flat, [sum(self._shapes[part][0] for part in flat)], axis=1)

    def _linear(self, x: str, block: Block) -> str:
        name, shape = block["name"], self._shapes[x]
        made = [*shape[:-1], block["out"]]
        bias = block.get("bias", True) and self._named(f"{name}.bias")
        if len(shape) == 1:
            inputs = [x, self._named(f"{name}.weight"), *([bias] if bias else [])]
            return self.node("Gemm", inputs, made, transB=1)
        matrix = self.constant(f"{name}.matrix", self._weights[f"{name}.weight"].T)
        product = self.node("MatMul", [x, matrix], made)
        return self.node("Add", [product, bias], made) if bias else product

    _bag = _linear

    def _bag_conv1d(self, x: str, block: Block) -> str:
        """A linear layer along one axis, the places of the other one after each other."""
        channels, places = block["shape"][block["axis"]], block["shape"][1 - block["axis"]]
        x = self.reshaped(x, block["shape"])
        if block["axis"] == 0:
            x = self.node("Transpose", [x], [places, channels], perm=[0, 2, 1])
        matrix = self._weights[f"{block['name']}.weight"].reshape(-1, channels).T
        product = self.node("MatMul", [x, self._number(matrix)], [places, block["out"]])
        return self.reshaped(product, [places * block["out"]])

    def _embedding(self, x: str, block: Block) -> str:
        shape = self._shapes[x]
        codes = self.node("Cast", [x], shape, to=self._onnx.TensorProto.INT64)
        table = self._named(f"{block['name']}.weight")
        return self.node("Gather", [table, codes], [*shape, block["out"]], axis=0)

    def _conv(self, x: str, block: Block) -> str:
        inputs = [x, self._named(f"{block['name']}.weight")]
        if block.get("bias", True):
            inputs.append(self._named(f"{block['name']}.bias"))
        window, sides = self._window(x, block)
        return self.node("Conv", inputs, [block["out"], *sides], **window)

    def _pool(self, x: str, block: Block) -> str:
        window, sides = self._window(x, block)
        shape = [self._shapes[x][0], *sides]
        if block["of"] == "max":
            return self.node("MaxPool", [x], shape, **window)
        return self.node("AveragePool", [x], shape, **window, count_include_pad=1)

    def _window(self, x: str, block: Block) -> tuple[dict[str, Any], list[int]]:
        """What ONNX is told of a kernel, and the sides of what it makes."""
        kernel, stride, padding = (block[key] for key in ("kernel", "stride", "padding"))
        axes = zip(self._shapes[x][1:], kernel, stride, padding, strict=True)
        sides = [(side + 2 * pad - size) // step + 1 for side, size, step, pad in axes]
        return {"kernel_shape": kernel, "strides": stride, "pads": padding * 2}, sides

    def _layer_norm(self, x: str, block: Block) -> str:
        name, shape = block["name"], self._shapes[x]
        scale = np.ones(block["shape"], np.float32)
        inputs = [x, self._number(self._weights.get(f"{name}.weight", scale))]
        if f"{name}.bias" in self._weights:
            inputs.append(self._named(f"{name}.bias"))
        options = {"axis": -len(block["shape"]), "epsilon": block["eps"]}
        return self.node("LayerNormalization", inputs, shape, **options)

    def _group_norm(self, x: str, block: Block) -> str:
        """Groups as layers, then the channels' own numbers: opset 17 has groups of images alone."""
        name, shape = block["name"], self._shapes[x]
        size = math.prod(shape) // block["groups"]
        groups = self.reshaped(x, [block["groups"], size])
        inputs = [groups, self._number(np.ones(size, np.float32))]
        normal = self.node(
            "LayerNormalization", inputs, [block["groups"], size], axis=-1, epsilon=block["eps"]
        )
        normal = self.reshaped(normal, shape)
        for kind, joined in (("weight", "Mul"), ("bias", "Add")):
            if f"{name}.{kind}" in self._weights:
                numbers = self._weights[f"{name}.{kind}"].reshape(-1, *[1] * (len(shape) - 1))
                normal = self._with(joined, normal, numbers)
        return normal

    def _running_norm(self, x: str, block: Block) -> str:
        shape = self._shapes[x]
        mean, var = (self._weights[f"{block['name']}.{kind}"] for kind in ("mean", "var"))
        eps = block["eps"]
        deviation = np.sqrt(var + eps) if block.get("to_variance") else np.sqrt(var) + eps
        moved = self._with("Sub", x, mean.reshape(shape))
        return self._with("Div", moved, deviation.reshape(shape))

    def _offset(self, x: str, block: Block) -> str:
        numbers = self._weights[block["name"]].reshape(self._shapes[x])
        return self._with("Add", x, numbers)

    def _activation(self, x: str, block: Block) -> str:
        function, shape = block["function"], self._shapes[x]
        plain = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softplus": "Softplus"}
        if function in plain:
            return self.node(plain[function], [x], shape)
        if function == "leaky_relu":
            return self.node("LeakyRelu", [x], shape, alpha=block["slope"])
        if function == "elu":
            return self.node("Elu", [x], shape, alpha=block["alpha"])
        if function == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x], shape)], shape)
        if function == "gelu":
            share = self.node("Erf", [self._with("Mul", x, math.sqrt(0.5))], shape)
        else:
            cube = self.node("Mul", [x, self.node("Mul", [x, x], shape)], shape)
            inner = self.node("Add", [x, self._with("Mul", cube, 0.044715)], shape)
            share = self.node("Tanh", [self._with("Mul", inner, math.sqrt(2 / math.pi))], shape)
        half = self._with("Mul", x, 0.5)
        return self.node("Mul", [half, self._with("Add", share, 1.0)], shape)

    def _flatten(self, x: str, block: Block) -> str:
        return self.reshaped(x, [math.prod(self._shapes[x])])

    def _reshape(self, x: str, block: Block) -> str:
        return self.reshaped(x, block["shape"])

    def _slice(self, x: str, block: Block) -> str:
        return self._sliced(x, block["start"], block["end"])

    def _sliced(self, x: str, start: int, end: int) -> str:
        bounds = [self._number(np.array([n], np.int64)) for n in (start, end, 1)]
        return self.node("Slice", [x, *bounds], [end - start])

    def _residual(self, x: str, block: Block) -> str:
        return self.node("Add", [x, self.blocks(x, block["blocks"])], self._shapes[x])

    def _parallel(self, x: str, block: Block) -> str:
        branches = [self.blocks(x, branch) for branch in block["branches"]]
        first = self._shapes[branches[0]]
        if block["join"] == "sum":
            total = branches[0]
            for branch in branches[1:]:
                total = self.node("Add", [total, branch], first)
            return total
        size = sum(self._shapes[branch][0] for branch in branches)
        return self.node("Concat", branches, [size, *first[1:]], axis=1)

    def _attention(self, x: str, block: Block) -> str:
        """torch's MultiheadAttention of one sequence with itself."""
        name, size, heads = block["name"], block["size"], block["heads"]
        tokens, width = self._shapes[x][0], size // heads
        has_bias = block.get("bias", True)
        parts = []
        for place in range(3):
            rows = slice(place * size, (place + 1) * size)
            matrix = self._number(self._weights[f"{name}.in_proj_weight"][rows].T)
            part = self.node("MatMul", [x, matrix], [tokens, size])
            if has_bias:
                part = self._with("Add", part, self._weights[f"{name}.in_proj_bias"][rows])
            part = self.reshaped(part, [tokens, heads, width])
            # Of keys the tokens come last.
            perm = [0, 2, 3, 1] if place == 1 else [0, 2, 1, 3]
            parts.append(self.node("Transpose", [part], [], perm=perm))
        query, key, value = parts
        scores = self.node("MatMul", [query, key], [heads, tokens, tokens])
        scores = self._with("Div", scores, math.sqrt(width))
        shares = self.node("Softmax", [scores], [heads, tokens, tokens], axis=-1)
        seen = self.node("MatMul", [shares, value], [heads, tokens, width])
        seen = self.node("Transpose", [seen], [tokens, heads, width], perm=[0, 2, 1, 3])
        seen = self.reshaped(seen, [tokens, size])
        bias = {} if has_bias else {"bias": False}
        return self._linear(seen, {"name": f"{name}.out_proj", "out": size, **bias})

    def _recurrent(self, x: str, block: Block) -> str:
        """Layers of RNN, GRU or LSTM, one step of them."""
        kind, size = block["cell"], block["size"]
        order, shape = _GATES[kind], self._shapes[x]
        before, after = self._before[block["name"]], []
        x = self.reshaped(x, shape[-1:])
        x = self.node("Unsqueeze", [x, self._number(np.array([0], np.int64))], shape)
        options: dict[str, Any] = {"hidden_size": size}
        if kind == "gru":
            options["linear_before_reset"] = 1
        if kind == "rnn_relu":
            options["activations"] = ["Relu"]
        operator = {"gru": "GRU", "lstm": "LSTM"}.get(kind, "RNN")
        for layer in range(block.get("layers", 1)):
            suffix = "" if block.get("is_cell") else f"_l{layer}"
            given = [x, *self._cell(f"{block['name']}.", suffix, order, size), ""]
            bounds = [self._number(np.array([n], np.int64)) for n in (layer, layer + 1, 0)]
            given += [self.node("Slice", [part, *bounds], [size]) for part in before]
            name = f"{operator.lower()}_{len(self.nodes)}"
            told = [f"{name}_{part}" for part in ("y", "h", "c")[: 1 + len(before)]]
            self.nodes.append(self._onnx.helper.make_node(operator, given, told, name, **options))
            # [1, directions, N, H] without the directions.
            x = self.node("Squeeze", [told[0], self._number(np.array([1], np.int64))], [size])
            after.append(told[1:])
        kinds = zip(*after, strict=True)
        self.states[block["name"]] = [
            self.node("Concat", list(parts), [size], axis=0) for parts in kinds
        ]
        return self.reshaped(x, [*shape[:-1], size])

    def _cell(self, name: str, suffix: str, order: list[int], size: int) -> list[str]:
        """The weights of one layer with their gates in ONNX's order: of inputs, of h, biases."""

        def ordered(kind: str) -> Any:
            gates = self._weights[f"{name}{kind}{suffix}"].reshape(len(order), size, -1)
            return gates[order].reshape(len(order) * size, -1)

        given = [self._number(ordered(kind)[None]) for kind in ("weight_ih", "weight_hh")]
        if f"{name}bias_ih{suffix}" in self._weights:
            both = [ordered(kind)[:, 0] for kind in ("bias_ih", "bias_hh")]
            return [*given, self._number(np.concatenate(both)[None])]
        return [*given, ""]

    def state(self) -> str:
        """What all recurrent blocks remember after the observation, [N, S]."""
        flat = []
        for parts in self.states.values():
            for part in parts:
                rows = self.node("Transpose", [part], [], perm=[1, 0, 2])
                target = self._number(np.array([0, -1], np.int64))
                flat.append(self.node("Reshape", [rows, target], []))
        return self.node("Concat", flat, [], axis=1) if len(flat) > 1 else flat[0]

    # What they are written with.

    def _named(self, name: str) -> str:
        return self.constant(name, self._weights[name])

    def _number(self, values: Any) -> str:
        return self.constant(f"constant_{len(self.tensors)}", values)

    def _with(self, kind: str, x: str, number: Any) -> str:
        """A node of `x` and a constant, float32."""
        constant = self._number(np.asarray(number, np.float32))
        return self.node(kind, [x, constant], self._shapes[x])


def recurrent(spec: dict[str, Any]) -> list[Block]:
    """The recurrent blocks of a description, in the order of their states."""
    from twisterl.nn.spec import all_blocks

    return [block for block in all_blocks(spec) if block["block"] == "recurrent"]
