"""The helpers that programs built on TwisteRL call: configs, checkpoints, the model hub.

`HfApi` and `snapshot_download` are attributes of this module, taken from huggingface_hub when they
are first used, so that tests can replace them here.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl import hub
from twisterl.config.build import build_algorithm
from twisterl.config.json import json_load_tuples, read_json
from twisterl.config.resolve import import_attribute
from twisterl.config.trust import HubConfig, is_from_hub
from twisterl.config.validation import check_run
from twisterl.on_demand import optional

if TYPE_CHECKING:
    import torch

__all__ = [  # noqa: F822 - HfApi and snapshot_download are made by __getattr__
    "HfApi",
    "convert_pt_to_safetensors",
    "dynamic_import",
    "json_load_tuples",
    "load_checkpoint",
    "load_config",
    "prepare_algorithm",
    "pull_hub_algorithm",
    "snapshot_download",
    "validate_algorithm_from_hub",
]

_logger = logging.getLogger("twisterl")
_HUB_NAMES = ("HfApi", "snapshot_download")


def __getattr__(name: str) -> Any:
    if name in _HUB_NAMES:
        return getattr(optional("huggingface_hub", "the model hub"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _hub(name: str) -> Any:
    """`name` of this module, replaced by a test or not."""
    return getattr(sys.modules[__name__], name)


def dynamic_import(path: str) -> Any:
    """What the dotted `path` names; `ImportError` saying which part of it is not there.

    >>> dynamic_import("json.loads")("3")
    3
    """
    return import_attribute(path)


def load_config(config_path: str | os.PathLike[str]) -> Any:
    """The JSON value in the file at `config_path`, with its tuple lists read as such.

    An object from the model hub is a `HubConfig`, which `prepare_algorithm` does not trust.

    Raises `ConfigError` (a `ValueError`, and an `OSError` where the file cannot be opened) for a
    file that is no JSON, is larger than 1 MiB, or holds duplicate keys, NaN or Infinity.
    """
    value = read_json(config_path)
    return HubConfig(value) if isinstance(value, dict) and is_from_hub(config_path) else value


def load_checkpoint(checkpoint_path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """The state dict in a `.safetensors` or legacy `.pt` file, on the CPU.

    Raises `CheckpointError` (a `ValueError`) naming the file and the tensor for a file that is cut
    off, is no such file, is not what was written, or holds NaN or infinity.
    """
    from twisterl.runs import checkpoints

    return checkpoints.load(checkpoint_path)


def convert_pt_to_safetensors(
    pt_path: str | os.PathLike[str], output_path: str | os.PathLike[str] | None = None
) -> str:
    """Writes the state dict of a `.pt` file as safetensors and returns the path of the new file.

    `output_path` defaults to the same name with the ending `.safetensors`.
    """
    from twisterl.runs import checkpoints

    return checkpoints.convert(pt_path, output_path)


def prepare_algorithm(
    config: dict[str, Any],
    run_path: str | os.PathLike[str] | None = None,
    load_checkpoint_path: str | os.PathLike[str] | None = None,
    *,
    trust: bool | None = None,
) -> Any:
    """The algorithm that a run config describes, with its environment and policy.

    Torch is seeded from `algorithm.seed` first, so that equal configs start from equal weights.
    Without `trust`, for configs from elsewhere, no class outside this package is imported; the
    default trusts all but those that `load_config` has read from the model hub.

    Raises `ConfigError` or `CheckpointError` before anything is built or written.
    """
    run = check_run(config)
    if trust is None:
        trust = not isinstance(config, HubConfig)
    return build_algorithm(run, load_checkpoint_path, trust=trust, run_path=run_path)


def validate_algorithm_from_hub(repo_id: str, revision: str = "main") -> dict[str, Any]:
    """Whether the hub repository `repo_id` holds a config and a checkpoint.

    Returns `{"is_valid": bool, "missing": [pattern]}`; `["<repo not found>"]` if it cannot be
    asked, `["<plain name for ...>"]` for a file whose name leads out of its folder.
    """
    try:
        files = _hub("HfApi")().list_repo_files(repo_id, revision=revision)
    except Exception as error:
        _logger.warning("%s at %s cannot be asked: %s", repo_id, revision, error)
        return {"is_valid": False, "missing": ["<repo not found>"]}
    missing = [f"<plain name for {name!r}>" for name in files if not hub.is_plain(name)]
    if not fnmatch.filter(files, "*.json"):
        missing.append("*.json")
    if not fnmatch.filter(files, "*.safetensors") and not fnmatch.filter(files, "*.pt"):
        missing.append("*.safetensors or *.pt")
    return {"is_valid": not missing, "missing": missing}


def pull_hub_algorithm(
    repo_id: str,
    model_path: str | os.PathLike[str] = "../models/",
    revision: str = "main",
    validate: bool = False,
    *,
    allow_pickle: bool = False,
) -> str | bool:
    """Downloads the configs and checkpoints of `repo_id` and returns their folder, or False.

    `revision` is checked and downloaded alike. `.pt` files come only with `allow_pickle`. The cause
    of a failure is logged.

    Raises `HubError` (a `ValueError`) for a file that is not what the hub had announced: false
    data is no failure to be tried again.
    """
    if validate:
        report = validate_algorithm_from_hub(repo_id, revision=revision)
        if not report["is_valid"]:
            _logger.warning("%s at %s lacks %s", repo_id, revision, ", ".join(report["missing"]))
            return False
    patterns = ["*.json", "*.safetensors"] + (["*.pt"] if allow_pickle else [])
    try:
        folder = _hub("snapshot_download")(
            repo_id,
            cache_dir=model_path,
            allow_patterns=patterns,
            revision=revision,
            force_download=False,
        )
    except Exception as error:
        _logger.warning("%s at %s could not be downloaded: %s", repo_id, revision, error)
        return False
    for name in hub.unannounced(folder, _listing(repo_id, revision, Path(folder))):
        _logger.warning("no SHA-256 was announced for %s of %s", name, repo_id)
    _logger.info("the files of %s are in %s", repo_id, folder)
    return folder


def _listing(repo_id: str, revision: str, folder: Path) -> list[Any]:
    """What the hub tells of the files in `folder`; nothing if there are none or it is not there."""
    if not any(folder.glob("*")):
        return []
    commit = folder.name if re.fullmatch("[0-9a-f]{40}", folder.name) else revision
    try:
        info = _hub("HfApi")().model_info(repo_id, revision=commit, files_metadata=True)
        return list(info.siblings)
    except Exception as error:
        _logger.info("%s at %s cannot be asked: %s", repo_id, commit, error)
        return []
