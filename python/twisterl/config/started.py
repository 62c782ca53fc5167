"""The config to begin with for an environment: what a person wants to change, and no more."""

from __future__ import annotations

from typing import Any

from twisterl.config.json import read_json
from twisterl.config.registry import ENVIRONMENTS, GYMNASIUM, REGISTRY, WASM, registered
from twisterl.faults import ConfigError, Fault, unknown
from twisterl.presets import presets

_POLICY = {"embedding_size": 256, "common_layers": [128]}
_SCRAMBLED = {"difficulty", "depth_slope", "max_depth"}


def first_config(name: str, algorithm: str | None) -> dict[str, Any]:
    """That of a preset for the environment `name` where there is one, else one made from defaults.

    Args:
        name: an environment of this package, `gymnasium:ID`, `FILE.wasm`, or a class in Python,
            `package.Class`.
        algorithm: "PPO", "AZ", "RandomWalk" or "ES"; None for that of the first preset, or PPO.

    Raises `ConfigError`.
    """
    known = registered("env_cls", name)
    is_elsewhere = name.startswith(GYMNASIUM) or "." in name
    if known is None and not is_elsewhere:
        problem = unknown(name, list(ENVIRONMENTS), "environment")
        raise ConfigError([Fault("environment", problem)], "command line")
    for preset in presets().values():
        config: dict[str, Any] = read_json(preset.path)
        own = registered("env_cls", config["env_cls"])
        its = registered("algorithm_cls", config["algorithm_cls"])
        if known is not None and known == own and algorithm in (None, its):
            return {**config, "env_cls": own, "algorithm_cls": its}
    return _from_defaults(name, known, algorithm or "PPO")


def _from_defaults(name: str, known: str | None, algorithm: str) -> dict[str, Any]:
    env: dict[str, Any] = {}
    cls = name
    if known is None and not name.startswith(GYMNASIUM) and not name.endswith(WASM):
        cls, env = "PyEnv", {"pyenv_cls": name}
    elif known is not None:
        cls = known
        env = REGISTRY["env_cls"][known][1]().model_dump(by_alias=True, exclude_none=True)
    section: dict[str, Any] = {"learning": {"num_steps": 100}, "evals": {"ppo_1": {"freq": 5}}}
    if algorithm == "ES":
        section["evals"] = {"greedy": {"freq": 10}}
    (metric,) = section["evals"]
    section["learning"]["diff_metric"] = metric
    if cls == "PyEnv" or cls.endswith(WASM) or _SCRAMBLED <= set(env):
        section["learning"] |= {"diff_threshold": 0.9, "diff_max": 32}
    config = {"env_cls": cls, "env": env, "policy_cls": "BasicPolicy", "policy": dict(_POLICY)}
    return {**config, "algorithm_cls": algorithm, "algorithm": section}
