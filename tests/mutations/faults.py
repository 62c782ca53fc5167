"""The faults of the lists, and where their texts are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[2]
LISTS = [Path(__file__).with_name(name) for name in ("parity.toml", "tests.toml")]
# Where the text of a fault is sought that names no file.
SOURCES = {"python": "*.py", "rust": "*.rs"}


class ListError(ValueError):
    """An entry of a list that cannot be planted; says what is wrong with it."""


@dataclass(frozen=True)
class Fault:
    """A change of one text, and what must notice it.

    Attributes:
        find, replace: the text, which the sources hold exactly once, and what takes its place.
        file: the one file that the text is sought in; any of `SOURCES` if it is not given.
        subject: what is faulty.
        port: where the faulty code is, of ports.toml; the parity check must name a difference...
        environment: ... on a board of this one.
        cargo: arguments of `cargo test -p twisterl`, which must fail instead.
        pytest: files or tests of Python, of which one must fail instead.
    """

    find: str
    replace: str
    file: str = ""
    subject: str = ""
    port: str = ""
    environment: str = "puzzle"
    cargo: str = ""
    pytest: str = ""

    @property
    def judge(self) -> str:
        """What notices it."""
        if self.pytest:
            return f"pytest {self.pytest}"
        return f"cargo test {self.cargo}" if self.cargo else f"parity of {self.port}"

    @property
    def needs_build(self) -> bool:
        """Whether something is compiled before it can be noticed."""
        return not (self.port in ("reference", "torch") or self.pytest) or self.is_rust

    @property
    def is_rust(self) -> bool:
        return source_of(self).suffix == ".rs"


def read_lists() -> list[Fault]:
    """All faults, in the order of the lists."""
    return [
        Fault(**entry) for path in LISTS for entry in tomllib.loads(path.read_text())["mutation"]
    ]


def source_of(fault: Fault) -> Path:
    """The file of `fault`, relative to the root.

    Raises `ListError` unless exactly one place has its text.
    """
    texts = {fault.file: (ROOT / fault.file).read_text()} if fault.file else _sources()
    found = [name for name, text in texts.items() for _ in range(text.count(fault.find))]
    if len(found) != 1:
        places = ", ".join(found) or "no place"
        raise ListError(f"expected {fault.find!r} once in {fault.file or 'the sources'}: {places}")
    return Path(found[0])


_read: dict[str, str] = {}


def _sources() -> dict[str, str]:
    if not _read:
        for folder, pattern in SOURCES.items():
            for path in sorted((ROOT / folder).rglob(pattern)):
                _read[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
    return _read
