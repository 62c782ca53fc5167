"""What took long to prepare, kept in files from one process to the next.

Tables and what was learned are files in the cache (`folder`), each named by a digest of all that
made it, this version of the package included. What is read there is checked as data nobody vouches
for, and made again where it cannot be used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twisterl.cli import streams
from twisterl.twisterl import __version__, collector

# Of all files together, of which those used last stay, and of one.
_MOST_BYTES = 2 << 30
_MOST_BYTES_OF_FILE = 1 << 30
# What is made faster is made again: it would hardly be loaded sooner.
_MOST_BYTES_A_SECOND = 20e6
# After which a file that was not finished is nobody's.
ABANDONED_S = 86_400.0
MADE_OF = "twisterl.made_of"
# No file of anyone else, who may have the folder too, is dropped.
OURS = re.compile(r"[\w-]+-[0-9a-f]{16}\.safetensors(\.tmp-[0-9]+)?")
# Networks, which are folders.
MODELS = "models"
# In place of a folder.
_NOWHERE = "off"

_lock = threading.Lock()
_num_keeping = 0


def folder() -> Path | None:
    """`TWISTERL_CACHE`, else the folder for caches of the platform; None where that is "off"."""
    own = os.environ.get("TWISTERL_CACHE")
    if own == _NOWHERE:
        return None
    if own:
        return Path(own)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "twisterl" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "twisterl"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twisterl"


def _warn(problem: str) -> None:
    warnings.warn(problem, stacklevel=3)


@contextlib.contextmanager
def keeping(
    warn: Callable[[str], None] = _warn, tell: Callable[[str], None] = streams.complain
) -> Iterator[None]:
    """What the engine prepares inside the block, in any thread, comes from the cache or goes there.

    Args:
        warn: hears which file cannot be read or written, and why; by default a warning.
        tell: hears what was loaded; by default a line on stderr.
    """
    global _num_keeping
    with _lock:
        _num_keeping += 1
        if _num_keeping == 1:
            collector.keep_in(_Store(warn, tell))
    try:
        yield
    finally:
        with _lock:
            _num_keeping -= 1
            if not _num_keeping:
                collector.keep_in(None)


class _Store:
    """What `collector.keep_in` takes."""

    def __init__(self, warn: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self._warn, self._tell = warn, tell
        self._writing = threading.Lock()

    def find(self, kind: str, name: str, made_of: str) -> dict[str, Any] | None:
        from twisterl.runs import tensors
        from twisterl.runs.errors import CheckpointError

        path = _path(kind, name, made_of)
        if path is None:
            return None
        try:
            size = os.lstat(path).st_size
        except OSError:
            return None
        try:
            if size > _MOST_BYTES:
                raise CheckpointError(f"{path}: has {size} bytes; expected {_MOST_BYTES} at most")
            arrays, notes = tensors.read_arrays(path)
            if notes.get(MADE_OF) != made_of:
                raise CheckpointError(f"{path}: was made of something else")
        except CheckpointError as error:
            self._warn(f"{error}; made again")
            return None
        return arrays

    def judged(self, kind: str, name: str, made_of: str, problem: str | None) -> None:
        path = _path(kind, name, made_of)
        if path is None:
            return
        if problem is not None:
            self._warn(f"{path}: {problem}; made again")
            return
        mark_used(path)
        self._tell(f"twisterl: loaded {path}")

    def keep(
        self, kind: str, name: str, made_of: str, arrays: dict[str, Any], seconds: float
    ) -> None:
        from twisterl.runs import tensors
        from twisterl.runs.files import write_atomic

        path = _path(kind, name, made_of)
        size = sum(array.nbytes for array in arrays.values())
        if path is None or size > min(_MOST_BYTES_OF_FILE, seconds * _MOST_BYTES_A_SECOND):
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two threads would have one temporary file.
            with self._writing:
                write_atomic(path, tensors.encode(arrays, {MADE_OF: made_of}))
                _drop_oldest(path)
        except OSError as error:
            self._warn(f"{path}: is not kept: {error.strerror}")


def named(name: str, made_of: str) -> str:
    """`name` with a digest of what it was made of, this version of the package included."""
    digest = hashlib.sha256(f"{__version__} {made_of}".encode()).hexdigest()[:16]
    return f"{name}-{digest}"


def mark_used(path: Path) -> None:
    """Says that the file at `path` was used now, if it can be said."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _path(kind: str, name: str, made_of: str) -> Path | None:
    root = folder()
    return None if root is None else root / kind / f"{named(name, made_of)}.safetensors"


def _drop_oldest(written: Path) -> None:
    """Drops what was not used for longest until there is room for the file `written`."""
    files = []
    for path in written.parents[1].glob("*/*"):
        if not OURS.fullmatch(path.name):
            continue
        # Another process may have dropped it.
        with contextlib.suppress(OSError):
            files.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in files)
    for modified, size, path in sorted(files):
        if path.suffix == ".safetensors":
            if path == written or total <= _MOST_BYTES:
                continue
        elif time.time() - modified < ABANDONED_S:
            continue
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
