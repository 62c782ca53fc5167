"""A policy as an ONNX graph, for onnxruntime and whatever else reads it.

The graph is written from the policy's description; torch writes that of a policy which only torch
plays (`twisterl.export.onnx_traced`). Its input `observation` is float32 `[N, F]`, 1 at the
active features of a sparse observation and 0 elsewhere, or what a dense one holds; bytes are
uint8 and divided by 255 inside. Of several parts each is an input of its own, `observation.NAME`
`[N, *shape]`. Its outputs are `logits` float32 `[N, A]`, before any mask, and `value` float32
`[N, 1]`. Where actions are numbers, `logits` is called `mean`, and `log_std` float32 `[A]` is a
third output. What a policy remembers is an input and an output: `state` and `next_state` float32
`[N, S]`; an episode begins with the metadata's `twisterl.initial_state`.

The metadata of the model tells what the numbers mean: see `METADATA`.
"""

from __future__ import annotations

import json
from typing import Any

from twisterl.cli.player import action_names
from twisterl.config.run import Part
from twisterl.export.onnx_blocks import Graph, recurrent
from twisterl.export.policy_file import arrays_of, network_of
from twisterl.faults import ConfigError, Fault

METADATA = {
    "twisterl.environment": 'the environment, {"env_cls": name, "env": {parameters}}',
    "twisterl.actions": "the names of the actions, a list",
    "twisterl.obs_shape": "the shape of an observation, a list; F is its product",
    "twisterl.obs_dtype": "sparse (0 and 1), float32, or uint8; of several parts their description",
    "twisterl.normalization": "what the graph does to numbers first: none, or bytes/255",
    "twisterl.initial_state": "what is remembered before an episode, a list; [] without memory",
    "twisterl.head": "what the outputs stand for: categorical, or the description of another head",
}
OPSET = 17


def encode(part: Part, env: Any, policy: Any) -> bytes:
    """The model of `policy`; `ConfigError` if it cannot be written or `onnx` is missing."""
    try:
        import onnx
    except ImportError:
        problem = "needs the package onnx, which twisterl[export] brings"
        raise ConfigError([Fault("--onnx", problem)], "command line") from None
    from twisterl import __version__

    if not getattr(policy, "is_described", True):
        from twisterl.export.onnx_traced import traced

        model, head = traced(onnx, policy), policy.head.spec()
    else:
        spec = network_of(policy)
        model, head = _written(onnx, spec, policy, part.name or "policy"), spec.get("head")
    model.producer_name, model.producer_version = "twisterl", __version__
    # What readers of that opset know.
    model.ir_version = 8
    environment = {"env_cls": part.name or part.path, "env": part.as_dict()}
    parts = policy.obs_dtype if isinstance(policy.obs_dtype, dict) else None
    is_bytes = any(each["dtype"] == "uint8" for each in parts.values()) if parts else False
    notes = {
        "twisterl.environment": json.dumps(environment),
        "twisterl.actions": json.dumps(action_names(env)),
        "twisterl.obs_shape": json.dumps(list(policy.obs_shape)),
        "twisterl.obs_dtype": json.dumps(parts) if parts else policy.obs_dtype,
        "twisterl.initial_state": json.dumps(_initial_state(policy)),
        "twisterl.normalization": "1/255" if is_bytes or policy.obs_dtype == "uint8" else "none",
        "twisterl.head": json.dumps(head) if head else "categorical",
    }
    onnx.helper.set_model_props(model, notes)
    onnx.checker.check_model(model)
    encoded: bytes = model.SerializeToString()
    return encoded


def _written(onnx: Any, spec: dict[str, Any], policy: Any, name: str) -> Any:
    """The model of a description."""
    make, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    graph = Graph(onnx, arrays_of(policy))
    if isinstance(policy.obs_dtype, dict):
        seen = [
            (f"observation.{key}", each["dtype"], each["shape"])
            for key, each in policy.obs_dtype.items()
        ]
    else:
        seen = [("observation", policy.obs_dtype, [policy.obs_size])]
    inputs = [
        make(key, types.UINT8 if dtype == "uint8" else types.FLOAT, ["N", *shape])
        for key, dtype, shape in seen
    ]
    size = getattr(policy, "state_size", 0)
    if size:
        graph.remember(graph.given("state", [size]), recurrent(spec))
        inputs.append(make("state", types.FLOAT, ["N", size]))
    shared = graph.blocks(graph.given("observation", [policy.obs_size]), spec["encoder"])
    head = spec.get("head", {"head": "categorical"})
    told = "mean" if head["head"] == "normal" else "logits"
    graph.rename(graph.blocks(shared, spec["action"]), told)
    graph.rename(graph.blocks(shared, spec["value"]), "value")
    outputs = [(told, ["N", policy.num_actions]), ("value", ["N", 1])]
    if told == "mean":
        deviations = graph.constant("deviations", arrays_of(policy)[head["name"]])
        graph.rename(deviations, "log_std")
        outputs.append(("log_std", [policy.num_actions]))
    if size:
        graph.rename(graph.state(), "next_state")
        outputs.append(("next_state", ["N", size]))
    infos = [make(key, types.FLOAT, shape) for key, shape in outputs]
    made = onnx.helper.make_graph(graph.nodes, name, inputs, infos, graph.tensors)
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", OPSET)])


def _initial_state(policy: Any) -> list[float]:
    if not getattr(policy, "state_size", 0):
        return []
    state: list[float] = policy.module.initial_state(1)[0].tolist()
    return state
