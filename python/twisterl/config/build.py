"""From a checked config to an environment, a policy and an algorithm."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from twisterl import on_demand
from twisterl.config import fitting
from twisterl.config.resolve import PYENV, import_classes
from twisterl.config.run import Part, RunConfig
from twisterl.config.torch_only import torch_only
from twisterl.config.tried import require_plays, stand_in
from twisterl.defaults import default_device
from twisterl.envs.protocol import act_space, num_outputs, obs_dtype
from twisterl.faults import ConfigError, Fault
from twisterl.nn import file_policy
from twisterl.nn.arrays import DESCRIBED, ArrayPolicy, layer_sizes
from twisterl.on_demand import torch
from twisterl.runs.errors import CheckpointError

_logger = logging.getLogger("twisterl")
# By name: tensors, or arrays.
Weights = dict[str, Any]
# The algorithms whose updates the engine computes.
_BY_ENGINE = ("PPO", "AZ", "RandomWalk", "ES")


def build_algorithm(
    run: RunConfig,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    trust: bool,
    run_path: str | os.PathLike[str] | None = None,
) -> Any:
    """The algorithm of `run`, with its environment and policy.

    It starts from the weights of `checkpoint`, else from those of its seed. `trust` as in
    `import_class`. Where the engine computes all and torch is not imported, weights are arrays.

    Raises `ConfigError` or `CheckpointError` before anything is written.
    """
    need = need_of_torch(run)
    if need is not None:
        _require_torch(*need)
    by_engine = need is None and not on_demand.is_imported()
    parts = {"env_cls": run.env, "algorithm_cls": run.algorithm}
    if not by_engine:
        parts["policy_cls"] = run.policy
    classes = import_classes(parts, trust=trust)
    from twisterl.runs import checkpoints
    from twisterl.runs.run_config import Described

    env = make_env(run.env, classes)
    if run.env.name in (None, "PyEnv"):
        with _arguments_of("env"):
            require_plays(env, by_walks=run.algorithm.name == "RandomWalk")
    weights: Any = None
    if checkpoint is not None:
        weights = (checkpoints.load_arrays if by_engine else checkpoints.load)(checkpoint)
    if by_engine:
        policy = _array_policy(run, env, weights, checkpoint)
    else:
        policy = make_policy(run, classes["policy_cls"], env, weights, checkpoint)
    section, device = run.algorithm, run.policy.get("device")
    if device is not None and section.get("device") is None:
        section = section.updated(device=device)
    # A class of another package fills in its own defaults.
    algorithm: Any = classes["algorithm_cls"](env, policy, section.arguments, run_path)
    algorithm.described = Described(run.given, run)
    if checkpoint is not None:
        algorithm.started_from = os.fspath(checkpoint)
        algorithm.beam_value_weight = checkpoints.beam_value_weight(checkpoint)
    elif hasattr(algorithm, "draw_weights"):
        algorithm.draw_weights()
    if hasattr(env, "__twisterl_env__") and hasattr(algorithm, "plays"):
        with stand_in(env) as played:
            for path, entry in algorithm.plays().items() if played is not None else ():
                with _arguments_of(f"algorithm.{path}"):
                    algorithm.require_plays(entry, played)
    return algorithm


def need_of_torch(run: RunConfig) -> tuple[str, str] | None:
    """The key of a run config that asks for training which only torch knows, and what it is."""
    if run.policy.name not in DESCRIBED:
        return "policy_cls", f"{run.policy.path}, a module of torch,"
    if run.algorithm.name not in _BY_ENGINE:
        return "algorithm_cls", f"{run.algorithm.path}"
    if run.algorithm.get("engine") == "torch":
        return "algorithm.engine", "torch"
    asked = torch_only(run.algorithm.get)
    if asked is not None:
        return f"algorithm.{asked[0]}", str(asked[1])
    device = run.algorithm.get("device") or run.policy.get("device") or default_device()
    return None if device == "cpu" else ("algorithm.device", device)


def _require_torch(path: str, what: str) -> None:
    if not on_demand.is_installed():
        raise ConfigError([Fault(path, on_demand.lacks_torch(what))])


def build_player(
    run: RunConfig, checkpoint: str | os.PathLike[str], *, trust: bool
) -> tuple[Any, Any]:
    """Environment and policy of a trained model, without its algorithm.

    A file that describes its own network is played by that, and it is said where the config's class
    makes another one.

    Raises `ConfigError` or `CheckpointError`; `trust` as in `import_class`.
    """
    from twisterl.runs import tensors

    weights: Any
    if run.policy.name in DESCRIBED:
        classes = import_classes({"env_cls": run.env}, trust=trust)
        weights, notes = tensors.read_arrays(checkpoint)
        env = make_env(run.env, classes)
        policy: Any = _array_policy(run, env, None, None)
    else:
        _require_torch("policy_cls", f"{run.policy.path}, a module of torch,")
        classes = import_classes({"env_cls": run.env, "policy_cls": run.policy}, trust=trust)
        weights, notes = tensors.read(checkpoint)
        env = make_env(run.env, classes)
        policy = make_policy(run, classes["policy_cls"], env)
    source = os.fspath(checkpoint)
    network = file_policy.network_of(notes, source)
    if network is not None and (others := _other_network(policy, network)):
        own = f"plays the network of the file, which is not that of {run.policy.path}"
        _logger.warning("%s: %s: %s", source, own, "; ".join(others))
        arrays = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        is_twisted = notes.get(file_policy.TWISTS) == "environment"
        return env, file_policy.FilePolicy(network, arrays, env, is_twisted=is_twisted)
    _load(policy, weights, checkpoint)
    return env, policy


def _other_network(policy: Any, network: dict[str, Any]) -> list[str]:
    """Where `network` is another one than that of `policy`."""
    try:
        own = policy.net_spec()
    except (AttributeError, TypeError) as error:
        return [f"it is described, and {error}"]
    return file_policy.differences(own, network)


def build_env(part: Part, *, trust: bool) -> Any:
    """The environment of a config; `ConfigError` with every fault."""
    return make_env(part, import_classes({"env_cls": part}, trust=trust))


def make_env(part: Part, classes: dict[str, type]) -> Any:
    """An environment of its class; `ConfigError` if the constructor does not take its section."""
    arguments = part.as_dict()
    if PYENV in classes:
        arguments["pyenv_cls"] = classes[PYENV]
    env_cls = classes["env_cls"]
    with _arguments_of("env"):
        return env_cls(**arguments)


def make_policy(
    run: RunConfig,
    policy_cls: type,
    env: Any,
    weights: Weights | None = None,
    source: str | os.PathLike[str] | None = None,
) -> Any:
    """The policy of `run` for `env` in torch, seeded by its algorithm, or with `weights`.

    Raises `ConfigError` for a policy that does not fit into memory, `CheckpointError` for weights
    that do not fit the policy.
    """
    fitting.require_policy_fits(getattr(policy_cls, "layer_sizes", None), env, run.policy)
    fitting.require_rollout_fits(env, run)
    torch.manual_seed(run.algorithm.get("seed") or 0)
    with _arguments_of("policy"):
        if hasattr(policy_cls, "to_rust"):
            shape, num_actions, arguments = _policy_arguments(env, run.policy)
            _require_sees(policy_cls, obs_dtype(env))
            policy = policy_cls(shape, num_actions, **arguments)
        else:
            from twisterl.nn.torch_policy import TorchPolicy

            policy = TorchPolicy.of(policy_cls, env, run.policy.as_dict())
    _load(policy, weights, source)
    return policy


def _array_policy(
    run: RunConfig, env: Any, weights: Weights | None, source: str | os.PathLike[str] | None
) -> ArrayPolicy:
    """As `make_policy`, as arrays; of a policy of this package."""
    fitting.require_policy_fits(layer_sizes, env, run.policy)
    fitting.require_rollout_fits(env, run)
    seed = run.algorithm.get("seed") or 0
    with _arguments_of("policy"):
        shape, num_actions, given = _policy_arguments(env, run.policy)
        names = ("obs_perms", "act_perms", "obs_dtype", "act_space")
        of_env = {name: given.pop(name) for name in names if name in given}
        policy = ArrayPolicy(str(run.policy.name), shape, num_actions, given, **of_env, seed=seed)
    _load(policy, weights, source)
    return policy


def _load(policy: Any, weights: Weights | None, source: str | os.PathLike[str] | None) -> None:
    if weights is not None:
        from twisterl.runs.tensors import require_match

        _require_same_network(policy, source)
        require_match(weights, policy.state_dict(), os.fspath(source or "checkpoint"))
        policy.load_state_dict(weights)


def _require_same_network(policy: Any, source: str | os.PathLike[str] | None) -> None:
    """Refuses a file that describes another network than that of `policy`."""
    from twisterl.runs import tensors

    if source is None or not os.fspath(source).endswith(".safetensors"):
        return
    network = file_policy.network_of(tensors.notes(source), os.fspath(source))
    others = [] if network is None else _other_network(policy, network)
    if others:
        problem = f"describes another network than the config's policy: {'; '.join(others)}"
        raise CheckpointError(f"{os.fspath(source)}: {problem}")


def _policy_arguments(env: Any, part: Part) -> tuple[list[int], int, dict[str, Any]]:
    """What a policy that is described is made of: shape, outputs and the rest by name."""
    arguments = part.as_dict()
    obs_perms, act_perms = env.twists()
    if part.name is not None and not arguments.pop("twists"):
        obs_perms, act_perms = [], []
    if obs_dtype(env) != "sparse":
        # Policies of one's own need not know of it.
        arguments["obs_dtype"] = obs_dtype(env)
    space = act_space(env)
    if space["type"] != "discrete":
        arguments["act_space"] = space
    perms = {"obs_perms": obs_perms, "act_perms": act_perms}
    return env.obs_shape(), num_outputs(space), {**arguments, **perms}


def _require_sees(policy_cls: type, dtype: str) -> None:
    """Raises `ConfigError` for a policy that takes no observations of `dtype`."""
    taken = inspect.signature(policy_cls).parameters
    has_more = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
    if dtype != "sparse" and "obs_dtype" not in taken and not has_more:
        problem = f"{policy_cls.__name__} sees features; got an environment of {dtype} observations"
        raise ConfigError([Fault("policy_cls", problem)])


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
