"""The folder of a run, written so that no crash leaves a torn or missing file.

    base_config.json                the config of the run, as it was given
    full_algorithm_config.json      its `algorithm` section with every default
    checkpoint_last.safetensors     the weights of the last commit
    checkpoint_best.safetensors     the weights of the best evaluation
    metrics.jsonl                   one line per iteration
    lock                            held by the training that writes here
    resume/<serial>/                commits: weights, optimizer, state, manifest; the last one, and
                                    those that `logging` asks to keep

A commit counts once its folder has its name, which is the last step of writing it; its manifest
holds a SHA-256 per file, so a flipped bit is an error on load.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl.config.json import open_regular, read_json, to_json
from twisterl.runs.digest import sha256_of

if TYPE_CHECKING:
    import torch

BASE_CONFIG = "base_config.json"
FULL_CONFIG = "full_algorithm_config.json"
LAST = "checkpoint_last.safetensors"
BEST = "checkpoint_best.safetensors"
METRICS = "metrics.jsonl"
CURVE = "learning_curve.png"

LOCK = "lock"

_RESUME = "resume"
_MANIFEST = "manifest.json"
_COMMITTED = {"weights.safetensors", "optimizer.safetensors", "state.json"}
_TEMPORARY = re.compile(r".*\.tmp-\d+\w*$")
# What TensorBoard's writer leaves in a run folder.
_EVENTS = re.compile(r"events\.out\.tfevents\..*|(Benchmark_Detail|Losses|Times)[\w. +-]*_.*")


class RunFolderError(Exception):
    """A run folder that cannot be used as asked; the text says what to do."""


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Replaces the file at `path` by `content`, wholly or not at all.

    Written aside, flushed to the disk, renamed, and the folder flushed. On any error the old file
    stays and the temporary one goes.
    """
    target = Path(path)
    aside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)
    try:
        with naming(target):
            with os.fdopen(os.open(aside, flags, 0o666), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    _sync_folder(target.parent)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Names `path` in what the system says inside the block: of a full disk it tells no file."""
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str) or error.errno is None:
            raise
        # TensorBoard names its files as bytes, and a descriptor is no name.
        named = error.filename if isinstance(error.filename, bytes) else path
        raise OSError(error.errno, error.strerror, os.fsdecode(named)) from error


def open_for_appending(path: str | os.PathLike[str]) -> int:
    """A descriptor at the end of the file at `path`, which is made if there is none.

    Raises `OSError` for a link, and for what is no regular file; neither is followed or waited for.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))
    return descriptor


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with naming(folder):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass
class Commit:
    """Everything that continues a run.

    `weights` is the policy's state dict; `optimizer` the tensors of the optimizer, of the random
    generators and of what the algorithm remembers; `state` the rest, as JSON.
    """

    weights: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    state: dict[str, Any]


