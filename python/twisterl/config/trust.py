"""Whose configs may name classes of other packages.

A class is code, so a config that names one of another package is believed only if it is the user's
own: a file that the user names to train with, or that of a run which the user has trained, by the
command or in Python. Such a run is known by a note in a folder of the user's own,
`twisterl/trusted` in the state folder: its name is the SHA-256 of the config, its text the folder
that modules of no package were imported from. Nothing that lies in a run folder can make such a
note, and a run may be moved and copied as one likes.

All other configs come from elsewhere, above all those in a folder that a model hub was pulled to.
Such a config names classes of this package only, unless the user says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import stat
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from twisterl.config.registry import REGISTRY, WASM, registered

_logger = logging.getLogger("twisterl")
# The folders of one model in the cache of the hub; the files of its snapshots lie in its blobs.
_SNAPSHOT = re.compile(r"[/\\]models--[^/\\]+[/\\](snapshots|blobs)[/\\]")


class HubConfig(dict[str, Any]):
    """A config from a folder of the model hub."""


def is_from_hub(path: str | os.PathLike[str]) -> bool:
    """Whether the file at `path` lies where a model hub was pulled to."""
    return any(_SNAPSHOT.search(whole(path)) for whole in (os.path.abspath, os.path.realpath))


def names_others(config: Mapping[str, Any]) -> bool:
    """Whether `config` names a class of another package."""
    return bool(others_of(config))


def others_of(config: Mapping[str, Any]) -> list[str]:
    """The classes of other packages that `config` names."""
    paths = {kind: config.get(kind) for kind in REGISTRY}
    found = [str(path) for kind, path in paths.items() if _is_code(kind, path)]
    env = config.get("env")
    if isinstance(env, Mapping) and "pyenv_cls" in env:
        found.append(str(env["pyenv_cls"]))
    return found


def _is_code(kind: str, path: Any) -> bool:
    """Whether `path` names a class of another package; a module in a sandbox is none."""
    if not isinstance(path, str) or (kind == "env_cls" and path.endswith(WASM)):
        return False
    return registered(kind, path) is None


def may_import(config: Mapping[str, Any], *, trust: bool) -> str | None:
    """Whether the command line may import the classes that `config` names.

    Args:
        config: as it stands in the file.
        trust: the user's word for it; else it counts where it comes from.

    Returns:
        The folder where its modules are that are not installed, which is on `sys.path` from now on,
        "" if it names no class of another package; None if nothing may be imported.
    """
    if not names_others(config):
        return ""
    folder = os.getcwd() if trust else _noted_folder(config)
    if folder is not None and folder not in sys.path:
        # Last, so that nothing installed is replaced.
        sys.path.append(folder)
    return folder


def remember(config: Mapping[str, Any], folder: str) -> None:
    """Notes that `config` is the user's own from now on, and its modules are in `folder`."""
    if not names_others(config):
        return
    from twisterl.runs.files import write_atomic

    try:
        notes = _notes()
        notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(notes):
            raise OSError(f"others may write in {notes}")
        write_atomic(notes / _digest(config), os.fsencode(folder))
    except (OSError, RuntimeError) as error:
        _logger.warning("eval and solve of this run will need --trust: no note was made: %s", error)


def remember_made(config: Mapping[str, Any], classes: Iterable[type]) -> None:
    """As `remember`, of a run that a program has made of `classes`; a note that is there stays."""
    if names_others(config) and _noted_folder(config) is None:
        remember(config, _folder_of(classes))


def _folder_of(classes: Iterable[type]) -> str:
    """The folder that the modules of `classes` lie in; one without installed packages if any is."""
    folders = []
    for name in dict.fromkeys(cls.__module__.partition(".")[0] for cls in classes):
        module = sys.modules[name]
        place = [*getattr(module, "__path__", []), getattr(module, "__file__", None)][0]
        if name != "twisterl" and place is not None:
            folders.append(os.path.dirname(os.path.abspath(place)))
    installed = {os.path.abspath(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    return min(folders, key=installed.__contains__, default=os.getcwd())


def _noted_folder(config: Mapping[str, Any]) -> str | None:
    """The folder that `remember` has noted for `config`, if it has and the folder is there."""
    try:
        notes = _notes()
        if not _is_private(notes):
            return None
        folder = os.fsdecode((notes / _digest(config)).read_bytes())
    except (OSError, RuntimeError):
        return None
    return folder if os.path.isdir(folder) else None


def _notes() -> Path:
    """The folder of the notes; `RuntimeError` for a user without a home."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "twisterl" / "trusted"
    state = Path(os.environ.get("XDG_STATE_HOME") or "")
    if not state.is_absolute():
        state = Path.home() / ".local" / "state"
    return state / "twisterl" / "trusted"


def _is_private(folder: Path) -> bool:
    """Whether nobody else can make a file in `folder`, which may lie in a folder of all users."""
    if os.name == "nt":
        return True
    found = os.lstat(folder)
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not others


def _digest(config: Mapping[str, Any]) -> str:
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
