"""The commits of a run: all that continues it, each in a folder of its own.

A commit counts once its folder has its name, which is the last step of writing it; its manifest
holds a SHA-256 per file, so a flipped bit is an error on load.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisterl.config.json import open_regular, read_json
from twisterl.runs.digest import sha256_of
from twisterl.runs.errors import RunFolderError
from twisterl.runs.files import sync_folder, write_atomic

_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
_MANIFEST = "manifest.json"


@dataclass
class Commit:
    """Everything that continues a run.

    `weights` is the policy's state dict; `optimizer` the tensors of the optimizer, of the random
    generators and of what the algorithm remembers, both of torch or as arrays; `state` the rest, as
    JSON; `notes` the metadata of the weights.
    """

    weights: dict[str, Any]
    optimizer: dict[str, Any]
    state: dict[str, Any]
    notes: dict[str, str] = field(default_factory=dict)


class Commits:
    """Those in the folder `path`, which is made with the first one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Path]:
        """Their folders, in no order."""
        if self.path.is_dir():
            for folder in self.path.iterdir():
                if re.fullmatch("[0-9]{1,18}", folder.name) and folder.is_dir():
                    yield folder

    def add(self, commit: Commit) -> bytes:
        """Writes `commit`, whose weights are finite, and returns them as safetensors.

        Raises `CheckpointError` if a moment is not finite.
        """
        from twisterl.runs import tensors

        tensors.require_finite(commit.optimizer, _OPTIMIZER)
        weights = tensors.encode(commit.weights, commit.notes)
        files = {
            _WEIGHTS: weights,
            _OPTIMIZER: tensors.encode(commit.optimizer),
            _STATE: (json.dumps(commit.state, indent=2) + "\n").encode(),
        }
        files[_MANIFEST] = (json.dumps(_hashes(files), indent=2) + "\n").encode()
        if self.path.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link", os.fspath(self.path))
        self.path.mkdir(exist_ok=True)
        serial = 1 + max((int(folder.name) for folder in self), default=0)
        aside = self.path / f"{serial:08d}.tmp-{os.getpid()}"
        try:
            # A killed process of the same number may have left one; the lock is ours.
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            for name, content in files.items():
                write_atomic(aside / name, content)
            os.rename(aside, self.path / f"{serial:08d}")
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(self.path)
        return weights

    def drop(self, keep_last: int, keep_every: int) -> None:
        """Drops all but the newest, and those after every so many iterations if not 0."""
        for folder in sorted(self)[:-keep_last]:
            if not (keep_every and _iteration(folder) % keep_every == 0):
                shutil.rmtree(folder, ignore_errors=True)

    def load(self, *, as_arrays: bool = False) -> Commit:
        """The newest one whose files are what its manifest says.

        Raises `RunFolderError` if there is none.
        """
        from twisterl.runs import tensors

        read = tensors.read_arrays if as_arrays else tensors.read
        problems = []
        for folder in sorted(self, reverse=True):
            problem = _damage(folder)
            if problem is None:
                weights, notes = read(folder / _WEIGHTS)
                optimizer, _ = read(folder / _OPTIMIZER)
                return Commit(weights, optimizer, read_json(folder / _STATE), notes)
            problems.append(problem)
        detail = "; ".join(problems) or "no commit was written"
        raise RunFolderError(f"{self.path.parent}: cannot be resumed: {detail}")

    def last_iteration(self) -> int | None:
        """The iterations of the newest one, None if there is none."""
        newest = max(self, default=None)
        return None if newest is None else _iteration(newest)

    def last_state(self) -> dict[str, Any]:
        """The state of the newest one, unchecked; empty where none can be read."""
        newest = max(self, default=None)
        return {} if newest is None else _state(newest)


def _iteration(folder: Path) -> int:
    """The iterations before a commit; one that cannot be read is never kept."""
    try:
        return int(_state(folder)["iteration"])
    except (KeyError, TypeError):
        return -1


def _state(folder: Path) -> dict[str, Any]:
    """The state of a commit, unchecked; empty if it cannot be read."""
    try:
        state = read_json(folder / _STATE)
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _damage(folder: Path) -> str | None:
    """What is wrong with a commit, or None; no file but its own is looked at."""
    try:
        manifest = read_json(folder / _MANIFEST)
        if not isinstance(manifest, dict) or set(manifest) != {_WEIGHTS, _OPTIMIZER, _STATE}:
            return f"{folder / _MANIFEST} lists other files"
        for name, digest in manifest.items():
            with open_regular(folder / name) as file:
                if sha256_of(file) != digest:
                    return f"{folder / name} is not what was written (SHA-256 differs)"
    except (OSError, ValueError) as error:
        return f"{folder}: {error}"
    return None
