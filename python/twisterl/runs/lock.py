"""The right to write into a run folder, which one training at a time has.

The operating system holds the lock for the open file, so that it ends with the process, however
that ends: what a killed one leaves is in nobody's way. A forked child does not hold the lock of its
parent. NFS has such locks on Linux; on a file system without any a warning says that a second
training would not be noticed.
"""

from __future__ import annotations

import errno
import logging
import os
import time
import weakref
from pathlib import Path
from types import TracebackType

from twisterl.runs.errors import RunFolderError
from twisterl.runs.files import naming
from twisterl.runs.folder import LOCK

_logger = logging.getLogger("twisterl")
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunLock:
    """Held inside its `with` blocks, which may be nested; every object is a holder of its own.

    Raises:
        RunFolderError: another holder has the folder; names it, and nothing was written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._descriptor: int | None = None
        self._depth = 0

    def __enter__(self) -> RunLock:
        if self._descriptor is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._acquire()
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth == 0 and self._descriptor is not None:
            try:
                # Whoever held it is of no interest any more.
                with naming(self.folder / LOCK):
                    os.ftruncate(self._descriptor, 0)
            except OSError:
                # The first failure is the one to report.
                if error is None:
                    raise
            finally:
                self._drop()

    def _drop(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __getstate__(self) -> dict[str, object]:
        """A copy holds nothing."""
        return {"folder": self.folder, "_descriptor": None, "_depth": 0}

    def _acquire(self) -> None:
        descriptor = _locked(self.folder, os.O_CREAT)
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            with naming(self.folder / LOCK):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} (since {since})\n".encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(self)


# Parent and child share an open file, and with it the lock, until both have closed it.
_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _drop_all() -> None:
    for lock in list(_held):
        lock._drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_all)


def require_free(folder: Path) -> None:
    """Raises `RunFolderError` if a training is writing into `folder`; changes nothing."""
    if (folder / LOCK).is_file():
        os.close(_locked(folder, 0))


def is_held(folder: Path) -> bool:
    """Whether a training is writing into `folder`; whoever looks is in no training's way."""
    try:
        # A training that ends leaves the file empty, one that was killed does not.
        if (folder / LOCK).stat().st_size:
            require_free(folder)
    except RunFolderError:
        return True
    except OSError:
        pass
    return False


def _locked(folder: Path, creating: int) -> int:
    """The descriptor of the lock file, locked; `RunFolderError` if another one is."""
    flags = os.O_RDWR | creating | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(folder / LOCK, flags, 0o666)
    try:
        if not _lock(descriptor):
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            who = holder or "another process"
            raise RunFolderError(f"{folder}: {who} is writing here; wait, or choose another folder")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> bool:
    """Whether the open file could be locked for this process alone."""
    try:
        if os.name == "nt":
            import msvcrt

            # Far behind what is written, since locked bytes cannot be read.
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        if error.errno not in _NO_LOCKS:
            raise
        _logger.warning("the run folder cannot be locked here (%s); let one training at a time "
                        "write into it", error.strerror)  # fmt: skip
    return True
