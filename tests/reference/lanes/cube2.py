"""The 2x2x2 cube, written from specs/envs/cube2.json."""

from __future__ import annotations

from typing import Any

import cube2
import numpy as np

from lanes import episodes
from lanes.streams import Rng

CUBIES = 7


class Lanes(episodes.Lanes):
    """`state` [N, 14]: the cubie at each position, then its orientation."""

    def __init__(self, count: int, metric: str, **episode: int) -> None:
        plain = cube2.Cube2(metric=metric, **episode)
        self.num_actions = len(plain.actions)
        # From the solved cube a turn shows where each cubie comes from and how it is twisted.
        turned = []
        for action in range(self.num_actions):
            plain.goal(None)  # type: ignore[arg-type]
            plain.act(action)
            turned.append(plain.state)
        self.sources, self.twists = np.array(turned)[:, :CUBIES], np.array(turned)[:, CUBIES:]
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        solved = np.append(np.arange(CUBIES), np.zeros(CUBIES, np.int64))
        return np.tile(solved, (rng.state.shape[1], 1))

    def moved(self, state: Any, actions: Any) -> Any:
        sources = self.sources[actions]
        cubies = np.take_along_axis(state[:, :CUBIES], sources, 1)
        orientations = np.take_along_axis(state[:, CUBIES:], sources, 1)
        return np.hstack([cubies, (orientations + self.twists[actions]) % 3])

    def uniform(self, rng: Rng) -> Any:
        cubies = rng.shuffle(CUBIES)
        orientations = np.stack([rng.below(3) for _ in range(CUBIES - 1)], 1)
        last = -orientations.sum(1, keepdims=True) % 3
        return np.hstack([cubies, orientations, last])

    def solved(self) -> Any:
        return (self.state == np.append(np.arange(CUBIES), np.zeros(CUBIES))).all(1)

    def observe(self) -> Any:
        positions = np.arange(CUBIES)
        return 21 * positions + 3 * self.state[:, :CUBIES] + self.state[:, CUBIES:]
