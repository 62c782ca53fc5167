"""Lights Out, written from specs/envs/lights_out.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes import episodes
from lanes.streams import Rng, word


class Lanes(episodes.Lanes):
    def __init__(self, count: int, width: int, height: int, **episode: int) -> None:
        lamps = np.arange(width * height)
        x, y = lamps % width, lamps // width
        distance = abs(x[:, None] - x) + abs(y[:, None] - y)
        self.flips = (distance <= 1).astype(np.int64)
        self.num_actions = len(lamps)
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        return np.zeros((rng.state.shape[1], self.num_actions), np.int64)

    def moved(self, state: Any, actions: Any) -> Any:
        return state ^ self.flips[actions]

    def uniform(self, rng: Rng) -> Any:
        """Each lamp is pressed if its bit is set: 64 lamps a word, the low bits first."""
        pressed = self.goal(rng)
        for lamp in range(self.num_actions):
            if lamp % 64 == 0:
                words = rng.words()
            pressed[:, lamp] = words >> word(lamp % 64) & word(1)
        return pressed @ self.flips % 2

    def solved(self) -> Any:
        return ~self.state.any(1)

    def observe(self) -> Any:
        return active(self.state)


def active(state: Any) -> Any:
    """The places of the ones of each row [N, F], filled up with -1: [N, F]."""
    places = np.where(state, np.arange(state.shape[1]), state.shape[1])
    places.sort(1)
    return np.where(places < state.shape[1], places, -1)
