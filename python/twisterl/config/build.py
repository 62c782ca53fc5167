"""From a checked config to an environment, a policy and an algorithm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisterl.config import fitting
from twisterl.config.resolve import PYENV, import_classes
from twisterl.config.run import Part, RunConfig
from twisterl.faults import ConfigError, Fault

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]


def build_algorithm(
    run: RunConfig,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    trust: bool,
    run_path: str | os.PathLike[str] | None = None,
) -> Any:
    """The algorithm of `run`, with its environment and policy.

    It starts from the weights of `checkpoint`, else from those of its seed. `trust` as in
    `import_class`.

    Raises `ConfigError` or `CheckpointError` before anything is written.
    """
    parts = {"env_cls": run.env, "policy_cls": run.policy, "algorithm_cls": run.algorithm}
    classes = import_classes(parts, trust=trust)
    from twisterl.runs import checkpoints
    from twisterl.runs.run_config import Described

    weights = None if checkpoint is None else checkpoints.load(checkpoint)
    env = make_env(run.env, classes)
    policy = make_policy(run, classes["policy_cls"], env, weights, checkpoint)
    section, device = run.algorithm, run.policy.get("device")
    if device is not None and section.get("device") is None:
        section = section.updated(device=device)
    # A class of another package fills in its own defaults.
    algorithm: Any = classes["algorithm_cls"](env, policy, section.arguments, run_path)
    algorithm.described = Described(run.given, run)
    if checkpoint is not None:
        algorithm.started_from = os.fspath(checkpoint)
    elif hasattr(algorithm, "draw_weights"):
        algorithm.draw_weights()
    return algorithm


def build_player(
    run: RunConfig, checkpoint: str | os.PathLike[str], *, trust: bool
) -> tuple[Any, Any]:
    """Environment and policy of a trained model, without its algorithm.

    Raises `ConfigError` or `CheckpointError`; `trust` as in `import_class`.
    """
    from twisterl.runs import tensors

    classes = import_classes({"env_cls": run.env, "policy_cls": run.policy}, trust=trust)
    weights, _ = tensors.read(checkpoint)
    env = make_env(run.env, classes)
    return env, make_policy(run, classes["policy_cls"], env, weights, checkpoint)


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
    """The policy of `run` for `env`, seeded by its algorithm, or with `weights` from `source`.

    Raises `ConfigError` for a policy that does not fit into memory, `CheckpointError` for weights
    that do not fit the policy.
    """
    fitting.require_policy_fits(policy_cls, env, run.policy)
    fitting.require_rollout_fits(env, run)
    import torch

    torch.manual_seed(run.algorithm.get("seed") or 0)
    with _arguments_of("policy"):
        if hasattr(policy_cls, "to_rust"):
            policy = _described_policy(policy_cls, env, run.policy)
        else:
            from twisterl.nn.torch_policy import TorchPolicy

            policy = TorchPolicy.of(policy_cls, env, run.policy.as_dict())
    if weights is not None:
        from twisterl.runs.tensors import require_match

        require_match(weights, policy.state_dict(), os.fspath(source or "checkpoint"))
        policy.load_state_dict(weights)
    return policy


def _described_policy(policy_cls: type, env: Any, part: Part) -> Any:
    from twisterl.envs.protocol import act_space, num_outputs, obs_dtype

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
    shape, num_actions = env.obs_shape(), num_outputs(space)
    return policy_cls(shape, num_actions, **arguments, obs_perms=obs_perms, act_perms=act_perms)


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
