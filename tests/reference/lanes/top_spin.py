"""TopSpin, written from specs/envs/top_spin.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes import episodes
from lanes.streams import Rng


class Lanes(episodes.Lanes):
    num_actions = 3

    def __init__(self, count: int, num_tokens: int, turnstile: int, **episode: int) -> None:
        self.num_tokens, self.turnstile = num_tokens, turnstile
        places = np.arange(num_tokens)
        flipped = np.where(places < turnstile, turnstile - 1 - places, places)
        # Where each action takes the token at each place from, [A, places].
        self.sources = np.stack([np.roll(places, -1), np.roll(places, 1), flipped])
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        return np.tile(np.arange(self.num_tokens), (rng.state.shape[1], 1))

    def moved(self, state: Any, actions: Any) -> Any:
        return np.take_along_axis(state, self.sources[actions], axis=1)

    def uniform(self, rng: Rng) -> Any:
        tokens = rng.shuffle(self.num_tokens)
        if self.num_tokens % 2 == 1 and self.turnstile % 4 == 0:
            wrong = (tokens[:, :, None] > tokens[:, None, :]).astype(int)
            odd = np.triu(wrong, 1).sum((1, 2)) % 2 == 1
            tokens[odd, :2] = tokens[odd, 1::-1]
        return tokens

    def solved(self) -> Any:
        return (self.state == np.arange(self.num_tokens)).all(1)

    def observe(self) -> Any:
        return np.arange(self.num_tokens) * self.num_tokens + self.state
