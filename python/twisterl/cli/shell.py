"""Commands as they are printed, to be pasted into the shell that the process was started from."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def line(words: Iterable[object]) -> str:
    """`words` as one command line, quoted as this system's shell reads it.

    >>> line(["twisterl", "eval", "my runs/1"]) if os.name != "nt" else "twisterl eval 'my runs/1'"
    "twisterl eval 'my runs/1'"
    """
    texts = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


def twisterl(*words: object) -> str:
    """The command line that gives `words` to this installation of `twisterl`."""
    return line([*_program(), *words])


def _program() -> list[str]:
    """How that shell finds it: by name, by the script beside Python, or as a module of Python.

    `TWISTERL_PATH` is the shell's PATH where a program such as `make` has changed it since.
    """
    path = os.environ.get("TWISTERL_PATH")
    script = Path(sys.executable).with_name("twisterl.exe" if os.name == "nt" else "twisterl")
    found = shutil.which("twisterl", path=path)
    if found and (not script.exists() or Path(found).samefile(script)):
        return ["twisterl"]
    if script.exists():
        return [_short(script)]
    python = shutil.which("python", path=path)
    if python and Path(python).parent == Path(sys.executable).parent:
        return ["python", "-m", "twisterl"]
    return [_short(Path(sys.executable)), "-m", "twisterl"]


def _short(path: Path) -> str:
    """Seen from the current folder, where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
