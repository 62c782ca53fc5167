"""Where the numbers of a run go: `metrics.jsonl` always, TensorBoard where it is wanted."""

from __future__ import annotations

import errno
import json
import os
import weakref
from pathlib import Path
from typing import Any

from twisterl.checkpoint import METRICS
from twisterl.rl.progress import Progress


class Recorder:
    """Appends one line per iteration to the run folder's `metrics.jsonl`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._path = Path(folder) / METRICS
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(self._path, flags, 0o666), "a", encoding="utf-8")

    def write(self, progress: Progress) -> None:
        """Raises FileNotFoundError if the file is no longer that of the folder."""
        self.require_there()
        self._file.write(json.dumps(progress.as_dict()) + "\n")
        self._file.flush()

    def require_there(self) -> None:
        """Raises FileNotFoundError if the folder was removed or replaced meanwhile."""
        try:
            there = os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            there = False
        if not there:
            problem = "was removed or replaced while the run wrote to it"
            raise FileNotFoundError(errno.ENOENT, problem, os.fspath(self._path))

    def close(self) -> None:
        self._file.close()


def make_writer(folder: str | os.PathLike[str], iteration: int, owner: object) -> Any:
    """A TensorBoard writer, closed with its `owner`; imported here since it is slow.

    What an earlier process wrote of `iteration` and later ones is no longer shown: it was lost
    with the process, and the run plays these iterations again.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(os.fspath(folder), purge_step=iteration if iteration else None)
    charts = {"all": ["Multiline", ["Losses/.*"]]}
    writer.add_custom_scalars({"Losses": charts, "Times": {"all": ["Multiline", ["Times/.*"]]}})
    weakref.finalize(owner, writer.close)
    return writer


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
    """One iteration, each figure its own scalar of one file."""
    for name, value in scalars(progress).items():
        writer.add_scalar(name, value, progress.iteration, new_style=True)


_BENCHMARKS = ("difficulty", "success", "reward")
