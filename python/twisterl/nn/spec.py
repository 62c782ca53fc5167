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
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from twisterl import twisterl
from twisterl.nn.utils import array

Block = dict[str, Any]
NetSpec = dict[str, Any]

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


def to_engine(policy: Any) -> twisterl.nn.Policy:
    """The engine's policy of `policy.net_spec()`, with the weights as they are now."""
    tensors = {name: array(value) for name, value in policy.named_parameters()}
    spec = json.dumps(policy.net_spec())
    return twisterl.nn.Policy.from_spec(spec, tensors, policy.obs_perms, policy.act_perms)
