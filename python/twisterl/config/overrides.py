"""Config keys given on the command line: `key.path=value` and `--key.path value`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisterl.config.json import parse_json
from twisterl.config.paths import nearest_path
from twisterl.config.registry import Run
from twisterl.faults import ConfigError, Fault, nearest, shown

_SOURCE = "command line"
_ALIASES = {"algorithm.training.lr": "algorithm.optimizer.lr"}


def parse_overrides(tokens: Sequence[str], options: Sequence[str] = ()) -> list[tuple[str, Any]]:
    """The (dotted key, value) pairs in what is left of a command line.

    A value is read as JSON where it is JSON, else as text. `options` are the names of the command
    itself, to guess at what a misspelt one means.

    Raises `ConfigError` with every fault.

    >>> parse_overrides(["algorithm.optimizer.lr=1e-3", "--env.width", "4"])
    [('algorithm.optimizer.lr', 0.001), ('env.width', 4)]
    """
    pairs, faults = [], []
    waiting = list(reversed(tokens))
    while waiting:
        token = waiting.pop()
        key, equals, text = token.removeprefix("--").partition("=")
        if token.startswith("--") and "." not in key:
            match = nearest(f"--{key}", options)
            hint = f"; did you mean {match}?" if match else "; --help lists the options"
            faults.append(Fault("", f"unknown option --{key}{hint}"))
            if not equals and waiting and not waiting[-1].startswith("--"):
                waiting.pop()
            continue
        if not equals:
            if not token.startswith("--"):
                problem = f"unexpected {shown(token)}; expected key.path=value"
                faults.append(Fault("", problem))
                continue
            if not waiting:
                faults.append(Fault(key, "has no value"))
                continue
            text = waiting.pop()
        if key.split(".")[0] not in Run.model_fields:
            match = nearest_path(key)
            sections = ", ".join(Run.model_fields)
            hint = f"did you mean {match}?" if match else f"known: {sections}"
            faults.append(Fault(key, f"unknown key; {hint}"))
            continue
        pairs.append((key, parse_value(text)))
    if faults:
        raise ConfigError(faults, _SOURCE)
    return pairs


def apply_overrides(config: dict[str, Any], pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A copy of `config` with the keys of `pairs` set; missing sections are made.

    Raises `ConfigError` if a key leads through something that is no object.
    """
    result = dict(config)
    for path, value in pairs:
        # The alias is followed here, so that it replaces what the file says.
        path = _ALIASES.get(path, path)
        *sections, last = path.split(".")
        target = result
        for depth, section in enumerate(sections):
            inner = target.get(section)
            inner = {} if inner is None else inner
            if not isinstance(inner, dict):
                here = ".".join(sections[: depth + 1])
                problem = f"{here} is {shown(inner)}, which has no keys"
                raise ConfigError([Fault(path, problem)], _SOURCE)
            target[section] = dict(inner)
            target = target[section]
        target[last] = value
    return result


def parse_value(text: str) -> Any:
    """The JSON value that `text` is, else `text` itself."""
    try:
        return parse_json(text)
    except ConfigError:
        return text