class RunFolder:
    """The files of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Where it is now: a program may go to another folder while the run goes on.
        self.path = Path(os.path.abspath(path))

    def holds_run(self) -> bool:
        """True if a run has left anything here that a fresh one would overwrite."""
        names = (BASE_CONFIG, FULL_CONFIG, LAST, BEST, METRICS, _RESUME)
        return any((self.path / name).exists() for name in names)

    def require_usable(self, *, resume: bool, overwrite: bool) -> None:
        """Raises `RunFolderError` if a run cannot start here; changes nothing."""
        for name in (BASE_CONFIG, FULL_CONFIG, LAST, BEST, METRICS, CURVE, LOCK, _RESUME):
            if (self.path / name).is_symlink():
                problem = "is a symbolic link; expected what a run has written, or nothing"
                raise RunFolderError(f"{self.path / name}: {problem}")
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{self.path}: is a file; expected a folder for the run")
        if resume and overwrite:
            raise RunFolderError("--resume continues the run and --overwrite drops it; give one")
        if resume and not list(self._commits()):
            raise RunFolderError(f"{self.path}: holds no run to resume")
        if not resume and not overwrite and self.holds_run():
            # A run that was killed before its first commit cannot be continued.
            ways = "--resume continues it, " if any(self._commits()) else ""
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
            ours = (BASE_CONFIG, FULL_CONFIG, LAST, BEST, METRICS, CURVE, _RESUME)
            if entry.name in ours or _EVENTS.match(entry.name):
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
        tensors.require_finite(commit.optimizer, "optimizer.safetensors")
        weights = tensors.encode(commit.weights)
        files = {
            "weights.safetensors": weights,
            "optimizer.safetensors": tensors.encode(commit.optimizer),
            "state.json": (json.dumps(commit.state, indent=2) + "\n").encode(),
        }
        files[_MANIFEST] = (json.dumps(_hashes(files), indent=2) + "\n").encode()
        resume = self.path / _RESUME
        if resume.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link", os.fspath(resume))
        resume.mkdir(exist_ok=True)
        earlier = list(self._commits())
        serial = 1 + max((int(folder.name) for folder in earlier), default=0)
        aside = resume / f"{serial:08d}.tmp-{os.getpid()}"
        try:
            # A killed process of the same number may have left one; the lock is ours.
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            for name, content in files.items():
                write_atomic(aside / name, content)
            os.rename(aside, resume / f"{serial:08d}")
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync_folder(resume)
        write_atomic(self.path / LAST, weights)
        newest = sorted(earlier, reverse=True)[: keep_last - 1]
        for folder in set(earlier) - set(newest):
            if not (keep_every and _iteration(folder) % keep_every == 0):
                shutil.rmtree(folder, ignore_errors=True)

    def save_best(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Replaces `checkpoint_best`; `CheckpointError` if a weight is not finite."""
        from twisterl.runs import tensors

        tensors.require_finite(weights, BEST)
        write_atomic(self.path / BEST, tensors.encode(weights))

    def load_commit(self) -> Commit:
        """The newest commit whose files are what its manifest says.

        Raises `RunFolderError` if there is none.
        """
        from twisterl.runs import tensors

        problems = []
        for folder in sorted(self._commits(), reverse=True):
            problem = _damage(folder)
            if problem is None:
                return Commit(
                    tensors.read(folder / "weights.safetensors")[0],
                    tensors.read(folder / "optimizer.safetensors")[0],
                    read_json(folder / "state.json"),
                )
            problems.append(problem)
        detail = "; ".join(problems) or "no commit was written"
        raise RunFolderError(f"{self.path}: cannot be resumed: {detail}")

    def last_iteration(self) -> int | None:
        """The iterations of the newest commit, None if there is no commit."""
        newest = max(self._commits(), default=None)
        return None if newest is None else _iteration(newest)

    def last_state(self) -> dict[str, Any]:
        """The state of the newest commit, unchecked; empty where none can be read."""
        newest = max(self._commits(), default=None)
        return {} if newest is None else _state(newest)

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

    def _commits(self) -> Iterator[Path]:
        resume = self.path / _RESUME
        if resume.is_dir():
            for folder in resume.iterdir():
                if re.fullmatch("[0-9]{1,18}", folder.name) and folder.is_dir():
                    yield folder


def _iteration(folder: Path) -> int:
    """The iterations before a commit; one that cannot be read is never kept."""
    try:
        return int(_state(folder)["iteration"])
    except (KeyError, TypeError):
        return -1


def _state(folder: Path) -> dict[str, Any]:
    """The state of a commit, unchecked; empty if it cannot be read."""
    try:
        state = read_json(folder / "state.json")
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _damage(folder: Path) -> str | None:
    """What is wrong with a commit, or None; no file but its own is looked at."""
    try:
        manifest = read_json(folder / _MANIFEST)
        if not isinstance(manifest, dict) or set(manifest) != _COMMITTED:
            return f"{folder / _MANIFEST} lists other files"
        for name, digest in manifest.items():
            with open_regular(folder / name) as file:
                if sha256_of(file) != digest:
                    return f"{folder / name} is not what was written (SHA-256 differs)"
    except (OSError, ValueError) as error:
        return f"{folder}: {error}"
    return None


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
