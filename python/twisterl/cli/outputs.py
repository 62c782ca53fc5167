"""Files that commands write, refused before the work for what is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from twisterl.faults import ConfigError, Fault


def writable(option: str, given: str) -> Path:
    """The file `given` by `option`; `ConfigError` for a folder, or where there is no folder."""
    path = Path(given)
    if path.is_dir() or not path.parent.is_dir():
        problem = f"got {given!r}; expected a file in a folder that exists"
        raise ConfigError([Fault(option, problem)], "command line")
    return path


def all_writable(given: Mapping[str, str | None]) -> dict[str, Path]:
    """The files given by options, None left out; `ConfigError` for one given twice too."""
    files: dict[str, Path] = {}
    for option, name in given.items():
        if name is None:
            continue
        path = writable(option, name)
        for other, there in files.items():
            if there.resolve() == path.resolve():
                problem = f"got {name!r}, as {other}; expected another file"
                raise ConfigError([Fault(option, problem)], "command line")
        files[option] = path
    return files
