"""The numbers of a run, one line an iteration, in `metrics.jsonl`."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

from twisterl.runs.files import naming, open_for_appending
from twisterl.runs.folder import METRICS
from twisterl.runs.progress import Progress


class Metrics:
    """Appends one line per iteration to the run folder's `metrics.jsonl`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._path = Path(folder) / METRICS
        # Unbuffered: what an interruption leaves is in the file, or nowhere.
        self._file = os.fdopen(open_for_appending(self._path), "ab", buffering=0)
        self._begun: tuple[int, int] | None = None

    def write(self, progress: Progress) -> None:
        """Writes the line of an iteration; of the last one again, whatever came of it before.

        Raises FileNotFoundError if the file is no longer that of the folder.
        """
        self.require_there()
        with naming(self._path):
            if self._begun is not None and self._begun[0] == progress.iteration:
                self._file.truncate(self._begun[1])
            else:
                self._begun = (progress.iteration, os.fstat(self._file.fileno()).st_size)
            line = memoryview((json.dumps(progress.as_dict()) + "\n").encode())
            while line:
                line = line[self._file.write(line) :]

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
