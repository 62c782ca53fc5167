"""A policy and its environment in one safetensors file, read by the Rust crate alone.

The tensors have the names of the state dict. The metadata says what they are for:

`twisterl.environment`  {"env_cls": name, "env": {parameters}}, as in a config
`twisterl.network`      the network as data, `twisterl.nn.spec`
`twisterl.twists`       "environment" if it is seen through the environment's symmetries, or "none"
`twisterl.actions`      the names of the actions, for people
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.cli.player import action_names
from twisterl.config.run import Part
from twisterl.envs import listed
from twisterl.faults import ConfigError, Fault
from twisterl.nn.file_policy import NETWORK, TWISTS
from twisterl.runs import tensors


def require_native(part: Part) -> str:
    """The name of an environment of the package; `ConfigError` for one from elsewhere."""
    if part.name not in listed.__all__:
        problem = (
            f"{part.name or part.path} is not written in Rust inside twisterl, and runs only where "
            f"its own code does; expected one of {', '.join(listed.__all__)}"
        )
        raise ConfigError([Fault("env_cls", problem)], "run")
    return str(part.name)


def described(policy: Any) -> dict[str, Any]:
    """As `network_of`; `ConfigError` also if it remembers."""
    if getattr(policy, "state_size", 0):
        problem = "remembers what it has seen; expected a policy without memory"
        raise ConfigError([Fault("policy_cls", problem)], "run")
    return network_of(policy)


def network_of(policy: Any) -> dict[str, Any]:
    """The network of `policy` as data; `ConfigError` if only Python can compute it."""
    try:
        policy.to_rust()
        return policy.net_spec()
    except (AttributeError, TypeError) as error:
        problem = (
            f"{type(policy).__name__} computes something that the engine cannot play by itself "
            f"({error}); expected a policy whose net_spec() describes it, such as BasicPolicy"
        )
        raise ConfigError([Fault("policy_cls", problem)], "run") from error


def encode(part: Part, env: Any, policy: Any, weights: Mapping[str, Any] | None = None) -> bytes:
    """The file for `policy`, of which `weights` may replace the parameters.

    Raises `ConfigError` for an environment or a policy that needs Python.
    """
    name, spec = require_native(part), described(policy)
    own = (list(map(list, policy.obs_perms)), list(map(list, policy.act_perms)))
    theirs = tuple(list(map(list, perms)) for perms in env.twists())
    if own not in (theirs, ([], [])):
        problem = "has symmetries of its own; expected those of its environment, or none"
        raise ConfigError([Fault("policy", problem)], "run")
    notes = {
        "twisterl.environment": json.dumps({"env_cls": name, "env": part.as_dict()}),
        NETWORK: json.dumps(spec),
        TWISTS: "environment" if own[0] else "none",
        "twisterl.actions": json.dumps(action_names(env)),
    }
    return tensors.encode(arrays_of(policy) if weights is None else weights, notes)


def arrays_of(policy: Any) -> dict[str, npt.NDArray[np.float32]]:
    """The float32 arrays that `net_spec()` names, by name."""
    if hasattr(policy, "engine_parts"):
        return dict(policy.engine_parts()[1])
    from twisterl.nn.spec import engine_tensors

    return engine_tensors(policy, policy.net_spec())
