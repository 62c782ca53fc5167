"""The run config and the classes of this package that it may name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from twisterl.config.algorithm import AlgorithmSection
from twisterl.config.az import AZAlgorithm
from twisterl.config.environments import ENVIRONMENTS
from twisterl.config.es import ESAlgorithm
from twisterl.config.policies import POLICIES
from twisterl.config.ppo import PPOAlgorithm
from twisterl.config.python_env import PyEnvArguments
from twisterl.config.random_walk import RandomWalkAlgorithm


class Run(BaseModel):
    """A run config."""

    model_config = ConfigDict(strict=True)

    env_cls: str = Field(
        description="dotted path of the environment class, its short name, gymnasium:ID or F.wasm"
    )
    env: dict[str, Any] = Field(default_factory=dict, description="its constructor arguments")
    policy_cls: str = Field(description="dotted path of the policy class, or its short name")
    policy: dict[str, Any] = Field(default_factory=dict, description="its constructor arguments")
    algorithm_cls: str = Field(description="dotted path of the algorithm class, or its short name")
    algorithm: dict[str, Any] = Field(default_factory=dict)


ALGORITHMS: dict[str, type[AlgorithmSection]] = {
    "PPO": PPOAlgorithm,
    "AZ": AZAlgorithm,
    "RandomWalk": RandomWalkAlgorithm,
    "ES": ESAlgorithm,
}


def _in(package: str, models: dict[str, Any]) -> dict[str, tuple[str, type[BaseModel]]]:
    return {name: (f"{package}.{name}", model) for name, model in models.items()}


# What the `env_cls` of an environment of Gymnasium begins with; its id follows.
GYMNASIUM = "gymnasium:"
# and what makes its class.
MAKER_OF_GYMNASIUM = "twisterl.envs.gymnasium_env.environment_class"
# What the `env_cls` that is a WebAssembly module ends with, and what makes its class.
WASM = ".wasm"
MAKER_OF_WASM = "twisterl.envs.wasm_env.environment_class"
# By kind and short name: where the class is, and what its constructor takes.
REGISTRY: dict[str, dict[str, tuple[str, type[BaseModel]]]] = {
    "env_cls": _in("twisterl.envs", {**ENVIRONMENTS, "PyEnv": PyEnvArguments}),
    "policy_cls": _in("twisterl.nn", POLICIES),
    "algorithm_cls": _in("twisterl.rl", ALGORITHMS),
}


def registered(kind: str, path: str) -> str | None:
    """The short name under which `path` is registered as a `kind`, or None.

    >>> registered("policy_cls", "twisterl.nn.policy.BasicPolicy")
    'BasicPolicy'
    """
    name = path.rsplit(".", 1)[-1]
    if name not in REGISTRY[kind]:
        return None
    package = REGISTRY[kind][name][0].rsplit(".", 1)[0]
    return name if path == name or path.startswith(f"{package}.") else None
