"""Checking a config before any work starts: every fault at once, each with its JSON path."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from twisterl.config import evaluations
from twisterl.config.algorithm import AlgorithmSection, Learning
from twisterl.config.problems import validated
from twisterl.config.registry import ALGORITHMS, GYMNASIUM, REGISTRY, Run, registered
from twisterl.config.run import Part, RunConfig
from twisterl.faults import ConfigError, Fault, nearest, shown, unknown

_logger = logging.getLogger("twisterl")


def check_run(raw: Any, source: str = "config") -> RunConfig:
    """The run config `raw` as models, with every default; `raw` is left as it is.

    Sections of a class that is not of this package stay as given: only that class knows its keys.

    Raises `ConfigError` with every fault.
    """
    if not isinstance(raw, Mapping):
        problem = f"got {shown(raw)}; expected a JSON object"
        raise ConfigError([Fault("", problem, TypeError(problem))], source)
    raw = plain(raw)
    faults: list[Fault] = []
    known = list(Run.model_fields)
    for key in [key for key in raw if key not in known and key != "$schema"]:
        match = nearest(key, known, cutoff=0.75)
        if match is not None:
            faults.append(Fault(key, f"unknown key; did you mean {match}?"))
        else:
            _logger.warning("%s: %s is not read; the keys are %s", source, key, ", ".join(known))
    validated(Run, raw, "", faults)
    parts = {kind: _part(kind, raw, faults) for kind in REGISTRY}
    if faults:
        raise ConfigError(faults, source)
    return RunConfig(raw, parts["env_cls"], parts["policy_cls"], parts["algorithm_cls"])


def check_env(path: str, arguments: dict[str, Any], source: str = "config") -> Part:
    """The environment of that class alone; `ConfigError` with every fault."""
    return _checked_part("env_cls", path, arguments, source)


def check_policy(path: str, arguments: dict[str, Any], source: str = "config") -> Part:
    """The policy of that class alone; `ConfigError` with every fault."""
    return _checked_part("policy_cls", path, arguments, source)


def _checked_part(kind: str, path: str, arguments: dict[str, Any], source: str) -> Part:
    faults: list[Fault] = []
    part = _part(kind, {kind: path, kind.removesuffix("_cls"): arguments}, faults)
    if faults:
        raise ConfigError(faults, source)
    return part


def check_algorithm(
    name: str, raw: Any, *, keep_unknown: bool = False, source: str = "config"
) -> AlgorithmSection:
    """The `algorithm` section `raw` of algorithm `name` ("PPO", "AZ") as its model.

    With `keep_unknown`, keys that the models do not know are kept instead of refused; they belong
    to an algorithm that is not of this package. `device` stays None if it is not given.

    Raises `ConfigError` with every fault.
    """
    if name not in ALGORITHMS:
        problem = f"{name}: {unknown(name, list(ALGORITHMS))}"
        raise ConfigError([Fault("", problem, KeyError(name))], source)
    if not isinstance(raw, Mapping):
        problem = f"got {shown(raw)}; expected an object"
        raise ConfigError([Fault("", problem, TypeError(problem))], source)
    faults: list[Fault] = []
    section = _algorithm(ALGORITHMS[name], plain(raw), "algorithm", faults, keep_unknown)
    if section is None or faults:
        raise ConfigError(faults, source)
    return section


def check_section(model: type[BaseModel], given: dict[str, Any], prefix: str, source: str) -> Any:
    """`given` as a `model`; `ConfigError` if a value is not what it takes under that key."""
    faults: list[Fault] = []
    section = validated(model, given, "", faults)
    if faults:
        raise ConfigError([Fault(f"{prefix}{f.path}", f.problem) for f in faults], source)
    return section


def plain(value: Any) -> Any:
    """A copy of nested dicts and lists, with numpy scalars as Python numbers."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value) if type(value) in (list, tuple) else value
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def _part(kind: str, raw: dict[str, Any], faults: list[Fault]) -> Part:
    """The class that `raw` names as a `kind`, and its section; of use if there are no `faults`."""
    section = kind.removesuffix("_cls")
    path, given = raw.get(kind), raw.get(section, {})
    if not isinstance(path, str) or not isinstance(given, dict):
        return Part("", None, {})
    name = registered(kind, path)
    if name is None:
        is_gymnasium = kind == "env_cls" and path.startswith(GYMNASIUM)
        if "." not in path and not is_gymnasium:
            faults.append(Fault(kind, unknown(path, list(REGISTRY[kind]), "class")))
        return Part(path, None, given)
    model = REGISTRY[kind][name][1]
    if issubclass(model, AlgorithmSection):
        return Part(path, name, _algorithm(model, given, section, faults) or {})
    return Part(path, name, validated(model, given, section, faults) or {})


def _algorithm(
    model: type[AlgorithmSection],
    given: dict[str, Any],
    path: str,
    faults: list[Fault],
    keep_unknown: bool = False,
) -> AlgorithmSection | None:
    given = evaluations.completed(given, model.default_evals)
    metric = Learning().diff_metric or ""
    faults += evaluations.missing_metric(given, metric, path)
    section: AlgorithmSection | None = validated(model, given, path, faults, keep_unknown)
    if section is None:
        return None
    if keep_unknown:
        section.keep(given)
    section.agree()
    faults += section.faults(path)
    return section
