"""Lanes of a plain reference: for an environment that has no module of its own here."""

from __future__ import annotations

from typing import Any

import numpy as np
import write_golden
from rng import Rng as PlainRng

from lanes.streams import Rng


class Lanes:
    def __init__(self, count: int, name: str, **parameters: Any) -> None:
        make = write_golden.ENVIRONMENTS[name].make
        self.envs = [make(**parameters) for _ in range(count)]
        self.difficulty = parameters["difficulty"]
        self.num_actions = len(self.envs[0].masks())

    def reset(self, which: Any, difficulty: Any, rng: Rng) -> None:
        for i, lane in enumerate(which.tolist()):
            env = self.envs[lane]
            env.difficulty = int(difficulty[i])
            drawn(rng, i, env.reset)

    def reset_uniform(self, which: Any, rng: Rng) -> None:
        for i, lane in enumerate(which.tolist()):
            drawn(rng, i, self.envs[lane].reset_uniform)

    def step(self, which: Any, actions: Any) -> None:
        for lane, action in zip(which.tolist(), actions.tolist(), strict=True):
            self.envs[lane].step(action)

    def masks(self) -> Any:
        return np.array([env.masks() for env in self.envs], bool)

    def observe(self) -> Any:
        rows = [env.observe() for env in self.envs]
        longest = max(map(len, rows))
        padded = [row + [-1] * (longest - len(row)) for row in rows]
        return np.array(padded, np.int64).reshape(len(rows), longest)

    def status(self) -> tuple[Any, Any, Any, Any]:
        reward = np.array([env.reward() for env in self.envs], np.float32)
        final = np.array([env.is_final() for env in self.envs])
        success = np.array([env.success() for env in self.envs])
        return reward, final, success, final & ~success


def drawn(rng: Rng, column: int, draw: Any) -> None:
    """Calls `draw` with the stream in `column`, which goes on from where it ends."""
    plain = PlainRng(0)
    plain.state = rng.state[:, column].tolist()
    draw(plain)
    rng.state[:, column] = plain.state
