"""The run config of an algorithm that was built in Python, and how two run configs differ."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisterl.config.constructed import constructed, dotted_path
from twisterl.config.json import parse_json, read_json, to_json
from twisterl.config.registry import REGISTRY, Run, registered
from twisterl.config.run import RunConfig
from twisterl.config.trust import remember_made
from twisterl.config.validation import check_run
from twisterl.envs.protocol import act_space
from twisterl.faults import ConfigError, shown
from twisterl.on_demand import torch
from twisterl.runs import module_digest
from twisterl.runs.folder import BASE_CONFIG, FULL_CONFIG, RunFolder

_logger = logging.getLogger("twisterl")
# What obs_shape, num_actions, obs_perms and act_perms are to a policy, and self.
_GIVEN_TO_POLICIES = 4


@dataclass(frozen=True)
class Described:
    """What is known of the run config that makes an algorithm again.

    Attributes:
        given: the JSON, in which what is not known is missing.
        run: the same, checked; None where something is missing or wrong.
        problems: why.
    """

    given: dict[str, Any]
    run: RunConfig | None
    problems: tuple[str, ...] = ()


def describe(algorithm: Any) -> Described:
    """The run config of `algorithm`, found once: its difficulty is that which the run begins with.

    An algorithm that was built from a config has it already.
    """
    if algorithm.described is None:
        algorithm.described = _described(algorithm)
    return algorithm.described


def _described(algorithm: Any) -> Described:
    config: dict[str, Any] = {}
    problems = []
    parts: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
        "env": lambda: (_class_of("env_cls", algorithm.env), constructed(algorithm.env)),
        "policy": lambda: _policy(algorithm),
        "algorithm": lambda: (_class_of("algorithm_cls", algorithm), _section(algorithm)),
    }
    for part, made in parts.items():
        try:
            config[f"{part}_cls"], config[part] = made()
        except ValueError as error:
            problems.append(f"{part}: {error}")
    if problems:
        return Described(config, None, tuple(problems))
    try:
        return Described(config, check_run(config))
    except ConfigError as error:
        return Described(config, None, tuple(map(str, error.faults)))


def write(algorithm: Any, folder: RunFolder) -> None:
    """Leaves the configs in the run folder, for `eval`, `solve`, `play` and `--resume`.

    From now on the run is the user's own, whatever classes it is made of. Where the algorithm
    cannot be described, a warning says why.
    """
    described = describe(algorithm)
    if described.run is None:
        missing = f"{folder.path}: without {BASE_CONFIG}, which eval, solve and play need"
        _logger.warning("%s: %s", missing, "; ".join(described.problems))
    else:
        if not _says(folder, described.run):
            folder.write_json(BASE_CONFIG, described.given)
        parts = (algorithm.env, algorithm.held.policy, algorithm)
        remember_made(read_json(folder.path / BASE_CONFIG), map(_own_class, parts))
    folder.write_json(FULL_CONFIG, algorithm.config)
    module_digest.keep(algorithm.env, folder)


def whole(algorithm: Any) -> dict[str, Any]:
    """All that is known of the run config, with every default; `algorithm` as it is used."""
    described = describe(algorithm)
    known = described.given if described.run is None else described.run.as_dict()
    return parse_json(to_json({**known, "algorithm": algorithm.config}))


def before(folder: RunFolder, state: dict[str, Any]) -> dict[str, Any]:
    """The config that the commit with this `state` was made with; older ones say it in files."""
    if "config" in state:
        return state["config"]
    try:
        config, section = (read_json(folder.path / name) for name in (BASE_CONFIG, FULL_CONFIG))
        return parse_json(to_json(_checked(config, algorithm=section).as_dict()))
    except ConfigError:
        return {}


def _says(folder: RunFolder, run: RunConfig) -> bool:
    """Whether the folder's config is that of `run` already, in whatever words."""
    try:
        there = read_json(folder.path / BASE_CONFIG)
        return there == run.given or _checked(there).as_dict() == run.as_dict()
    except ConfigError:
        return False


def _checked(config: Any, **sections: Any) -> RunConfig:
    """`config` with other `sections`; what is not read was told when its run began."""
    if isinstance(config, dict):
        config = {key: config[key] for key in Run.model_fields if key in config} | sections
    return check_run(config)


def differences(one: Any, other: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """The dotted paths where two configs differ, with both values; sections that one lacks apart.

    >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": {}})
    {'a.c': (2, 3)}
    """
    if not isinstance(one, dict) or not isinstance(other, dict):
        return {} if one == other else {path: (one, other)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in [*one, *(key for key in other if key not in one)]:
        here = f"{path}.{key}" if path else key
        if path or (key in one and key in other):
            found |= differences(one.get(key), other.get(key), here)
    return found


def told(changes: dict[str, tuple[Any, Any]]) -> str:
    """One line for each difference."""
    return "".join(f"\n  {path}: {shown(a)} -> {shown(b)}" for path, (a, b) in changes.items())


def _own_class(part: Any) -> type:
    """The class of `part`; of an environment in Python or of Gymnasium that of the user's own."""
    if not hasattr(part, "python_env"):
        return type(part)
    from twisterl.envs.gymnasium_env import GymnasiumEnv

    is_made = isinstance(part, GymnasiumEnv)
    return part.python_env.maker.env_class if is_made else type(part.python_env)


def _class_of(kind: str, target: Any) -> str:
    """The dotted path of the class of `target`; our own are where the documents say."""
    cls = type(target)
    is_ours = cls.__module__.partition(".")[0] == "twisterl" and cls.__name__ in REGISTRY[kind]
    return REGISTRY[kind][cls.__name__][0] if is_ours else dotted_path(cls)


def _policy(algorithm: Any) -> tuple[str, dict[str, Any]]:
    from twisterl.nn.made_for import sizes_of
    from twisterl.nn.torch_policy import TorchPolicy

    policy = algorithm.policy
    if not isinstance(policy, TorchPolicy):
        return _class_of("policy_cls", policy), _policy_arguments(algorithm)
    module_cls = type(policy.module)
    given = constructed(policy.module, positional=len(sizes_of(module_cls)))
    return dotted_path(module_cls), given


def _policy_arguments(algorithm: Any) -> dict[str, Any]:
    policy, env = algorithm.policy, algorithm.env
    arguments = constructed(policy, positional=_GIVEN_TO_POLICIES)
    is_ours = registered("policy_cls", _class_of("policy_cls", policy)) is not None
    perms = [list(map(list, getattr(policy, name, []))) for name in ("obs_perms", "act_perms")]
    of_env = [list(map(list, group)) for group in env.twists()]
    if perms != of_env:
        if not is_ours or perms != [[], []]:
            raise ValueError("its twists are not those of the environment")
        arguments["twists"] = False
    if is_ours:
        # That of the environment: the engine refuses another one.
        arguments.pop("obs_dtype", None)
        arguments.pop("act_space", None)
        sizes = {key: value for key, value in arguments.items() if key != "twists"}
        with torch.device("meta"):
            again = type(policy)(
                env.obs_shape(), env.num_actions(), **sizes, act_space=act_space(env)
            )
        if _shapes(again) != _shapes(policy):
            raise ValueError("its layers are not those that it was made with")
    return arguments


def _shapes(policy: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in policy.state_dict().items()}


def _section(algorithm: Any) -> dict[str, Any]:
    # The machine that plays may have other devices.
    return {**algorithm.config, "device": None}
