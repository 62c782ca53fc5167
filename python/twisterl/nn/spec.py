"""A policy as data: the blocks that the engine plays, with the names of the state dict.

>>> from twisterl.nn import BasicPolicy
>>> spec = BasicPolicy([3], 2, embedding_size=4, common_layers=[]).net_spec()
>>> spec["encoder"]
[{'block': 'bag', 'name': 'embeddings', 'features': 3, 'out': 4}, {'block': 'relu'}]
>>> spec["value"]
[{'block': 'linear', 'name': 'value.0', 'inputs': 4, 'out': 1}]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from twisterl import twisterl
from twisterl.nn.utils import array

Block = dict[str, Any]
NetSpec = dict[str, Any]


class NotDescribed(TypeError):
    """A layer that the engine does not play: its name, its type and why."""


RELU: Block = {"block": "relu"}
_DESCRIBING = {"net_spec", "_first_blocks"}


def linear_blocks(name: str, layers: Iterable[torch.nn.Module]) -> list[Block]:
    """The blocks of a stack called `name` of Linear layers, each with or without a ReLU after it.

    Raises:
        TypeError: another kind of layer, or a ReLU that follows no Linear.
    """
    blocks: list[Block] = []
    for place, layer in enumerate(layers):
        if isinstance(layer, torch.nn.Linear):
            block = {"block": "linear", "name": f"{name}.{place}"}
            blocks.append({**block, "inputs": layer.in_features, "out": layer.out_features})
            if layer.bias is None:
                blocks[-1]["bias"] = False
        elif isinstance(layer, torch.nn.ReLU) and blocks and blocks[-1] != RELU:
            blocks.append(RELU)
        else:
            expected = "a Linear before the ReLU" if isinstance(layer, torch.nn.ReLU) else "Linear"
            problem = f"{name}.{place}: expected {expected}, got {type(layer).__name__}"
            raise TypeError(f"{problem}, which the engine does not play")
    return blocks


def require_described(policy: torch.nn.Module, computing: Sequence[str]) -> None:
    """Refuses a class that computes something else than what `net_spec` of a class above it says.

    Raises:
        TypeError: a method of `computing` is defined below the class that describes the network.
    """
    for cls in type(policy).__mro__:
        if vars(cls).keys() & _DESCRIBING:
            return
        changed = [name for name in computing if name in vars(cls)]
        if changed:
            raise TypeError(
                f"{cls.__name__} has its own {', '.join(changed)}, and the engine plays what "
                f"net_spec() describes: give it a net_spec of its own, or a to_rust"
            )


def all_blocks(spec: NetSpec) -> Iterator[Block]:
    """Every block of a description, those inside of others included."""

    def inside(blocks: list[Block]) -> Iterator[Block]:
        for block in blocks:
            yield block
            for inner in (block.get("blocks", []), *block.get("branches", [])):
                yield from inside(inner)

    for part in ("encoder", "action", "value"):
        yield from inside(spec[part])


def to_engine(policy: Any, spec: NetSpec | None = None) -> twisterl.nn.Policy:
    """The engine's policy of `spec`, or of `policy.net_spec()`, with the weights as they are."""
    return twisterl.nn.Policy.from_spec(*engine_parts(policy, spec))


def engine_parts(policy: Any, spec: NetSpec | None = None) -> tuple[str, dict[str, Any], Any, Any]:
    """What the engine makes its policy of: description, arrays by name, and permutations."""
    if spec is None:
        spec = policy.net_spec()
    tensors = engine_tensors(policy, spec)
    return json.dumps(spec), tensors, policy.obs_perms, policy.act_perms


def engine_tensors(policy: Any, spec: NetSpec) -> dict[str, Any]:
    """The float32 arrays that `spec` names, by name, as they are in the module `policy`."""
    named = {block["name"] for block in all_blocks(spec) if "name" in block}
    tensors = {}
    # A parameter of several names is under all of them.
    for kept in (
        policy.named_parameters(remove_duplicate=False),
        policy.named_buffers(remove_duplicate=False),
    ):
        for name, value in kept:
            name = plain_name(name)
            if owner(name, named) in named:
                tensors[name] = array(value)
            elif name == spec.get("head", {}).get("name"):
                tensors[name] = array(value).reshape(-1)
    return tensors | _statistics(policy, spec)


def _statistics(policy: Any, spec: NetSpec) -> dict[str, Any]:
    """Those of running norms as the engine divides by them: a constant number is only moved."""
    names = {block["name"] for block in all_blocks(spec) if block["block"] == "running_norm"}
    if not names:
        return {}
    norms = {plain_name(name): part for name, part in policy.named_modules()}
    known: dict[str, Any] = {}
    for name in names:
        pair = norms[name].mean, norms[name].std ** 2
        known |= {
            f"{name}.{kind}": array(value).reshape(-1)
            for kind, value in zip(("mean", "var"), pair, strict=True)
        }
    return known


def owner(name: str, named: set[str]) -> str:
    """Whose parameter `name` is: of one of the blocks `named`, if any."""
    if name in named:
        return name
    above = name.rpartition(".")[0]
    # A block may have parts with names of their own.
    further = above.rpartition(".")[0]
    return further if above not in named and further in named else above


def plain_name(name: str) -> str:
    """The name of a parameter without what `torch.compile` puts into it."""
    return name.replace("_orig_mod.", "")
