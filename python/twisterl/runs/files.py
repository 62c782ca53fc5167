"""Files that no crash leaves torn, and no link leads astray."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path


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
    sync_folder(target.parent)


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


def sync_folder(folder: Path) -> None:
    """Flushes the names in `folder` to the disk."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with naming(folder):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
