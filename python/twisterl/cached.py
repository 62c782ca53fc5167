"""What the cache holds: what each file is for, and its end."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl import cache

KINDS = {
    "classes": "classes of states that lead synthesize",
    "lessons": "what solved boards taught --strategy patterns",
    "models": "network that leads synthesize",
    "patterns": "pattern databases of --strategy patterns",
    "ranks": "what was learned of ranks, which lead synthesize",
    "states": "distances from the goal, for proofs of shortest solutions",
}
_UNKNOWN = "unknown"
_UNFINISHED = "was not finished"
_DAMAGED = "damaged; is made again"
# Of a name, after what people call it.
_DIGEST = re.compile(r"-[0-9a-f]{16}$")
_TEMPORARY = re.compile(r"\.tmp-[0-9]+$")
# Of environments in JSON.
_EPISODE = ("difficulty", "depth_slope", "max_depth")


@dataclass(frozen=True)
class Kept:
    """Something in the cache.

    Attributes:
        kind: the folder that it is in.
        name: its own, with its digest.
        about: what it is for, in words.
        path: the file, of a model the folder.
        files: the file, of a model all that the cache has written into the folder.
        num_bytes: of all files together.
        used_at: when it was written or loaded last, in seconds since the epoch.
    """

    kind: str
    name: str
    about: str
    path: Path
    files: tuple[Path, ...]
    num_bytes: int
    used_at: float

    @property
    def label(self) -> str:
        """As people name it: `kind/name`."""
        return f"{self.kind}/{self.name}"

    def is_called(self, word: str) -> bool:
        """Whether `word` is its kind, its label, or that without the digest."""
        return word in (self.kind, self.label, _DIGEST.sub("", self.label))

    def is_being_written(self) -> bool:
        """Whether it is not finished, and so new that a process may be at it."""
        return self.about == _UNFINISHED and time.time() - self.used_at < cache.ABANDONED_S

    def delete(self) -> None:
        """Deletes it; OSError if a file cannot be, or if others are in a model's folder."""
        if self.path.is_dir():
            others = sorted({*self.path.iterdir()} - {*self.files})
            if others:
                problem = "holds what the cache has not written"
                raise FileExistsError(0, problem, str(others[0]))
        for file in self.files:
            file.unlink(missing_ok=True)
        if self.path.is_dir():
            self.path.rmdir()


def kept_in(root: Path) -> list[Kept]:
    """What the cache has written into its folder `root`, by kinds and names; nothing else's.

    OSError if the folder cannot be read; one that is not there holds nothing.
    """
    if not root.exists():
        return []
    found: list[Kept] = []
    for folder in sorted(root.iterdir()):
        if folder.is_dir():
            found += filter(None, map(_kept, sorted(folder.iterdir())))
    return found


def _kept(path: Path) -> Kept | None:
    from twisterl.runs.folder import BASE_CONFIG, BEST

    kind = path.parent.name
    try:
        if path.is_symlink():
            return None
        if kind == cache.MODELS and path.is_dir() and _DIGEST.search(path.name):
            names = (BASE_CONFIG, BEST)
            files = tuple(file for file in path.iterdir() if _TEMPORARY.sub("", file.name) in names)
            is_whole = {*names} <= {file.name for file in files}
            about = _of_model(path / BASE_CONFIG) if is_whole else _UNFINISHED
            used_at = (path / BEST if is_whole else path).stat().st_mtime
            size = sum(file.stat().st_size for file in files)
            return Kept(kind, path.name, about, path, files, size, used_at)
        if not cache.OURS.fullmatch(path.name) or not path.is_file():
            return None
        about = _UNFINISHED if _TEMPORARY.search(path.name) else _of_file(kind, path)
        state = path.stat()
    except FileNotFoundError:
        # Another process has dropped it.
        return None
    name = path.name.removesuffix(".safetensors")
    return Kept(kind, name, about, path, (path,), state.st_size, state.st_mtime)


def _of_file(kind: str, path: Path) -> str:
    from twisterl.runs import tensors
    from twisterl.runs.errors import CheckpointError

    try:
        made_of = tensors.notes(path).get(cache.MADE_OF)
    except CheckpointError:
        return _DAMAGED
    if kind not in KINDS or made_of is None:
        return _UNKNOWN
    return _told(kind, path.stem, made_of, _details(kind, path.stem, made_of))


def _of_model(config: Path) -> str:
    from twisterl.config.json import read_json

    try:
        given = read_json(config)
        details = _of_environment(given["env_cls"], given["env"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _DAMAGED
    made_of = json.dumps(given, sort_keys=True)
    return _told(cache.MODELS, config.parent.name, made_of, details)


def _told(kind: str, name: str, made_of: str, details: str) -> str:
    about = f"{KINDS[kind]}: {details}" if details else KINDS[kind]
    # A file may say anything to a terminal.
    about = "".join(mark if mark.isprintable() else "?" for mark in about)
    is_current = name == cache.named(_DIGEST.sub("", name), made_of)
    return about if is_current else f"{about} (of another version of TwisteRL)"


def _details(kind: str, name: str, made_of: str) -> str:
    """What the engine says of it: the name of tables of boards, else the environment."""
    if kind in ("patterns", "lessons"):
        size, _, number = _DIGEST.sub("", name).partition("-")
        what = "tiles a group" if kind == "patterns" else "boards"
        return f"{size}, {number} {what}"
    words = made_of.split(" ", 4)
    try:
        arguments, _ = json.JSONDecoder().raw_decode(words[4])
        return _of_environment(words[2], arguments)
    except (ValueError, IndexError, AttributeError):
        return ""


def _of_environment(name: str, arguments: Mapping[str, Any]) -> str:
    return ", ".join([name, *_arguments(arguments)])


def _arguments(arguments: Mapping[str, Any]) -> Iterator[str]:
    for key, value in arguments.items():
        if value is None or key in _EPISODE:
            continue
        yield f"{len(value)} {key}" if isinstance(value, (list, dict)) else f"{key}={value}"
