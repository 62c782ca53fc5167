"""Configs that the package brings, by name: `twisterl train puzzle8`.

Each is a copy of a file of the repository's `examples`, by scripts/generate.py. What a preset takes
and reaches is in `measured.json`, from the results of the repository's benchmarks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from twisterl.faults import ConfigError, Fault, unknown

_FOLDER = Path(__file__).resolve().parent
# In the order in which they are listed.
ABOUT = {
    "puzzle8": "the 8-puzzle, PPO",
    "puzzle8_walks": "the 8-puzzle, random walks and a beam",
    "puzzle8_az": "the 8-puzzle, AlphaZero",
    "puzzle8_es": "the 8-puzzle, Evolution Strategies",
    "puzzle15": "the 15-puzzle, random walks and a beam",
    "puzzle15_az": "the 15-puzzle, AlphaZero",
    "lights_out": "Lights Out on 4 x 4 lamps, PPO",
    "lights_out5": "Lights Out on 5 x 5 lamps, random walks and a beam",
    "cube2": "Rubik's 2x2x2 cube, random walks and a beam",
    "top_spin": "TopSpin, random walks and a beam",
    "permutation": "swaps on a graph of qubits, PPO",
    "linear_function": "CNOT circuits of matrices over GF(2), PPO",
    "grid_world": "ways around walls, PPO",
    "cartpole": "Gymnasium's CartPole, PPO",
    "pendulum": "Gymnasium's Pendulum, PPO",
    "catch": "a paddle and a falling ball, PPO",
    "t_maze": "a cue to be remembered, PPO",
    "two_walkers": "two agents at once, PPO",
}


@dataclass(frozen=True)
class Preset:
    """`seconds` of training and `result` are as measured, None where they are not."""

    name: str
    about: str
    seconds: float | None
    result: str | None

    @property
    def path(self) -> Path:
        """The file of its config."""
        return _FOLDER / f"{self.name}.json"


@cache
def presets() -> dict[str, Preset]:
    """All of them by name."""
    measured = json.loads((_FOLDER / "measured.json").read_text("utf-8"))
    nothing = {"seconds": None, "result": None}
    return {
        name: Preset(name, about, **measured.get(name, nothing)) for name, about in ABOUT.items()
    }


def preset(name: str) -> Preset:
    """The one called `name`; `ConfigError` where there is none.

    >>> preset("puzzle8").path.name
    'puzzle8.json'
    """
    if name not in ABOUT:
        problem = unknown(name, list(ABOUT), "preset")
        if name.endswith(".json"):
            problem = "a file is given as --config FILE"
        raise ConfigError([Fault(name, problem)], "command line")
    return presets()[name]
