"""The sliding puzzle, written from specs/envs/puzzle.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes import episodes
from lanes.streams import Rng, word

# The blank's step to the left, up, right, down, as (column, row).
MOVES = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])


class Lanes(episodes.Lanes):
    num_actions = 4

    def __init__(
        self,
        count: int,
        width: int,
        height: int,
        forbid_undo: bool = False,
        # Of what a board is shown through alone.
        reflection: bool = False,
        **episode: int,
    ) -> None:
        self.width, self.height, self.forbid_undo = width, height, forbid_undo
        # The cell that the blank comes from, -1 where no action has moved it.
        self.previous = np.full(count, -1)
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        return np.tile(np.arange(self.width * self.height), (rng.state.shape[1], 1))

    def scramble_actions(self, rng: Rng, which: Any, i: int) -> Any:
        """Two bits each, 32 a word, the low bits first."""
        if i == 0:
            self.scramble = np.zeros(rng.state.shape[1], np.uint64)
        if i % 32 == 0:
            self.scramble[which] = rng.words(which)
        return (self.scramble[which] >> word(2 * (i % 32)) & word(3)).astype(np.int64)

    def targets(self, blanks: Any, actions: Any) -> Any:
        """The cells that the blanks go to, their own where that is impossible."""
        column = blanks % self.width + MOVES[actions, 0]
        row = blanks // self.width + MOVES[actions, 1]
        inside = (0 <= column) & (column < self.width) & (0 <= row) & (row < self.height)
        return np.where(inside, row * self.width + column, blanks)

    def moved(self, state: Any, actions: Any) -> Any:
        rows, blanks = np.arange(len(state)), np.argmin(state, 1)
        targets = self.targets(blanks, actions)
        state[rows, blanks] = state[rows, targets]
        state[rows, targets] = 0
        return state

    def reset(self, which: Any, difficulty: Any, rng: Rng) -> None:
        super().reset(which, difficulty, rng)
        self.previous[which] = -1

    def reset_uniform(self, which: Any, rng: Rng) -> None:
        super().reset_uniform(which, rng)
        self.previous[which] = -1

    def step(self, which: Any, actions: Any) -> None:
        before = np.argmin(self.state[which], 1)
        super().step(which, actions)
        has_moved = np.argmin(self.state[which], 1) != before
        self.previous[which] = np.where(has_moved, before, self.previous[which])

    def masks(self) -> Any:
        blanks = np.argmin(self.state, 1)[:, None]
        targets = self.targets(blanks, np.arange(4)[None])
        goes_back = (targets == self.previous[:, None]) & self.forbid_undo
        return (targets != blanks) & ~goes_back

    def solved(self) -> Any:
        return (self.state == np.arange(self.state.shape[1])).all(1)

    def observe(self) -> Any:
        cells = self.state.shape[1]
        return np.arange(cells) * cells + self.state

    def uniform(self, rng: Rng) -> Any:
        cells = self.width * self.height
        if 1 in (self.width, self.height):
            # The blank at any cell, the tiles in order before and after it.
            blanks = rng.below(cells)[:, None].astype(np.int64)
            places = np.arange(cells)[None]
            return np.where(places == blanks, 0, places + (places < blanks))
        state = rng.shuffle(self.width * self.height)
        odd = ~self.solvable(state)
        # The first two tiles that are not the blank.
        first = (state[:, 0] == 0).astype(np.int64)
        second = np.where((state[:, 0] == 0) | (state[:, 1] == 0), 2, 1)
        rows = np.nonzero(odd)[0]
        a, b = first[odd], second[odd]
        state[rows, a], state[rows, b] = state[rows, b].copy(), state[rows, a].copy()
        return state

    def solvable(self, state: Any) -> Any:
        """Whether inversions and the blank's row have the solved board's parity."""
        if 1 in (self.width, self.height):
            tiles = state[state > 0].reshape(len(state), -1)
            return (np.diff(tiles, axis=1) > 0).all(1)
        cells = state.shape[1]
        inversions = np.zeros(len(state), np.int64)
        for i in range(cells):
            later = state[:, i + 1 :]
            tile = state[:, i : i + 1]
            inversions += ((tile > later) & (later > 0)).sum(1)
        # A move to the side keeps the order of the tiles; up or down passes width - 1 tiles.
        row = np.argmin(state, 1) // self.width
        return (inversions + row * (self.width - 1)) % 2 == 0
