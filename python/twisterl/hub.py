"""What came from a model hub, compared with what the hub had announced."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from twisterl.config.json import open_regular
from twisterl.faults import InputError
from twisterl.runs.digest import sha256_of

_SHA256 = re.compile(r"[0-9a-f]{64}")


class HubError(InputError):
    """A file from a model hub that is not what was announced; the text says which and why."""


def is_plain(name: str) -> bool:
    """Whether `name` is one of a file below the folder that it is put in, on every system."""
    parts = PurePosixPath(name).parts
    return ".." not in parts and not re.search(r"^/|[\\:\0]", name)


def unannounced(folder: str | os.PathLike[str], listing: Iterable[Any]) -> list[str]:
    """Compares the files in `folder` with what is known of them.

    Args:
        folder: that `snapshot_download` has given; its files are links to blobs, whose names are
            the digests that were announced for the download.
        listing: `siblings` of `HfApi.model_info` with the files' metadata, as many as there are.

    Returns:
        The models, by name, of which no SHA-256 is known.

    Raises:
        HubError: a file has another size or SHA-256, or no plain name.
    """
    entries = {str(getattr(entry, "rfilename", "")): entry for entry in listing}
    unknown = []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_dir():
            continue
        name = path.relative_to(folder).as_posix()
        if not is_plain(name):
            raise HubError(f"{path}: {name!r} is no name of a file on every system")
        entry = entries.get(name)
        size = getattr(entry, "size", None)
        if isinstance(size, int) and size != path.stat().st_size:
            raise HubError(f"{path}: has {path.stat().st_size} bytes; {size} were announced")
        lfs = getattr(getattr(entry, "lfs", None), "sha256", None)
        announced = {text for text in (lfs, _blob(path)) if _SHA256.fullmatch(str(text))}
        with open_regular(path) as file:
            differs = announced and announced != {sha256_of(file)}
        if differs:
            problem = f"{path}: its SHA-256 is not the one that was announced"
            raise HubError(f"{problem}; delete {os.path.realpath(path)} and pull again")
        if not announced and path.suffix != ".json":
            unknown.append(name)
    return unknown


def _blob(path: Path) -> str | None:
    target = Path(os.path.realpath(path))
    return target.name if path.is_symlink() and target.parent.name == "blobs" else None
