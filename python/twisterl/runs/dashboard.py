"""TensorBoard: the figures of a run under the tags that dashboards of TwisteRL know."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import secrets
import signal
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from twisterl.on_demand import is_imported, is_installed
from twisterl.runs.files import naming
from twisterl.runs.folder import METRICS
from twisterl.runs.progress import Progress

_BENCHMARKS = ("difficulty", "success", "reward")
_NOT_MADE: Any = object()
# The module of the writer that needs no torch.
_WITHOUT_TORCH = "twisterl.runs.event_file"
_logger = logging.getLogger("twisterl")
# Seconds that what was written may wait for its file, and that torch's thread may sleep: what an
# interruption has cut off does not wake it, and `flush` waits for it.
_FLUSH_S = 2


class Dashboard:
    """The writer of a run, made when it is first asked for, or one that somebody has given.

    A copy in another process has none yet, and makes one if this one would.
    """

    def __init__(self, is_wanted: bool = True) -> None:
        self._writer: Any = _NOT_MADE if is_wanted else None
        self._folder: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Dashboard, (self._writer is not None,)

    @property
    def made(self) -> Any:
        """The writer that there is, or None."""
        return None if self._writer is _NOT_MADE else self._writer

    def give(self, writer: Any) -> None:
        """Makes `writer` the writer, wherever the run is; None for none."""
        self._writer, self._folder = writer, None

    def writer(self, folder: Path | None, iteration: int, *, of_torch: bool = False) -> Any:
        """The writer of the run in `folder`, which goes on with `iteration`; None without one.

        It is torch's where torch is imported, or is asked for and installed.
        """
        of_torch = is_imported() or (of_torch and is_installed())
        is_other = of_torch and type(self._writer).__module__ == _WITHOUT_TORCH
        if self._writer is _NOT_MADE or self._folder not in (None, folder) or is_other:
            if folder is None:
                return None
            if self._folder is not None and self._writer is not None:
                self.flush()
                self._writer.close()
            self._writer = _make_writer(folder, iteration, self, of_torch)
            self._folder = folder
        return self._writer

    def flush(self) -> None:
        """Waits until all that the writer was told is in its file."""
        if self.made is not None:
            with naming(_place(self._writer)):
                self._writer.flush()


def _make_writer(
    folder: str | os.PathLike[str], iteration: int, owner: object, of_torch: bool
) -> Any:
    """A TensorBoard writer, closed with its `owner`; imported here since it is slow.

    What an earlier process wrote of `iteration` and later ones is no longer shown: it was lost
    with the process, and the run plays these iterations again. None where tensorboard is not
    installed, which is said.
    """
    if importlib.util.find_spec("tensorboard") is None:
        _logger.warning(
            "%s: without files for TensorBoard, which pip install tensorboard makes; %s has all "
            "figures",
            folder,
            METRICS,
        )
        return None
    # Nobody can plant a link under a name that nobody can guess.
    suffix = f".{secrets.token_hex(8)}"
    charts = {"all": ["Multiline", ["Losses/.*"]]}
    made = importlib.import_module("torch.utils.tensorboard" if of_torch else _WITHOUT_TORCH)
    writer_cls = made.SummaryWriter if of_torch else made.EventWriter
    options = {"purge_step": iteration, "filename_suffix": suffix, "flush_secs": _FLUSH_S}
    with naming(folder), signals_put_off():
        writer = writer_cls(os.fspath(folder), **options)
        writer.add_custom_scalars({"Losses": charts, "Times": {"all": ["Multiline", ["Times/.*"]]}})
    weakref.finalize(owner, _close, writer)
    return writer


@contextlib.contextmanager
def signals_put_off() -> Iterator[None]:
    """Puts a signal's handler off until the block ends, but for a second signal.

    A writer hands its thread all it is told through a queue of Python's. What a handler raises in
    the middle of that leaves a queue which counts wrongly, or whose reader sleeps on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        if len(came) > 1:
            before[number](number, frame)

    known = {number: signal.getsignal(number) for number in signal.valid_signals()}
    before: dict[int, Any] = {n: handler for n, handler in known.items() if callable(handler)}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            before[came[0][0]](*came[0])


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
    with naming(_place(writer)), signals_put_off():
        for name, value in {**_summed(progress), **scalars(progress)}.items():
            writer.add_scalar(name, value, progress.iteration, new_style=True)


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
