"""The defaults as plain dictionaries, derived from the models of `twisterl.config`.

>>> make_config("PPO", {"device": "cpu", "training": {"num_epochs": 3}})["training"]["vf_coef"]
0.8
"""

from __future__ import annotations

from typing import Any

from twisterl.config.algorithm import POLICY, AlgorithmSection, Learning, Logging
from twisterl.config.evaluations import PRESETS, Evaluation
from twisterl.config.registry import ALGORITHMS
from twisterl.config.validation import check_algorithm

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
    """ "cuda" where torch finds one, else "cpu"; imports torch."""
    try:
        import torch
    except ImportError:
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


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
