"""The run config of an algorithm that was built in Python, and how two run configs differ."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from twisterl.config.constructed import constructed, dotted_path
from twisterl.config.json import parse_json, read_json, to_json
from twisterl.config.models import REGISTRY, Run, registered
from twisterl.config.trust import remember_made
from twisterl.config.validation import resolve_run
from twisterl.faults import ConfigError, shown
from twisterl.nn.torch_policy import TorchPolicy, sizes_of
from twisterl.runs.folder import BASE_CONFIG, FULL_CONFIG, RunFolder

_logger = logging.getLogger("twisterl")
# What obs_shape, num_actions, obs_perms and act_perms are to a policy, and self.
_GIVEN_TO_POLICIES = 4


def describe(algorithm: Any) -> tuple[dict[str, Any], list[str]]:
    """The run config that makes `algorithm` again, and why what is missing in it is not known.

    Found once, so that its difficulty is the one that the run begins with.
    """
    if algorithm.described is None:
        algorithm.described = _described(algorithm)
    return algorithm.described


def _described(algorithm: Any) -> tuple[dict[str, Any], list[str]]:
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
    if not problems:
        try:
            _resolved(config)
        except ConfigError as error:
            problems = [str(fault) for fault in error.faults]
    return config, problems


def write(algorithm: Any, folder: RunFolder) -> None:
    """Leaves the configs in the run folder, for `eval`, `solve`, `play` and `--resume`.

    From now on the run is the user's own, whatever classes it is made of. Where the algorithm
    cannot be described, a warning says why.
    """
    config, problems = describe(algorithm)
    if problems:
        missing = f"{folder.path}: without {BASE_CONFIG}, which eval, solve and play need"
        _logger.warning("%s: %s", missing, "; ".join(problems))
    else:
        if not _same(folder, config):
            folder.write_json(BASE_CONFIG, config)
        parts = (algorithm.env, algorithm.policy, algorithm)
        remember_made(read_json(folder.path / BASE_CONFIG), map(_own_class, parts))
    folder.write_json(FULL_CONFIG, algorithm.config)


def whole(algorithm: Any) -> dict[str, Any]:
    """All that is known of the run config, with every default; `algorithm` as it is used."""
    config, problems = describe(algorithm)
    known = config if problems else _resolved(config)
    return parse_json(to_json({**known, "algorithm": algorithm.config}))


def before(folder: RunFolder, state: dict[str, Any]) -> dict[str, Any]:
    """The config that the commit with this `state` was made with; older ones say it in files."""
    if "config" in state:
        return state["config"]
    try:
        config = _resolved(read_json(folder.path / BASE_CONFIG))
        section = read_json(folder.path / FULL_CONFIG)
        return parse_json(to_json(_resolved({**config, "algorithm": section})))
    except ConfigError:
        return {}


def _resolved(config: Any) -> dict[str, Any]:
    """`config` with its defaults and without what is not read; `ConfigError` if it has faults."""
    if isinstance(config, dict):
        config = {key: config[key] for key in Run.model_fields if key in config}
    resolved = resolve_run(config)
    for kind in REGISTRY:
        name = registered(kind, resolved[kind])
        resolved[kind] = name or resolved[kind]
    return resolved


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
    """The class of `part`; of an environment in Python that of the user's object."""
    return type(getattr(part, "python_env", part))


def _class_of(kind: str, target: Any) -> str:
    """The dotted path of the class of `target`; our own are where the documents say."""
    cls = type(target)
    is_ours = cls.__module__.partition(".")[0] == "twisterl" and cls.__name__ in REGISTRY[kind]
    return REGISTRY[kind][cls.__name__][0] if is_ours else dotted_path(cls)


def _policy(algorithm: Any) -> tuple[str, dict[str, Any]]:
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
        sizes = {key: value for key, value in arguments.items() if key != "twists"}
        with torch.device("meta"):
            again = type(policy)(env.obs_shape(), env.num_actions(), **sizes)
        if _shapes(again) != _shapes(policy):
            raise ValueError("its layers are not those that it was made with")
    return arguments


def _shapes(policy: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in policy.state_dict().items()}


def _section(algorithm: Any) -> dict[str, Any]:
    # The machine that plays may have other devices.
    return {**algorithm.config, "device": None}


def _same(folder: RunFolder, config: dict[str, Any]) -> bool:
    """Whether the folder's config says the same already, in whatever words."""
    try:
        return _resolved(read_json(folder.path / BASE_CONFIG)) == _resolved(config)
    except ConfigError:
        return False
