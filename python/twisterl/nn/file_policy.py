"""Policies as a file of `twisterl export` describes them, whatever class a config names.

>>> network = {"encoder": [{"block": "flatten"}], "action": [], "value": []}
>>> other = {**network, "encoder": [{"block": "flatten"}, {"block": "relu"}]}
>>> differences(network, other)
['encoder.1: got relu, expected nothing']
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from twisterl import twisterl
from twisterl.envs.protocol import act_space, num_outputs, obs_dtype
from twisterl.runs import header
from twisterl.runs.errors import CheckpointError

# Metadata of ours: the description of the network whose tensors a file holds.
NETWORK = "twisterl.network"
# Metadata of ours: whether the network sees the symmetries of its environment.
TWISTS = "twisterl.twists"
# Of a network that is another one altogether.
_MOST_TOLD = 3


class FilePolicy:
    """What plays by the description and the float32 tensors of a file; it does not learn.

    Args:
        spec: the description, as `twisterl.nn.describe` gives it.
        weights: float32 arrays by name.
        env: what it plays, with its obs_shape, its actions and its symmetries.
        is_twisted: whether it sees these.
    """

    def __init__(
        self, spec: Mapping[str, Any], weights: Mapping[str, Any], env: Any, *, is_twisted: bool
    ) -> None:
        self._spec, self.weights = dict(spec), dict(weights)
        self.obs_perms, self.act_perms = env.twists() if is_twisted else ([], [])
        self.obs_shape, self.obs_dtype = list(env.obs_shape()), obs_dtype(env)
        self.obs_size, self.num_actions = math.prod(self.obs_shape), num_outputs(act_space(env))

    @property
    def state_size(self) -> int:
        """Numbers that it remembers of an episode."""
        return self.to_rust().state_size

    def net_spec(self) -> dict[str, Any]:
        """The description."""
        return self._spec

    def engine_parts(self) -> tuple[str, dict[str, Any], Any, Any]:
        """What the engine makes its policy of: description, arrays by name, and permutations."""
        return json.dumps(self._spec), dict(self.weights), self.obs_perms, self.act_perms

    def to_rust(self) -> twisterl.nn.Policy:
        """The engine's policy. ValueError for a description that is none, or other tensors."""
        return twisterl.nn.Policy.from_spec(*self.engine_parts())


def network_of(notes: Mapping[str, str], source: str) -> dict[str, Any] | None:
    """The description in the metadata `notes` of a file, if there is one."""
    if NETWORK not in notes:
        return None
    try:
        network = header.parsed(notes[NETWORK])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source}: metadata {NETWORK} is no JSON: {error}") from None
    if not isinstance(network, dict):
        raise CheckpointError(f"{source}: metadata {NETWORK}: expected an object")
    return network


def differences(ours: Any, theirs: Any) -> list[str]:
    """Where the description `theirs` is another one than `ours`, by the places of blocks."""
    found = list(_differences(json.loads(json.dumps(ours)), theirs, ""))
    more = len(found) - _MOST_TOLD
    return [*found[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]


def _differences(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if ours == theirs:
        return
    pair = [_members(each) for each in (ours, theirs)]
    kinds = [each.get("block") if isinstance(each, dict) else None for each in (ours, theirs)]
    if None in pair or kinds[0] != kinds[1]:
        yield f"{path}: got {_shown(theirs)}, expected {_shown(ours)}"
        return
    for key in dict.fromkeys(key for each in pair for key in each or ()):
        own, other = ((each or {}).get(key) for each in pair)
        yield from _differences(own, other, f"{path}.{key}" if path else key)


def _members(value: Any) -> dict[str, Any] | None:
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    return value if isinstance(value, dict) else None


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict) and "block" in value:
        return str(value["block"])
    return json.dumps(value)
