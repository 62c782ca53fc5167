"""The sliding puzzle in plain Python, written from specs/envs/puzzle.json.

Slow and obvious on purpose: the board is a list, every answer is computed anew from it.
"""

from __future__ import annotations

import struct

from rng import Rng
from task import Cases, sides

# The blank's step to the left, up, right, down, as (column, row).
MOVES = [(-1, 0), (0, -1), (1, 0), (0, 1)]


def as_float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


class Puzzle:
    def __init__(
        self,
        width: int,
        height: int,
        difficulty: int,
        depth_slope: int,
        max_depth: int,
        forbid_undo: bool = False,
    ) -> None:
        self.width, self.height = width, height
        self.difficulty, self.depth_slope, self.max_depth = difficulty, depth_slope, max_depth
        self.forbid_undo = forbid_undo
        self.solve()

    def goal(self, _: Rng) -> None:
        self.solve()

    def solve(self) -> None:
        self.state = list(range(self.width * self.height))
        self.depth = self.max_depth
        self.previous: int | None = None

    def reset(self, rng: Rng) -> None:
        """`difficulty` random actions, two bits each, 32 a word, the low bits first."""
        self.solve()
        for i in range(self.difficulty):
            if i % 32 == 0:
                word = rng.word()
            self.act(word >> 2 * (i % 32) & 3)
        self.depth = self.depth_slope * self.difficulty

    def reset_uniform(self, rng: Rng) -> None:
        """A uniformly random solvable board with `max_depth` steps."""
        self.solve()
        if 1 in (self.width, self.height):
            self.state.insert(rng.below(len(self.state)), self.state.pop(0))
            return
        self.state = rng.shuffle(len(self.state))
        if not self.solvable():
            first, second = [cell for cell, tile in enumerate(self.state) if tile][:2]
            state = self.state
            state[first], state[second] = state[second], state[first]

    def solvable(self) -> bool:
        """Whether inversions and the blank's row or column have the solved board's parity."""
        tiles = [tile for tile in self.state if tile]
        if 1 in (self.width, self.height):
            return tiles == sorted(tiles)
        inversions = sum(
            tiles[i] > tiles[j] for i in range(len(tiles)) for j in range(i + 1, len(tiles))
        )
        # A move to the side keeps the order of the tiles; one up or down passes width - 1 tiles.
        row = self.state.index(0) // self.width
        return (inversions + row * (self.width - 1)) % 2 == 0

    def action_names(self) -> list[str]:
        return ["left", "up", "right", "down"]

    def obs_shape(self) -> list[int]:
        return [len(self.state)] * 2

    def target(self, action: int) -> int | None:
        """The cell that the blank goes to, None where the action is impossible."""
        blank = self.state.index(0)
        column = blank % self.width + MOVES[action][0]
        row = blank // self.width + MOVES[action][1]
        inside = 0 <= column < self.width and 0 <= row < self.height
        return row * self.width + column if inside else None

    def act(self, action: int) -> None:
        target = self.target(action)
        if target is not None:
            blank = self.state.index(0)
            self.state[blank], self.state[target] = self.state[target], 0

    def step(self, action: int) -> None:
        blank = self.state.index(0)
        self.act(action)
        if self.state.index(0) != blank:
            self.previous = blank
        self.depth -= 1

    def masks(self) -> list[bool]:
        # With forbid_undo the blank must not go back to the cell that it comes from.
        closed = [None, self.previous] if self.forbid_undo else [None]
        return [self.target(action) not in closed for action in range(4)]

    def success(self) -> bool:
        return self.state == sorted(self.state)

    def is_final(self) -> bool:
        return self.success() or self.depth == 0

    def reward(self) -> float:
        if self.success():
            return 1.0
        return as_float32(-0.5 if self.depth == 0 else -0.5 / self.max_depth)

    def observe(self) -> list[int]:
        return [cell * len(self.state) + tile for cell, tile in enumerate(self.state)]


CASES = Cases(
    Puzzle,
    [
        *sides((2, 2), (3, 3), (2, 4), (4, 2), (4, 4), (5, 3), (16, 16)),
        *({**size, "forbid_undo": True} for size in sides((2, 2), (3, 3), (4, 3), (5, 5))),
    ],
    list(zip(sides((2, 2), (3, 2), (3, 3), (4, 4)), [100, 100, 100, 14], strict=True)),
)
