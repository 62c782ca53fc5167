"""Whether what a config asks for fits into the memory of this machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from twisterl import memory
from twisterl.config.run import Part, RunConfig
from twisterl.envs.protocol import act_space, num_outputs
from twisterl.faults import ConfigError, Fault

# What a collected step holds besides its active features, and for each action of those.
_STEP_BYTES = 64
_ACTION_BYTES = 5


def require_policy_fits(tell: Any, env: Any, part: Part) -> None:
    """Refuses a policy that is too large to be trained, where its `layer_sizes` tell."""
    available = memory.physical_bytes()
    if tell is None or available is None:
        return
    sizes = tell(env.obs_shape(), num_outputs(act_space(env)), part.as_dict())
    parameters = sum(inputs * outputs for inputs, outputs in sizes)
    needed = memory.training_bytes(parameters)
    if needed <= available:
        return
    problem = memory.beyond(env.obs_shape(), sizes[0][1])
    if problem is not None:
        name = type(getattr(env, "python_env", env)).__name__
        raise ConfigError([Fault("env", f"obs_shape() of {name}: {problem}")])
    what = f"{parameters:,} parameters in training"
    raise _beyond_memory("policy", what, needed, available, "smaller layers")


def require_rollout_fits(env: Any, run: RunConfig) -> None:
    """Refuses a first collection that cannot fit, where the length of episodes is known."""
    num_episodes = run.algorithm.get("collecting", "num_episodes")
    available = memory.physical_bytes()
    if run.env.name in (None, "PyEnv"):
        return
    if not num_episodes or not available:
        return
    longest = run.env.get("max_episode_steps")
    if longest is None:
        longest = run.env.get("depth_slope") * run.env.get("difficulty")
    probe = env.copy()
    probe.reset(seed=0)
    step_bytes = np.size(probe.observe()) * memory.FLOAT_BYTES + _STEP_BYTES
    step_bytes += num_outputs(act_space(env)) * _ACTION_BYTES
    needed = num_episodes * longest * step_bytes
    if needed > available:
        what = f"{num_episodes:,} episodes of up to {longest:,} steps"
        path = "algorithm.collecting.num_episodes"
        raise _beyond_memory(path, what, needed, available, "fewer or shorter ones")


def _beyond_memory(path: str, what: str, needed: int, available: int, expected: str) -> ConfigError:
    problem = f"{what} {memory.lack(needed, available)}; expected {expected}"
    return ConfigError([Fault(path, problem)])
