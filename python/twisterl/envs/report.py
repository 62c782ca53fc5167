"""The faults of an environment, each once, with where it was found."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

# How the engine names what a method answered.
_ANSWER = re.compile(r"((?:\w+ of )?\w+\(\))(?: of .*?)?(?:\[\d+\])?: (expected .*)", re.DOTALL)


class Report:
    """Faults, told apart by the method and what was found; ``excused`` methods are not blamed."""

    def __init__(self) -> None:
        self.excused: set[str] = set()
        self.cause: Exception | None = None
        self._lines: dict[tuple[str, str], str] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, what: str, where: str, found: str, detail: str = "") -> None:
        """One fault; another one that differs in ``where`` and ``detail`` alone is the same."""
        if what not in self.excused:
            line = ": ".join(part for part in (what, where, found + detail) if part)
            self._lines.setdefault((what, found), line)

    def add_error(self, what: str, where: str, error: Exception) -> None:
        """What a method raised, or the engine said of its answer."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = str(Path(__file__).parents[1])
        theirs = next((frame for frame in frames if not frame.filename.startswith(ours)), None)
        if theirs is not None:
            place = f" ({Path(theirs.filename).name}:{theirs.lineno} in {theirs.name})"
            self.add(what, where, f"raised {type(error).__name__}", f": {error}{place}")
            self.cause = self.cause or error
            return
        text = str(error).removeprefix("config: ").removeprefix(f"{what.removesuffix('()')}: ")
        told = _ANSWER.fullmatch(text)
        what, text = told.groups() if told else (what, text)
        found, got, detail = text.partition(", got ")
        self.add(what, where, found, got + detail)

    def require_none(self) -> None:
        """Raises ValueError if there are faults; its cause is what was raised first."""
        if self._lines:
            listed = "\n".join(f"- {line}" for line in self._lines.values())
            text = f"env: expected an environment, got one with these faults:\n{listed}"
            raise ValueError(text) from self.cause
