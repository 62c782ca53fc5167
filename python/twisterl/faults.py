"""What is wrong with an input, as data: where, what came, what was expected."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_LONGEST_VALUE = 60


@dataclass(frozen=True)
class Fault:
    """One fault of an input.

    `path` is the dotted JSON path ("" for the whole input), `problem` a sentence with the value
    that came and what is allowed.
    """

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class ConfigError(ValueError):
    """An input that cannot be used; `faults` holds every fault found, `source` names the input."""

    def __init__(self, faults: Iterable[Fault], source: str = "config") -> None:
        self.faults = list(faults)
        self.source = source
        if len(self.faults) == 1:
            text = f"{source}: {self.faults[0]}"
        else:
            lines = "".join(f"\n  {fault}" for fault in self.faults)
            text = f"{source}: {len(self.faults)} faults{lines}"
        super().__init__(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults, self.source), vars(self)


def shown(value: Any) -> str:
    """`value` as JSON writes it where it can, shortened to one line."""
    try:
        text = json.dumps(value, allow_nan=True)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def joined(*parts: object) -> str:
    """The dotted path of `parts`; an integer is an index: `policy.common_layers[0]`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "":
            path += f".{part}" if path else str(part)
    return path


def nearest(key: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The known name that looks most like `key`, if any does."""
    by_folded = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(key.casefold(), list(by_folded), n=1, cutoff=cutoff)
    return by_folded[matches[0]] if matches else None


def unknown(key: str, known: Sequence[str], what: str = "key") -> str:
    """The problem of an unknown name: the nearest known one, or all of them."""
    match = nearest(key, known)
    if match is not None:
        return f"unknown {what}; did you mean {match}?"
    return f"unknown {what}; known: {', '.join(known)}" if known else f"unknown {what}"
