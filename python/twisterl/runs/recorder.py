"""Where the numbers of a run go: `metrics.jsonl` always, TensorBoard where it is wanted."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisterl.runs.files import naming, open_for_appending
from twisterl.runs.folder import METRICS
from twisterl.runs.progress import Progress


class Recorder:
    """Appends one line per iteration to the run folder's `metrics.jsonl`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._path = Path(folder) / METRICS
        self._file = os.fdopen(open_for_appending(self._path), "a", encoding="utf-8")

    def write(self, progress: Progress) -> None:
        """Raises FileNotFoundError if the file is no longer that of the folder."""
        self.require_there()
        with naming(self._path):
            self._file.write(json.dumps(progress.as_dict()) + "\n")
            self._file.flush()

    def require_there(self) -> None:
        """Raises FileNotFoundError if the folder was removed or replaced meanwhile."""
        if not self.is_there():
            problem = "was removed or replaced while the run wrote to it"
            raise FileNotFoundError(errno.ENOENT, problem, os.fspath(self._path))

    def is_there(self) -> bool:
        """Whether the folder is the one that the run began in."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def close(self) -> None:
        with naming(self._path):
            self._file.close()


def make_writer(folder: str | os.PathLike[str], iteration: int, owner: object) -> Any:
    """A TensorBoard writer, closed with its `owner`; imported here since it is slow.

    What an earlier process wrote of `iteration` and later ones is no longer shown: it was lost
    with the process, and the run plays these iterations again.
    """
    from torch.utils.tensorboard import SummaryWriter

    # Nobody can plant a link under a name that nobody can guess.
    suffix = f".{secrets.token_hex(8)}"
    charts = {"all": ["Multiline", ["Losses/.*"]]}
    with naming(folder):
        writer = SummaryWriter(os.fspath(folder), purge_step=iteration, filename_suffix=suffix)
        writer.add_custom_scalars({"Losses": charts, "Times": {"all": ["Multiline", ["Times/.*"]]}})
    weakref.finalize(owner, _close, writer)
    return writer


@contextlib.contextmanager
def quiet_writers() -> Iterator[None]:
    """Inside, no thread of TensorBoard prints its error, which its writer raises next."""
    before = threading.excepthook

    def tell(ended: threading.ExceptHookArgs) -> None:
        if not type(ended.thread).__module__.startswith("tensorboard."):
            before(ended)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _close(writer: Any) -> None:
    # What could not be written, `flush` has told.
    with contextlib.suppress(OSError):
        writer.close()


def scalars(progress: Progress) -> dict[str, float]:
    """The figures of one iteration under the tags that dashboards of TwisteRL know."""
    named = {f"Benchmark/{name}": getattr(progress, name) for name in _BENCHMARKS}
    for name, found in progress.evaluations.items():
        named[f"Benchmark/Detail/Success/{name}"] = found.success
        named[f"Benchmark/Detail/Reward/{name}"] = found.reward
    named.update({f"Losses/{name}": value for name, value in progress.losses.items()})
    named.update({f"Times/{name}": value for name, value in progress.times.items()})
    return {name: value for name, value in named.items() if value is not None}


def write_scalars(writer: Any, progress: Progress) -> None:
    """One iteration, each figure its own scalar of one file.

    The tags that had a folder for each figure hold the one that stands for all: the total, or the
    evaluation that the curriculum goes by.
    """
    with naming(_place(writer)):
        for name, value in {**_summed(progress), **scalars(progress)}.items():
            writer.add_scalar(name, value, progress.iteration, new_style=True)


def flush(writer: Any) -> None:
    """Waits until all that `writer` was told is in its file."""
    with naming(_place(writer)):
        writer.flush()


def _place(writer: Any) -> str:
    return str(getattr(writer, "log_dir", "TensorBoard"))


def _summed(progress: Progress) -> dict[str, float]:
    found = {
        "Benchmark/Detail/Success": progress.success,
        "Benchmark/Detail/Reward": progress.reward,
        "Losses": progress.losses.get("total"),
        "Times": progress.times.get("total"),
    }
    return {name: value for name, value in found.items() if value is not None}


_BENCHMARKS = ("difficulty", "success", "reward")
