"""Processes held to so many bytes by Linux, as a container holds them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sides import UnavailableError

GROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited(mib: int) -> Iterator[Path]:
    """A group whose processes have `mib` MiB together, pages of the files that they read included:
    what does not fit is read again, never swapped.

    Raises:
        UnavailableError: this machine or this user cannot make such a group.
    """
    limit = str(mib * 2**20)
    # The second file limits memory and swap together, or swap alone.
    files = {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": limit}
    parent = GROUPS / "memory"
    if not parent.is_dir():
        parent, files = GROUPS, {"memory.max": limit, "memory.swap.max": "0"}
    group = parent / f"twisterl-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        try:
            group.mkdir()
            stack.callback(group.rmdir)
            for name, value in files.items():
                (group / name).write_text(value)
        except OSError as error:
            raise UnavailableError(f"no group of limited memory can be made: {error}") from error
        yield group


def enter(group: Path) -> None:
    """Moves this process into `group`."""
    (group / "cgroup.procs").write_text(str(os.getpid()))


def forget(folder: Path) -> None:
    """Drops the pages of the libraries in `folder` that no process has mapped: a group is charged
    only for pages that it is the first to read."""
    for path in folder.rglob("*.so*"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
