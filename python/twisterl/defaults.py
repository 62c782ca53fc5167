"""The defaults as plain dictionaries, derived from `twisterl.config`.

>>> make_config("PPO", {"device": "cpu", "training": {"num_epochs": 3}})["training"]["vf_coef"]
0.8
"""

from __future__ import annotations

from typing import Any

from twisterl.config import models as config
from twisterl.config.validation import resolve_algorithm

POLICY_CONFIG: dict[str, Any] = config.BasicPolicyArguments().model_dump(exclude={"twists"})
BASE_EVAL_CONFIG: dict[str, Any] = config.Evaluation().model_dump(by_alias=True)
EVALS_CONFIG: dict[str, Any] = {name: dict(preset) for name, preset in config.PRESETS.items()}


def _algorithm(name: str) -> dict[str, Any]:
    resolved = resolve_algorithm(name, {})
    return {key: resolved[key] for key in ("collecting", "training", "optimizer")}


PPO_CONFIG = _algorithm("PPO")
AZ_CONFIG = _algorithm("AZ")
RANDOM_WALK_CONFIG = _algorithm("RandomWalk")
ES_CONFIG = _algorithm("ES")
ALGO_CONFIG = {
    "PPO": PPO_CONFIG,
    "AZ": AZ_CONFIG,
    "RandomWalk": RANDOM_WALK_CONFIG,
    "ES": ES_CONFIG,
}
LEARNING_CONFIG: dict[str, Any] = config.Learning().model_dump()
LOGGING_CONFIG: dict[str, Any] = config.Logging().model_dump()


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
    resolved = resolve_algorithm(algo_name, input_config, keep_unknown=keep_unknown)
    if resolved["device"] is None:
        resolved["device"] = default_device()
    return resolved
