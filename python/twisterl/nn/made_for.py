"""Modules made for an environment, of the arguments that a config has for them."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from twisterl.envs.protocol import act_space, num_outputs, obs_dtype
from twisterl.nn.policy_core import actor_critic_of
from twisterl.nn.recurrent import RecurrentPolicy
from twisterl.nn.spaces import EnvSpec, action_space_from, observation_space_from

_SIZES = ("obs_shape", "num_actions", "obs_dtype", "observation_space", "action_space", "spec")


def sizes_of(module_cls: type) -> list[str]:
    """What the constructor of a module asks of its environment, in the constructor's order."""
    return [name for name in inspect.signature(module_cls).parameters if name in _SIZES]


def made_for(
    module_cls: type, env: Any, arguments: dict[str, Any]
) -> tuple[torch.nn.Module, list[int], int, Any]:
    """What `TorchPolicy` takes: the module for `env`, and the environment's sizes.

    See `TorchPolicy.of`.
    """
    sizes = env.obs_shape(), num_outputs(act_space(env)), obs_dtype(env)
    seen: Any = observation_space_from(env.obs_shape(), obs_dtype(env))
    acts: Any = action_space_from(act_space(env))
    if issubclass(module_cls, RecurrentPolicy):
        return actor_critic_of(module_cls, EnvSpec(seen, acts), arguments), *sizes
    # torch would take the names, and refuse them in its own words and with its traceback.
    if arguments and inspect.signature(module_cls) == inspect.signature(torch.nn.Module):
        got = ", ".join(arguments)
        raise TypeError(f"policy: {module_cls.__name__} takes no arguments, got {got}")
    if hasattr(module_cls, "spaces_of_one"):
        seen, acts = module_cls.spaces_of_one(seen, acts, arguments.get("num_agents"))
    known = dict(zip(_SIZES, [*sizes, seen, acts, EnvSpec(seen, acts)], strict=True))
    asked = {name: known[name] for name in sizes_of(module_cls)}
    made: Any = module_cls
    return made(**{**asked, **arguments}), *sizes
