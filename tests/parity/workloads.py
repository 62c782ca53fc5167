"""What is played: every environment of the list, at its default size and at those of the examples.

A new environment needs nothing here: its spec and its example configs are read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import port
import reference
from coupling import DEVICES

ROOT = port.ROOT
SAVED_POLICY = ROOT / "specs" / "golden" / "puzzle8.safetensors"
SEED = 20261121
STEPS = 128
BLOCK = 64
BOARDS = 10_000
# Short, so that many episodes end: solved, and out of steps after either kind of start.
EPISODE = {"difficulty": 24, "depth_slope": 2, "max_depth": 40}
# Sizes besides the defaults and those of examples/*.json.
MORE = {"puzzle": [{"width": 2, "height": 2}, {"width": 5, "height": 3}]}
# Other coupling graphs than these, whose code all environments on graphs share, one of them plays;
# those of devices at their own size alone.
GRAPHS = ("line", "ring", "grid", "star")
ON_ALL_GRAPHS = "permutation"


@dataclass(frozen=True)
class Board:
    """An environment of one size."""

    environment: str
    class_name: str
    size: dict[str, Any]
    is_default: bool
    uniform: bool

    @property
    def title(self) -> str:
        shown = {key: value for key, value in self.size.items() if value not in (None, False)}
        shape = " ".join(f"{key} {value}" for key, value in shown.items())
        return f"{self.environment} ({shape})"

    @property
    def request(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "class": self.class_name,
            "parameters": {**self.size, **EPISODE},
            "seed": SEED,
            "first_lane": 0,
            "uniform": self.uniform,
        }

    @property
    def plays_saved_policy(self) -> bool:
        return self.environment == "puzzle" and (self.size["width"], self.size["height"]) == (3, 3)

    @property
    def features(self) -> int:
        total = 1
        for axis in self._made.obs_shape():
            total *= axis
        return total

    @property
    def num_actions(self) -> int:
        return self._made.num_actions()

    @property
    def _made(self) -> Any:
        import twisterl.envs

        return getattr(twisterl.envs, self.class_name)(**self.request["parameters"])


def boards() -> list[Board]:
    from twisterl.twisterl.env import ENVIRONMENTS

    found = []
    for class_name, name in ENVIRONMENTS.items():
        spec = json.loads((ROOT / "specs" / "envs" / f"{name}.json").read_text())
        sizes = {key: p["default"] for key, p in spec["parameters"].items() if key not in EPISODE}
        known = [sizes]
        for size in [*choices(spec), *of_examples(class_name), *MORE.get(name, [])]:
            whole = {**sizes, **{key: value for key, value in size.items() if key in sizes}}
            if whole not in known and is_played(name, whole):
                known.append(whole)
        uniform = "uniform" in spec["starts"]
        found += [Board(name, class_name, size, size == sizes, uniform) for size in known]
    return found


def is_played(name: str, size: dict[str, Any]) -> bool:
    graph = size.get("topology", GRAPHS[0])
    own = DEVICES.get(graph, size).get("num_qubits")
    return graph in GRAPHS or (name == ON_ALL_GRAPHS and own == size["num_qubits"])


def choices(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Every value of the parameters that are a choice of names, or a bool."""
    found = []
    for key, declared in spec["parameters"].items():
        values = declared.get("names", [False, True] if declared["type"] == "bool" else [])
        found += [{key: value} for value in values]
    return found


def of_examples(class_name: str) -> list[dict[str, Any]]:
    """The `env` sections of the example configs of this class."""
    configs = [json.loads(path.read_text()) for path in sorted((ROOT / "examples").glob("*.json"))]
    return [c["env"] for c in configs if str(c.get("env_cls")).split(".")[-1] == class_name]


def is_fast(environment: str) -> bool:
    """Whether the reference has it in NumPy."""
    return reference.has_lanes(environment)
