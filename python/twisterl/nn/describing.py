"""From a torch module to the description that the engine plays, by the types of its layers.

>>> import torch
>>> class Net(torch.nn.Module):
...     def __init__(self):
...         super().__init__()
...         layers = torch.nn.Flatten(), torch.nn.Linear(9, 8), torch.nn.Tanh()
...         self.body = torch.nn.Sequential(*layers)
...         self.actor, self.critic = torch.nn.Linear(8, 4), torch.nn.Linear(8, 1)
...     def forward(self, x):
...         x = self.body(x)
...         return self.actor(x), self.critic(x)
>>> spec = describe(Net(), [3, 3])
>>> [block["block"] for block in spec["encoder"]]
['bag', 'activation']
>>> spec["value"]
[{'block': 'linear', 'name': 'critic', 'inputs': 8, 'out': 1}]
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from twisterl.nn.ancestry import Ancestry
from twisterl.nn.modes import modes_kept
from twisterl.nn.operations import At, at, blocks_of, dim_of
from twisterl.nn.parts import reading
from twisterl.nn.remembering import Moves
from twisterl.nn.spec import Block, NetSpec, NotDescribed
from twisterl.nn.tracing import Traced, name_of, remembers, uncompiled

# Observations that a module is asked about: more than one, and a number that shapes seldom have.
NUM_ROWS = 7
# A description that grows beyond it would say the same layers many times over.
_MOST_BLOCKS = 10_000
_SUMS = {"add", "iadd", "add_"}
_CONCATS = {"cat", "concat", "concatenate"}


def describe(
    module: torch.nn.Module,
    obs_shape: Sequence[int],
    obs_dtype: Any = "sparse",
    prefix: str = "",
    method: str = "forward",
) -> NetSpec:
    """The description of what `module` computes, as `Policy.from_spec` takes it.

    Args:
        module: takes observations float32 `[B, *obs_shape]` and returns logits `[B, A]` and values
            `[B]` or `[B, 1]`.
        obs_shape, obs_dtype: of the environment, see `TorchPolicy`; observations of several parts
            come as vectors, see `twisterl.nn.parts`.
        prefix: put in front of the names of all parameters.
        method: the one that computes.

    Raises:
        NotDescribed: a layer that the engine does not play, or a `forward` that cannot be followed.
    """
    return described(module, obs_shape, obs_dtype, prefix, method=method).spec


@dataclass
class Description:
    """A description, and the outputs of torch's layers for some observations.

    Attributes:
        spec: what the engine plays.
        made: by the place of a block, `encoder.2`: the layer in torch, and its outputs.
        logits, values: `[N, A]` and `[N]`.
    """

    spec: NetSpec
    made: dict[str, tuple[str, torch.Tensor]]
    logits: torch.Tensor
    values: torch.Tensor


def described(
    module: torch.nn.Module,
    obs_shape: Sequence[int],
    obs_dtype: Any = "sparse",
    prefix: str = "",
    observations: torch.Tensor | None = None,
    method: str = "forward",
) -> Description:
    """As `describe`, together with what the layers give for `observations [N, *obs_shape]`.

    Those of a module with memory are the first of their episodes.
    """
    module = uncompiled(module)
    known = Traced(module, len(obs_shape), method)
    moves = Moves(known.module)
    if observations is None:
        observations = torch.zeros(NUM_ROWS, *obs_shape)
    with modes_kept(module), torch.no_grad():
        module.eval()
        states = _initial_states(module, observations)
        known.run(observations, *states)
        spec = _spec(known, prefix, list(obs_shape), obs_dtype)
        places = _places(spec)
        if states:
            tags = moves.numbers(*states[0].shape)
            after = moves.run(observations, tags)[2]
            moves.require_in_order(known, places.values(), tags, after)
            if states[0].any():
                spec["initial_state"] = states[0][0].tolist()
    logits, value = (known.values[head] for head in known.heads())
    made = {}
    for place, node in places.items():
        told = known.values[node]
        # The outputs come before what is remembered.
        told = told[0] if isinstance(told, tuple) else told
        if isinstance(told, torch.Tensor):
            made[place] = known.who(node), told
    # Without what each block was made of.
    spec = json.loads(json.dumps(spec))
    return Description(spec, made, logits, value.reshape(observations.shape[0]))


def _initial_states(module: Any, observations: torch.Tensor) -> list[torch.Tensor]:
    """`[N, S]` of a module with memory, in a list; none of another."""
    if not remembers(module):
        return []
    return [module.initial_state(observations.shape[0]).to(torch.float32)]


def _spec(known: Traced, prefix: str, obs_shape: list[int], obs_dtype: Any) -> NetSpec:
    logits, value = known.heads()
    chains = _Chains(known, prefix)
    shared = chains.ancestry.meeting([logits, value])
    blocks = chains.between(known.start, shared)
    return {
        "encoder": _read(blocks, obs_shape, obs_dtype, remembers(known.root)),
        "action": chains.between(shared, logits),
        "value": chains.between(shared, value),
    }


def _read(
    blocks: list[Block], obs_shape: list[int], obs_dtype: Any, in_sequences: bool
) -> list[Block]:
    """`blocks` behind one that reads observations."""
    features = math.prod(obs_shape)
    behind, shape = blocks, obs_shape
    while behind and behind[0]["block"] in ("flatten", "reshape"):
        shape = behind[0].get("shape", [features])
        behind = behind[1:]
    first = behind[0] if behind else {}
    if in_sequences and math.prod(shape[:-1]) == 1:
        # A sequence of one observation.
        shape = shape[-1:]
    is_whole = first.get("block") == "linear" and shape == [first["inputs"]]
    if obs_dtype == "sparse" and is_whole and first.get("bias", True):
        bag = At(block="bag", name=first["name"], features=features, out=first["out"])
        bag.node = getattr(first, "node", None)
        return [bag, *behind[1:]]
    read = reading(features, obs_dtype)
    if is_whole:
        return [read, *behind]
    shaped = [{"block": "reshape", "shape": obs_shape}] if len(obs_shape) > 1 else []
    return [read, *shaped, *blocks]


def _places(spec: NetSpec) -> dict[str, fx.Node]:
    """The nodes of the blocks, by their places in the description."""
    found: dict[str, fx.Node] = {}

    def walk(place: str, blocks: list[Block]) -> None:
        for i, block in enumerate(blocks):
            if isinstance(block, At) and block.node is not None:
                found[f"{place}.{i}"] = block.node
            walk(f"{place}.{i}.blocks", block.get("blocks", []))
            for j, branch in enumerate(block.get("branches", [])):
                walk(f"{place}.{i}.branches.{j}", branch)

    for part in ("encoder", "action", "value"):
        walk(part, spec[part])
    return found


class _Chains:
    """Blocks one after another, from one node to another that is made of it."""

    def __init__(self, known: Traced, prefix: str) -> None:
        self.ancestry = Ancestry(known.start, known.sources)
        self._known, self._prefix, self._count = known, prefix, 0

    def between(self, start: fx.Node, end: fx.Node) -> list[Block]:
        """The blocks that make `end` of `start`."""
        blocks: list[Block] = []
        while end is not start:
            above = self.ancestry.above(end)
            made = self._step(above, end)
            self._count += len(made)
            if self._count > _MOST_BLOCKS:
                raise NotDescribed(
                    f"{self._known.who(end)}: layers depend on each other in too many ways"
                )
            blocks, end = made + blocks, above
        return blocks

    def _step(self, above: fx.Node, node: fx.Node) -> list[Block]:
        """The blocks that make `node` of the one above it."""
        sources, kind = self._known.sources(node), name_of(node.target)
        if node.op in ("call_function", "call_method") and kind in _SUMS | _CONCATS:
            return [self._joined(above, node, sources, kind in _SUMS)]
        if len(sources) != 1:
            raise NotDescribed(f"{self._known.who(node)} of several tensors")
        return blocks_of(self._known, node, sources[0], self._prefix)

    def _joined(self, above: fx.Node, node: fx.Node, sources: list[fx.Node], is_sum: bool) -> Block:
        known = self._known
        listed = node.args[0] if node.args and isinstance(node.args[0], list | tuple) else node.args
        parts = [part for part in listed if isinstance(part, fx.Node)]
        added = [part for part in parts if part.op == "get_attr"]
        if is_sum and len(parts) == 2 and len(added) == 1:
            return self._offset(node, added[0])
        if len(parts) != len(sources) and len(set(parts)) != len(sources):
            raise NotDescribed(f"{known.who(node)} of a constant")
        shapes = [known.shape(part) for part in parts]
        branches = [self.between(above, part) for part in parts]
        if is_sum:
            if node.kwargs or len(set(map(tuple, shapes))) != 1 or len(parts) != 2:
                raise NotDescribed(f"{known.who(node)} of shapes {shapes}")
            if [] in branches:
                return at(node, block="residual", blocks=branches[0] or branches[1])
            return at(node, block="parallel", branches=branches, join="sum")
        dim = dim_of(node, 0)
        if dim not in (1, -len(shapes[0])):
            raise NotDescribed(f"{known.who(node)} along dim {dim}, not the first behind the batch")
        return at(node, block="parallel", branches=branches, join="concat")

    def _offset(self, node: fx.Node, added: fx.Node) -> Block:
        """A parameter that is added."""
        shape, wanted = list(self._known.values[added].shape), self._known.shape(node)
        if shape not in (wanted, [1, *wanted]):
            who = self._known.who(node)
            raise NotDescribed(f"{who} of {added.target}, of another shape")
        return at(node, block="offset", name=f"{self._prefix}{added.target}", shape=shape)


__all__ = ["Description", "NotDescribed", "describe", "described", "uncompiled"]
