"""A policy as an ONNX graph, for onnxruntime and whatever else reads it.

The graph is written from the policy's description, not traced. Its input `observation` is float32
`[N, F]`, 1 at the active features of a sparse observation and 0 elsewhere, or what a dense one
holds; bytes are uint8 and divided by 255 inside. Its outputs are `logits` float32 `[N, A]`, before
any mask, and `value` float32 `[N, 1]`. Where actions are numbers, `logits` is called `mean`, and
`log_std` float32 `[A]` is a third output.

The metadata of the model tells what the numbers mean: see `METADATA`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from twisterl.cli.player import action_names
from twisterl.config.run import Part
from twisterl.export.policy_file import arrays_of, described
from twisterl.faults import ConfigError, Fault

METADATA = {
    "twisterl.environment": 'the environment, {"env_cls": name, "env": {parameters}}',
    "twisterl.actions": "the names of the actions, a list",
    "twisterl.obs_shape": "the shape of an observation, a list; F is its product",
    "twisterl.obs_dtype": "sparse (0 and 1), float32, or uint8",
    "twisterl.normalization": "what the graph does to an observation first: none, or 1/255",
    "twisterl.head": "what the outputs stand for: categorical, or the description of another head",
}
OPSET = 17


def encode(part: Part, env: Any, policy: Any) -> bytes:
    """The model of `policy`; `ConfigError` if it cannot be described or `onnx` is missing."""
    try:
        import onnx
    except ImportError:
        problem = "needs the package onnx, which twisterl[export] brings"
        raise ConfigError([Fault("--onnx", problem)], "command line") from None
    from twisterl import __version__

    spec = described(policy)
    weights = arrays_of(policy)
    graph = _Graph(onnx, weights)
    features, dtype = policy.obs_size, policy.obs_dtype
    kind = onnx.TensorProto.UINT8 if dtype == "uint8" else onnx.TensorProto.FLOAT
    shared = graph.blocks("observation", spec["encoder"])
    head = spec.get("head", {"head": "categorical"})
    name = "mean" if head["head"] == "normal" else "logits"
    graph.rename(graph.blocks(shared, spec["action"]), name)
    graph.rename(graph.blocks(shared, spec["value"]), "value")
    number = onnx.TensorProto.FLOAT
    outputs = [
        onnx.helper.make_tensor_value_info(name, number, ["N", policy.num_actions]),
        onnx.helper.make_tensor_value_info("value", number, ["N", 1]),
    ]
    if name == "mean":
        graph.rename(graph.constant("deviations", weights[head["name"]]), "log_std")
        outputs.append(onnx.helper.make_tensor_value_info("log_std", number, [policy.num_actions]))
    observation = onnx.helper.make_tensor_value_info("observation", kind, ["N", features])
    made = onnx.helper.make_graph(
        graph.nodes, part.name or "policy", [observation], outputs, graph.tensors
    )
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(
        made, producer_name="twisterl", producer_version=__version__, opset_imports=opset
    )
    # What readers of that opset know.
    model.ir_version = 8
    environment = {"env_cls": part.name or part.path, "env": part.as_dict()}
    notes = {
        "twisterl.environment": json.dumps(environment),
        "twisterl.actions": json.dumps(action_names(env)),
        "twisterl.obs_shape": json.dumps(list(policy.obs_shape)),
        "twisterl.obs_dtype": dtype,
        "twisterl.normalization": "1/255" if dtype == "uint8" else "none",
        "twisterl.head": "categorical" if head["head"] == "categorical" else json.dumps(head),
    }
    onnx.helper.set_model_props(model, notes)
    onnx.checker.check_model(model)
    return model.SerializeToString()


class _Graph:
    """Nodes and tensors that are added one by one; a result is known by its name."""

    def __init__(self, onnx: Any, weights: dict[str, Any]) -> None:
        self._onnx, self._weights = onnx, weights
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, values: Any) -> str:
        if all(tensor.name != name for tensor in self.tensors):
            array = np.ascontiguousarray(values)
            self.tensors.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def rename(self, result: str, name: str) -> None:
        self.nodes.append(self._onnx.helper.make_node("Identity", [result], [name], name))

    def blocks(self, x: str, blocks: list[dict[str, Any]]) -> str:
        for block in blocks:
            x = self.block(x, block)
        return x

    def block(self, x: str, block: dict[str, Any]) -> str:
        """The result of `block` for the result `x`."""
        kind = block["block"]
        if kind == "relu":
            return self.node("Relu", [x])
        if kind == "dense":
            if block["dtype"] != "uint8":
                return x
            number = self.node("Cast", [x], to=self._onnx.TensorProto.FLOAT)
            return self.node("Div", [number, self.constant("scale", np.array([255.0], np.float32))])
        if kind in ("bag", "linear"):
            name = block["name"]
            inputs = [x, self.constant(f"{name}.weight", self._weights[f"{name}.weight"])]
            if block.get("bias", True):
                inputs.append(self.constant(f"{name}.bias", self._weights[f"{name}.bias"]))
            return self.node("Gemm", inputs, transB=1)
        if kind == "bag_conv1d":
            return self._conv1d(x, block)
        problem = f"has a block {kind}, which is not written as ONNX yet; --safetensors may do"
        raise ConfigError([Fault("policy_cls", problem)], "run")

    def _conv1d(self, x: str, block: dict[str, Any]) -> str:
        """A linear layer along one axis, the places of the other one after each other."""
        channels, places = block["shape"][block["axis"]], block["shape"][1 - block["axis"]]
        shape = self.constant(f"shape_{len(self.nodes)}", np.array([-1, *block["shape"]], np.int64))
        x = self.node("Reshape", [x, shape])
        if block["axis"] == 0:
            x = self.node("Transpose", [x], perm=[0, 2, 1])
        name = f"{block['name']}.weight"
        matrix = self.constant(name, self._weights[name].reshape(-1, channels).T)
        flat = self.constant(
            f"flat_{len(self.nodes)}", np.array([-1, places * block["out"]], np.int64)
        )
        return self.node("Reshape", [self.node("MatMul", [x, matrix]), flat])
