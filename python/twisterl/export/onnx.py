"""A policy as an ONNX graph, for onnxruntime and whatever else reads it.

The graph is written from the policy's description, not traced. What a policy remembers is an input
and an output: `state` and `next_state` float32 `[N, S]`; an episode begins with the metadata's
`twisterl.initial_state`. Its input `observation` is float32
`[N, F]`, 1 at the active features of a sparse observation and 0 elsewhere, or what a dense one
holds; bytes are uint8 and divided by 255 inside. Its outputs are `logits` float32 `[N, A]`, before
any mask, and `value` float32 `[N, 1]`. Where actions are numbers, `logits` is called `mean`, and
`log_std` float32 `[A]` is a third output.

The metadata of the model tells what the numbers mean: see `METADATA`.
"""

from __future__ import annotations

import json
from typing import Any

from twisterl.cli.player import action_names
from twisterl.config.run import Part
from twisterl.export.onnx_blocks import Graph, recurrent
from twisterl.export.stateful import described_with_memory
from twisterl.faults import ConfigError, Fault

METADATA = {
    "twisterl.environment": 'the environment, {"env_cls": name, "env": {parameters}}',
    "twisterl.actions": "the names of the actions, a list",
    "twisterl.obs_shape": "the shape of an observation, a list; F is its product",
    "twisterl.obs_dtype": "sparse (0 and 1), float32, or uint8",
    "twisterl.normalization": "what the graph does to an observation first: none, or 1/255",
    "twisterl.initial_state": "what is remembered before an episode, a list; [] without memory",
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

    spec, weights, initial = described_with_memory(policy)
    graph = Graph(onnx, weights)
    features, dtype = policy.obs_size, policy.obs_dtype
    kind = onnx.TensorProto.UINT8 if dtype == "uint8" else onnx.TensorProto.FLOAT
    if initial:
        graph.remember(graph.given("state", [len(initial)]), recurrent(spec))
    shared = graph.blocks(graph.given("observation", [features]), spec["encoder"])
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
    inputs = [onnx.helper.make_tensor_value_info("observation", kind, ["N", features])]
    if initial:
        graph.rename(graph.state(), "next_state")
        make = onnx.helper.make_tensor_value_info
        inputs.append(make("state", number, ["N", len(initial)]))
        outputs.append(make("next_state", number, ["N", len(initial)]))
    made = onnx.helper.make_graph(
        graph.nodes, part.name or "policy", inputs, outputs, graph.tensors
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
        "twisterl.initial_state": json.dumps(initial),
        "twisterl.normalization": "1/255" if dtype == "uint8" else "none",
        "twisterl.head": "categorical" if head["head"] == "categorical" else json.dumps(head),
    }
    onnx.helper.set_model_props(model, notes)
    onnx.checker.check_model(model)
    return model.SerializeToString()
