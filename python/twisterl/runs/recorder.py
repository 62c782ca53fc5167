"""What a run leaves behind while it learns."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType
from typing import Any

from twisterl.runs import checkpoints, dashboard, machine, plan, run_config
from twisterl.runs.errors import CheckpointError
from twisterl.runs.folder import MACHINE, RunFolder
from twisterl.runs.metrics import Metrics
from twisterl.runs.progress import Progress

_logger = logging.getLogger("twisterl")


class Recorder:
    """Keeps the iterations of `algorithm` inside its `with` block: lines, weights, TensorBoard.

    The block's end saves what is not yet saved, also where it fails. Without a `folder` there is
    but TensorBoard, if somebody has given a writer.
    """

    def __init__(self, algorithm: Any, folder: RunFolder | None) -> None:
        self._algorithm, self._folder = algorithm, folder
        self._committed: int | None = None
        self._metrics: Metrics | None = None
        if folder is not None:
            run_config.write(algorithm, folder)
            folder.write_json(MACHINE, machine.facts())
            folder.keep_metrics(algorithm.iteration)
            self._metrics = Metrics(folder.path)

    def __enter__(self) -> Recorder:
        return self

    def open_dashboard(self) -> None:
        """Makes TensorBoard's writer, which is told the number of the first iteration."""
        if self._algorithm.config["logging"]["log_freq"]:
            self._dashboard_writer()

    def _dashboard_writer(self) -> Any:
        folder = None if self._folder is None else self._folder.path
        return self._algorithm.dashboard.writer(folder, self._algorithm.iteration)

    def keep(self, progress: Progress) -> None:
        """Writes what an iteration has brought, and saves the run when it is time."""
        algorithm = self._algorithm
        if self._metrics is not None and self._folder is not None:
            self._write(self._metrics, self._folder, progress)
            logging = algorithm.config["logging"]
            if algorithm.save_is_asked() or plan.is_time_to_save(logging, algorithm.iteration):
                self._save()
        frequency = algorithm.config["logging"]["log_freq"]
        if frequency and progress.iteration % frequency == 0:
            _logger.info("%s", progress.as_dict())
            writer = self._dashboard_writer()
            if writer is not None:
                dashboard.write_scalars(writer, progress)

    def _write(self, metrics: Metrics, folder: RunFolder, progress: Progress) -> None:
        metrics.write(progress)
        if progress.improved:
            algorithm = self._algorithm
            notes = checkpoints.notes(algorithm.beam_value_weight)
            folder.save_best(algorithm.held.policy.state_dict(), notes)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.ExitStack() as ending:
            if self._metrics is not None:
                ending.callback(self._metrics.close)
            ending.callback(self._flush)
            if error is None:
                self._finish()
            else:
                self._rescue(error)

    def _finish(self) -> None:
        """Saves the last iterations; `FileNotFoundError` if the folder is not there any more."""
        if self._metrics is None:
            return
        try:
            self._metrics.require_there()
        except OSError as gone:
            self._rescue(gone)
            raise
        if self._is_unsaved():
            self._save()

    def _rescue(self, first: BaseException) -> None:
        """Saves the last iterations of a run that has failed with `first`, if that can be done."""
        if self._metrics is None or self._folder is None or not self._is_unsaved():
            return
        try:
            # Another run may be where a removed folder was.
            self._metrics.require_there()
            last = self._algorithm.last_progress
            try:
                if last is not None and last.iteration == self._algorithm.iteration - 1:
                    # It may have been interrupted after it counted and before it was written.
                    self._write(self._metrics, self._folder, last)
            finally:
                self._save()
        except (OSError, CheckpointError) as lost:
            if isinstance(first, KeyboardInterrupt):
                raise
            # The first failure is the one to report.
            _logger.error("the run could not be saved: %s", lost)

    def _is_unsaved(self) -> bool:
        return self._committed != self._algorithm.iteration

    def _save(self) -> None:
        self._algorithm.save()
        self._committed = self._algorithm.iteration

    def _flush(self) -> None:
        if self._metrics is None or self._metrics.is_there():
            self._algorithm.dashboard.flush()
