"""The defaults as plain dictionaries, derived from the models of `twisterl.config`.

>>> make_config("PPO", {"device": "cpu", "training": {"num_epochs": 3}})["training"]["vf_coef"]
0.8
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from twisterl.config.algorithm import POLICY, AlgorithmSection, Learning, Logging
from twisterl.config.evaluations import PRESETS, Evaluation
from twisterl.config.registry import ALGORITHMS
from twisterl.config.validation import check_algorithm
from twisterl.on_demand import is_imported, is_installed, torch

POLICY_CONFIG: dict[str, Any] = dict(POLICY)
BASE_EVAL_CONFIG: dict[str, Any] = Evaluation().model_dump(by_alias=True)
EVALS_CONFIG: dict[str, Any] = {name: dict(preset) for name, preset in PRESETS.items()}


def _algorithm(name: str) -> dict[str, Any]:
    section = check_algorithm(name, {}).as_dict()
    return {key: section[key] for key in ("collecting", "training", "optimizer")}


ALGO_CONFIG = {name: _algorithm(name) for name in ALGORITHMS}
PPO_CONFIG, AZ_CONFIG = ALGO_CONFIG["PPO"], ALGO_CONFIG["AZ"]
RANDOM_WALK_CONFIG, ES_CONFIG = ALGO_CONFIG["RandomWalk"], ALGO_CONFIG["ES"]
LEARNING_CONFIG: dict[str, Any] = Learning().model_dump()
LOGGING_CONFIG: dict[str, Any] = Logging().model_dump()


def default_device() -> str:
    """ "cuda" where torch finds one, else "cpu"; imports torch where there may be one."""
    if not is_installed() or not (is_imported() or _may_have_gpu()):
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def _may_have_gpu() -> bool:
    """Whether the driver of a GPU that torch calls "cuda" is there; torch takes seconds to ask."""
    if any(map(os.path.exists, ("/dev/kfd", "/dev/nvidiactl"))):
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def make_config(
    algo_name: str, input_config: dict[str, Any], *, keep_unknown: bool = False
) -> dict[str, Any]:
    """The `algorithm` section `input_config` with every default; the input is left as it is.

    `algo_name` is "PPO", "AZ", "RandomWalk" or "ES". With `keep_unknown`, keys that belong to a
    subclass of another package are kept. Raises `ConfigError` (a `ValueError`) with every fault.
    """
    return with_device(check_algorithm(algo_name, input_config, keep_unknown=keep_unknown))


def with_device(section: AlgorithmSection) -> dict[str, Any]:
    """A checked `algorithm` section as a dictionary, with a device for one that names none."""
    device = default_device() if section.device is None else section.device
    return {**section.as_dict(), "device": device}
