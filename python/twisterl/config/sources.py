"""A resolved config with where each of its values comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twisterl.config.evaluations import PRESETS
from twisterl.config.overrides import apply_overrides
from twisterl.config.validation import check_run
from twisterl.faults import joined


@dataclass(frozen=True)
class Setting:
    """`source` is the file's name, "command line", "default" or the name of an evaluation."""

    path: str
    value: Any
    source: str


def resolved(
    config: dict[str, Any], file: str, overrides: Sequence[tuple[str, Any]]
) -> tuple[dict[str, Any], list[Setting]]:
    """The whole config with every default, and its settings in their order.

    Raises `ConfigError` with every fault.
    """
    whole = check_run(apply_overrides(config, overrides), file).as_dict()
    given, said = set(_paths(config)), {path for path, _ in overrides}
    settings = []
    for path, value in _leaves(whole):
        if any(path == key or path.startswith((f"{key}.", f"{key}[")) for key in said):
            source = "command line"
        elif path in given:
            source = file
        else:
            source = _evaluation(path) or "default"
        settings.append(Setting(path, value, source))
    return whole, settings


def _evaluation(path: str) -> str | None:
    """The evaluation whose name says what stands at `path`."""
    section, _, key = path.rpartition(".")
    name = section.removeprefix("algorithm.evals.")
    return name if section != name and key in PRESETS.get(name, {}) else None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object with keys."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, joined(path, key))
    else:
        yield path, value


def _paths(config: dict[str, Any]) -> Iterator[str]:
    for path, _ in _leaves(config):
        # An older name of the same key.
        yield path
        if path == "algorithm.training.lr":
            yield "algorithm.optimizer.lr"
