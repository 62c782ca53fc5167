"""Runs on a model hub: what of a run is sent there, and what comes back, checked.

A failure names the file and its cause. Whether the hub answers at all is known within
`ANSWER_S` seconds; what moves data may take longer.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisterl.config.json import open_regular, parse_json, read_bytes
from twisterl.hub import HubError, is_plain, unannounced
from twisterl.on_demand import optional
from twisterl.runs.digest import sha256_of
from twisterl.runs.folder import (
    BASE_CONFIG,
    BEST,
    FULL_CONFIG,
    MACHINE,
    METRICS,
    MODULE,
    RunFolder,
)

ANSWER_S = 2.5
# SHA-256 of the files of a run, by name.
DIGESTS = "digests.json"
CARD = "README.md"
_PULLED = ("*.json", "*.safetensors", MODULE)
_Answer = TypeVar("_Answer")


class HubUnreachable(OSError):
    """The hub did not do what it was asked; `filename` is what it was asked for."""

    def __init__(self, what: str, cause: str) -> None:
        super().__init__(0, cause, what)


def contents(folder: RunFolder) -> dict[str, bytes]:
    """The files of a run that are sent, by name, with their digests; no commit, no event file.

    Raises `RunFolderError` without a checkpoint and `ConfigError` without a config.
    """
    files = {BASE_CONFIG: read_bytes(folder.path / BASE_CONFIG)}
    for name in (FULL_CONFIG, MACHINE, METRICS, MODULE):
        if (folder.path / name).is_file():
            with open_regular(folder.path / name) as file:
                files[name] = file.read()
    with open_regular(folder.weights_path("best")) as file:
        files[BEST] = file.read()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files[DIGESTS] = (json.dumps(digests, indent=2) + "\n").encode()
    return files


def push(files: dict[str, bytes], repo: str, *, private: bool = False, revision: str | None = None
         ) -> str:  # fmt: skip
    """Sends `files` to the hub repository `repo`, made where there is none; the commit's id.

    Raises `HubUnreachable`.
    """
    library = optional("huggingface_hub", "the model hub")
    if library.get_token() is None:
        cause = "no token of a hub: hf auth login makes one, or HF_TOKEN holds it"
        raise HubUnreachable(repo, cause)
    api = library.HfApi()
    _answered(repo, lambda: api.create_repo(repo, private=private, exist_ok=True))
    operations = [library.CommitOperationAdd(name, content) for name, content in files.items()]
    message = f"Run of twisterl with {len(files)} files"
    try:
        done = api.create_commit(repo, operations, commit_message=message, revision=revision)
    except Exception as error:
        raise HubUnreachable(f"{repo}: {', '.join(files)}", cause_of(error)) from error
    return str(done.oid)


def pull(repo: str, revision: str, folder: str | os.PathLike[str]) -> Path:
    """The run in the hub repository `repo` at `revision`, below `folder`, as it was announced.

    Files come from the one commit that `revision` is when it is asked. Each is compared with the
    digest that the hub announces for it, and with that which whoever sent it has noted.

    Raises:
        HubUnreachable: it cannot be asked, or a file does not come; names the file.
        HubError: it is no run, or a file is not what it should be.
    """
    library = optional("huggingface_hub", "the model hub")
    api, where = library.HfApi(), f"{repo} at {revision}"
    # The limit of `_answered` is the one that is told.
    limit = 2 * ANSWER_S
    info = _answered(
        where,
        lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=limit),
    )
    names = [str(entry.rfilename) for entry in info.siblings]
    for name in names:
        if not is_plain(name):
            raise HubError(f"{where}: {name!r} is no name of a file on every system")
    wanted = [name for name in names if any(fnmatch.fnmatch(name, kind) for kind in _PULLED)]
    for needed in (BASE_CONFIG, "*.safetensors"):
        if not fnmatch.filter(wanted, needed):
            raise HubError(f"{where}: holds no run of twisterl: {needed} is missing")
    for name in wanted:
        try:
            place = library.hf_hub_download(
                repo, name, revision=info.sha, cache_dir=folder, etag_timeout=ANSWER_S
            )
        except Exception as error:
            raise HubUnreachable(f"{repo}/{name}", cause_of(error)) from error
        if name == BASE_CONFIG:
            found = Path(place).parent
    unannounced(found, info.siblings)
    _compare(found)
    return found


def _compare(folder: Path) -> None:
    """Raises `HubError` for a file that is not the one whose digest was noted when it was sent."""
    path = folder / DIGESTS
    if not path.is_file():
        return
    digests = parse_json(path.read_bytes(), str(path))
    if not isinstance(digests, dict):
        raise HubError(f"{path}: got a JSON {type(digests).__name__}; expected an object")
    for name, digest in digests.items():
        file = folder / name
        if not is_plain(name) or not file.is_file():
            # What is not pulled, such as the metrics.
            continue
        with open_regular(file) as opened:
            if sha256_of(opened) != digest:
                raise HubError(f"{file}: its SHA-256 is not the one in {DIGESTS}")


def cause_of(error: BaseException) -> str:
    """What went wrong, in a line."""
    name = type(error).__name__
    known = {
        "RepositoryNotFoundError": "no such repository, or none that this token may see",
        "RevisionNotFoundError": "no such revision",
        "GatedRepoError": "access must be asked for on the hub first",
    }
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return known.get(name) or f"{name}: {lines[0][:200] if lines else 'no more is known'}"


def _answered(what: str, ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` returns, `HubUnreachable` where it fails or takes longer than `ANSWER_S`.

    A name that no server resolves, and a server that says nothing, end with no time limit of a
    socket: so another thread asks.
    """
    answers: list[_Answer] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    if answers:
        return answers[0]
    if errors:
        raise HubUnreachable(what, cause_of(errors[0])) from errors[0]
    raise HubUnreachable(what, f"the hub has not answered within {ANSWER_S} seconds")
