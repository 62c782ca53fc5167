"""The side of an algorithm that its run folder sees."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from twisterl.rl.held import Held
from twisterl.runs import resume
from twisterl.runs.dashboard import Dashboard
from twisterl.runs.folder import RunFolder
from twisterl.runs.lock import RunLock
from twisterl.runs.watchers import Watchers


class Kept:
    """A run that is saved in `run_path`, if that is given, and goes on from there."""

    config: dict[str, Any]
    iteration: int
    dashboard: Dashboard
    held: Held
    _watchers: Watchers

    def _start_keeping(self) -> None:
        """Makes what no copy shares, nor takes to another process."""
        self._watchers = Watchers()
        self._lock: RunLock | None = None
        self._save_soon = threading.Event()

    @property
    def run_path(self) -> Any:
        """The folder for checkpoints and metrics as it was given, or None; may be assigned."""
        return self._run_path

    @run_path.setter
    def run_path(self, path: Any) -> None:
        # Where it is now: a program may go to another folder while the run goes on.
        self._run_folder = None if path is None else RunFolder(path)
        self._run_path = path

    def _folder(self) -> RunFolder:
        if self._run_folder is None:
            raise ValueError("run_path: got None; expected the folder of the run")
        return self._run_folder

    def lock(self) -> RunLock:
        """The lock of the run folder, for `with`: only this algorithm writes there then.

        `learn`, `save` and `resume` hold it themselves. Raises `RunFolderError` at the block's
        begin if another training has it.
        """
        folder = self._folder().path
        if self._lock is None or self._lock.folder != folder:
            self._lock = RunLock(folder)
        return self._lock

    def request_save(self) -> None:
        """Makes `learn` save after its iteration and go on."""
        self._save_soon.set()

    def save_is_asked(self) -> bool:
        """Whether `request_save` was called since this was asked last."""
        asked = self._save_soon.is_set()
        self._save_soon.clear()
        return asked

    def save(self) -> None:
        """Commits the run to `run_path`, so that `resume` continues it.

        Raises `CheckpointError` for weights that are not finite; nothing is replaced then.
        """
        logging = self.config["logging"]
        with self.lock():
            self._folder().commit(
                resume.commit_of(self), logging["keep_last"], logging["keep_every"]
            )
        self._watchers.save(self)

    def resume(self, given: Collection[str] = ()) -> None:
        """Continues the run in `run_path`: weights, optimizer, memory, counters, generators.

        Keys of the config that differ from the run's take effect and are told in a warning; those
        named by the dotted paths `given` take effect even where they do not differ.

        Raises `RunFolderError` or `CheckpointError` before anything is changed.
        """
        folder = self._folder()
        resume.restore(self, folder, folder.load_commit(as_arrays=self.held.is_array), given)
        with self.lock():
            folder.keep_metrics(self.iteration)

    @property
    def tb_writer(self) -> Any:
        """The TensorBoard writer, made at first use if there is a run path; may be assigned."""
        folder = None if self._run_folder is None else self._run_folder.path
        return self.dashboard.writer(folder, self.iteration, of_torch=True)

    @tb_writer.setter
    def tb_writer(self, writer: Any) -> None:
        self.dashboard.give(writer)
