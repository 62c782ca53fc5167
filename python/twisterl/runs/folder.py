"""The folder of a run, written so that no crash leaves a torn or missing file.

base_config.json                the config of the run, as it was given
full_algorithm_config.json      its `algorithm` section with every default
checkpoint_last.safetensors     the weights of the last commit
checkpoint_best.safetensors     the weights of the best evaluation
metrics.jsonl                   one line per iteration
machine.json                    the machine and the versions of the last training
module.sha256                   of an environment that is a WebAssembly module: which one it is
lock                            held by the training that writes here
resume/<serial>/                commits: weights, optimizer, state, manifest; the last one, and
                                those that `logging` asks to keep
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisterl.config.json import to_json
from twisterl.runs.commits import Commit, Commits
from twisterl.runs.errors import RunFolderError
from twisterl.runs.files import write_atomic

BASE_CONFIG = "base_config.json"
FULL_CONFIG = "full_algorithm_config.json"
LAST = "checkpoint_last.safetensors"
BEST = "checkpoint_best.safetensors"
METRICS = "metrics.jsonl"
CURVE = "learning_curve.png"
MACHINE = "machine.json"
MODULE = "module.sha256"
LOCK = "lock"

_RESUME = "resume"
_TEMPORARY = re.compile(r".*\.tmp-\d+\w*$")
# What a run writes, but for the dashboard's.
_OURS = (BASE_CONFIG, FULL_CONFIG, LAST, BEST, METRICS, CURVE, MACHINE, MODULE, _RESUME)
# What TensorBoard's writer leaves in a run folder.
_EVENTS = re.compile(r"events\.out\.tfevents\..*|(Benchmark_Detail|Losses|Times)[\w. +-]*_.*")


def named(path: str | os.PathLike[str]) -> Path:
    """The folder of the name `path`; `RunFolderError` for '', an unset variable of some script."""
    if not os.fspath(path):
        raise RunFolderError("run folder: got ''; expected the name of a folder")
    return Path(path)


class RunFolder:
    """The files of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Where it is now: a program may go to another folder while the run goes on.
        self.path = Path(os.path.abspath(named(path)))
        self.commits = Commits(self.path / _RESUME)

    def holds_run(self) -> bool:
        """True if a run has left anything here that a fresh one would overwrite."""
        names = (BASE_CONFIG, FULL_CONFIG, LAST, BEST, METRICS, _RESUME)
        return any((self.path / name).exists() for name in names)

    def require_usable(self, *, resume: bool, overwrite: bool) -> None:
        """Raises `RunFolderError` if a run cannot start here; changes nothing."""
        for name in (*_OURS, LOCK):
            if (self.path / name).is_symlink():
                problem = "is a symbolic link; expected what a run has written, or nothing"
                raise RunFolderError(f"{self.path / name}: {problem}")
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{self.path}: is a file; expected a folder for the run")
        if resume and overwrite:
            raise RunFolderError("--resume continues the run and --overwrite drops it; give one")
        if resume and not list(self.commits):
            raise RunFolderError(f"{self.path}: holds no run to resume")
        if not resume and not overwrite and self.holds_run():
            # A run that was killed before its first commit cannot be continued.
            ways = "--resume continues it, " if any(self.commits) else ""
            raise RunFolderError(f"{self.path}: already holds a run; {ways}--overwrite drops it")

    def prepare(self, *, overwrite: bool = False) -> None:
        """Makes the folder; drops what a killed run left, and with `overwrite` the whole run."""
        self.path.mkdir(parents=True, exist_ok=True)
        for entry in [*self.path.iterdir(), *(self.path / _RESUME).glob("*")]:
            if _TEMPORARY.match(entry.name):
                _remove(entry)
        if not overwrite:
            return
        for entry in list(self.path.iterdir()):
            if entry.name in _OURS or _EVENTS.match(entry.name):
                _remove(entry)

    def write_json(self, name: str, value: Any) -> None:
        write_atomic(self.path / name, to_json(value).encode())

    def commit(self, commit: Commit, keep_last: int = 1, keep_every: int = 0) -> None:
        """Writes `commit` and `checkpoint_last`, then drops the commits that are not to be kept.

        Kept are the `keep_last` newest, and with `keep_every` those after every so many iterations.

        Raises `CheckpointError` if a weight or moment is not finite; nothing is replaced then.
        FileNotFoundError if the folder is not there any more.
        """
        from twisterl.runs import tensors

        tensors.require_finite(commit.weights, LAST)
        write_atomic(self.path / LAST, self.commits.add(commit))
        self.commits.drop(keep_last, keep_every)

    def load_commit(self, *, as_arrays: bool = False) -> Commit:
        """The newest commit that is whole; `RunFolderError` if there is none."""
        return self.commits.load(as_arrays=as_arrays)

    def last_iteration(self) -> int | None:
        """The iterations of the newest commit, None if there is no commit."""
        return self.commits.last_iteration()

    def save_best(self, weights: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> None:
        """Replaces `checkpoint_best`, with the metadata `notes`.

        Raises `CheckpointError` if a weight is not finite.
        """
        from twisterl.runs import tensors

        tensors.require_finite(weights, BEST)
        write_atomic(self.path / BEST, tensors.encode(weights, notes))

    def weights_path(self, which: str = "best") -> Path:
        """The checkpoint `which` ("best" or "last"), or the other one where it is missing."""
        order = [BEST, LAST] if which == "best" else [LAST, BEST]
        for name in order:
            if (self.path / name).is_file():
                return self.path / name
        raise RunFolderError(f"{self.path}: holds no checkpoint; expected {order[0]}")

    def keep_metrics(self, num_iterations: int) -> None:
        """Drops the lines of `metrics.jsonl` after the first `num_iterations` iterations."""
        path = self.path / METRICS
        if not path.is_file():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if json.loads(line)["iteration"] < num_iterations:
                    kept.append(line)
        write_atomic(path, "".join(f"{line}\n" for line in kept).encode())


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
