"""What is wrong with an input, as data: where, what came, what was expected."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

_LONGEST_VALUE = 60


class InputError(ValueError):
    """An input that cannot be used; the text says which, what came and what was expected.

    `also` is the builtin error that TwisteRL 0.5 let out at the same place. This one is an instance
    of its class too, so that programs which catch that, such as `FileNotFoundError`, go on to.
    """

    def __new__(cls, text: str = "", also: Exception | None = None) -> Self:
        if also is None:
            return super().__new__(cls)
        # The builtin class has the last word on how its instances lie in memory.
        this: Any = cls
        builtin: Any = type(also)
        return builtin.__new__(_both(this, builtin))

    def __init__(self, text: str = "", also: Exception | None = None) -> None:
        ValueError.__init__(self, text)
        self.also = also
        vars(self).update({} if also is None else vars(also))
        if isinstance(also, OSError):
            self.errno, self.strerror, self.filename = also.errno, also.strerror, also.filename

    def __str__(self) -> str:
        return ValueError.__str__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # A class that `_both` has made has no name to be found by.
        return type(self).__mro__[self.also is not None], (str(self), self.also)


@functools.cache
def _both(error: Any, builtin: Any) -> Any:
    """The class of errors that are both."""
    return type(error.__name__, (error, builtin), {"__module__": error.__module__})


@dataclass(frozen=True)
class Fault:
    """One fault of an input.

    `path` is the dotted JSON path ("" for the whole input), `problem` a sentence with the value
    that came and what is allowed, `also` as in `InputError`.
    """

    path: str
    problem: str
    also: Exception | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class ConfigError(InputError):
    """An input that cannot be used; `faults` holds every fault found, `source` names the input.

    `also` is that of the first fault that has one.
    """

    def __new__(cls, faults: Sequence[Fault], source: str = "config") -> Self:
        return super().__new__(cls, source, _also(faults))

    def __init__(self, faults: Sequence[Fault], source: str = "config") -> None:
        self.faults = list(faults)
        self.source = source
        if len(self.faults) == 1:
            text = f"{source}: {self.faults[0]}"
        else:
            lines = "".join(f"\n  {fault}" for fault in self.faults)
            text = f"{source}: {len(self.faults)} faults{lines}"
        super().__init__(text, _also(faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return super().__reduce__()[0], (self.faults, self.source)


def _also(faults: Sequence[Fault]) -> Exception | None:
    return next((fault.also for fault in faults if fault.also is not None), None)


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
