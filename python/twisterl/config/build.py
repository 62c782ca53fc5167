"""From a checked config to an environment and a policy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from twisterl import memory
from twisterl.config.models import REGISTRY, registered
from twisterl.config.resolve import import_class
from twisterl.config.validation import resolve_run
from twisterl.envs.protocol import obs_dtype
from twisterl.faults import ConfigError, Fault

if TYPE_CHECKING:
    import torch

# What a collected step holds besides its active features, and for each action of those.
_STEP_BYTES = 64
_ACTION_BYTES = 5


def import_config_classes(
    resolved: dict[str, Any], kinds: Sequence[str] = tuple(REGISTRY), *, trust: bool
) -> dict[str, type]:
    """The classes of a config by kind, with "env.pyenv_cls" where there is one.

    Raises `ConfigError` with every fault; `trust` as in `import_class`.
    """
    paths = {kind: resolved[kind] for kind in kinds}
    if registered("env_cls", resolved["env_cls"]) == "PyEnv":
        paths["env.pyenv_cls"] = resolved["env"]["pyenv_cls"]
    classes, faults = {}, []
    for kind, path in paths.items():
        try:
            classes[kind] = import_class(kind, path, trust=trust)
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    return classes


def make_env(classes: dict[str, type], resolved: dict[str, Any]) -> Any:
    """The environment of `resolved`; `ConfigError` if its constructor does not take `env`."""
    arguments = dict(resolved["env"])
    if "env.pyenv_cls" in classes:
        arguments["pyenv_cls"] = classes["env.pyenv_cls"]
    env_cls = classes["env_cls"]
    with _arguments_of("env"):
        return env_cls(**arguments)


def load_env(resolved: dict[str, Any], *, trust: bool) -> Any:
    """The environment of `resolved`; `ConfigError` with every fault."""
    return make_env(import_config_classes(resolved, ["env_cls"], trust=trust), resolved)


@contextmanager
def _arguments_of(section: str) -> Iterator[None]:
    """Reports arguments that a constructor refuses as faults of the config's `section`.

    What goes wrong deeper inside a class of another package keeps its traceback.
    """
    try:
        yield
    except ConfigError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = last.tb_frame.f_globals.get("__name__", "") if last is not None else ""
        if where.partition(".")[0] != "twisterl":
            raise
        problem = str(error).removeprefix(f"{section}: ")
        raise ConfigError([Fault(section, problem, error)]) from error


def make_policy(
    policy_cls: type,
    env: Any,
    resolved: dict[str, Any],
    weights: dict[str, torch.Tensor] | None = None,
    source: str | os.PathLike[str] | None = None,
) -> Any:
    """The policy of `resolved` for `env`, seeded by its algorithm, or with `weights` from `source`.

    Raises `ConfigError` for a policy that does not fit into memory, `CheckpointError` for weights
    that do not fit the policy.
    """
    _require_memory(env, resolved)
    _require_rollout_memory(env, resolved)
    import torch

    torch.manual_seed(resolved["algorithm"].get("seed") or 0)
    with _arguments_of("policy"):
        if hasattr(policy_cls, "to_rust"):
            policy = _described_policy(policy_cls, env, resolved)
        else:
            from twisterl.nn.torch_policy import TorchPolicy

            policy = TorchPolicy.of(policy_cls, env, resolved["policy"])
    if weights is not None:
        from twisterl.runs.tensors import require_match

        require_match(weights, policy.state_dict(), os.fspath(source or "checkpoint"))
        policy.load_state_dict(weights)
    return policy


def _described_policy(policy_cls: type, env: Any, resolved: dict[str, Any]) -> Any:
    arguments = dict(resolved["policy"])
    obs_perms, act_perms = env.twists()
    if registered("policy_cls", resolved["policy_cls"]) and not arguments.pop("twists"):
        obs_perms, act_perms = [], []
    if obs_dtype(env) != "sparse":
        # Policies of one's own need not know of it.
        arguments["obs_dtype"] = obs_dtype(env)
    shape, num_actions = env.obs_shape(), env.num_actions()
    return policy_cls(shape, num_actions, **arguments, obs_perms=obs_perms, act_perms=act_perms)


def load_player(
    config: dict[str, Any], checkpoint: str | os.PathLike[str], *, trust: bool
) -> tuple[Any, Any, dict[str, Any]]:
    """Environment, policy and resolved config of a trained model, without its algorithm.

    Raises `ConfigError` or `CheckpointError`; `trust` as in `import_class`.
    """
    from twisterl.runs import tensors

    resolved = resolve_run(config)
    classes = import_config_classes(resolved, ("env_cls", "policy_cls"), trust=trust)
    weights, _ = tensors.read(checkpoint)
    env = make_env(classes, resolved)
    return env, make_policy(classes["policy_cls"], env, resolved, weights, checkpoint), resolved


def _require_memory(env: Any, resolved: dict[str, Any]) -> None:
    sizes = resolved["policy"]
    widths = [sizes.get("embedding_size"), *(sizes.get("common_layers") or [])]
    available = memory.physical_bytes()
    if available is None or not all(isinstance(width, int) for width in widths):
        return
    num_features = 1
    for side in env.obs_shape():
        num_features *= int(side)
    parameters = num_features * widths[0] + sum(
        previous * width for previous, width in pairwise(widths)
    )
    for key, outputs in (("policy_layers", env.num_actions()), ("value_layers", 1)):
        head = [widths[-1], *(sizes.get(key) or []), outputs]
        parameters += sum(a * b for a, b in pairwise(head))
    needed = memory.training_bytes(parameters)
    if needed > available:
        problem = memory.beyond(env.obs_shape(), widths[0])
        if problem is not None:
            name = type(getattr(env, "python_env", env)).__name__
            raise ConfigError([Fault("env", f"obs_shape() of {name}: {problem}")])
        what = f"{parameters:,} parameters in training"
        raise _beyond_memory("policy", what, needed, available, "smaller layers")


def _require_rollout_memory(env: Any, resolved: dict[str, Any]) -> None:
    """Refuses a first collection that cannot fit, where the length of episodes is known."""
    num_episodes = (resolved["algorithm"].get("collecting") or {}).get("num_episodes")
    available = memory.physical_bytes()
    if registered("env_cls", resolved["env_cls"]) in (None, "PyEnv"):
        return
    if not num_episodes or not available:
        return
    arguments = resolved["env"]
    longest = arguments["depth_slope"] * arguments["difficulty"]
    probe = env.copy()
    probe.reset(seed=0)
    step_bytes = len(probe.observe()) * memory.FLOAT_BYTES + _STEP_BYTES
    step_bytes += env.num_actions() * _ACTION_BYTES
    needed = num_episodes * longest * step_bytes
    if needed > available:
        what = f"{num_episodes:,} episodes of up to {longest:,} steps"
        path = "algorithm.collecting.num_episodes"
        raise _beyond_memory(path, what, needed, available, "fewer or shorter ones")


def _beyond_memory(path: str, what: str, needed: int, available: int, expected: str) -> ConfigError:
    problem = f"{what} {memory.lack(needed, available)}; expected {expected}"
    return ConfigError([Fault(path, problem)])
