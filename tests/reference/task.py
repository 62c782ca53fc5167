"""What an episode is, for every environment but the sliding puzzle, which is older.

Slow and obvious on purpose. A subclass has the rules: `goal`, `act`, `solved`, `uniform`,
`observe` and `action_names`, with its state in `self.state`, a list of integers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rng import Rng


def as_float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


class Task:
    state: list[int]

    def __init__(self, difficulty: int, depth_slope: int, max_depth: int) -> None:
        self.difficulty, self.depth_slope, self.max_depth = difficulty, depth_slope, max_depth
        self.depth = max_depth

    # The rules.

    def action_names(self) -> list[str]:
        raise NotImplementedError

    def obs_shape(self) -> list[int]:
        raise NotImplementedError

    def goal(self, rng: Rng) -> None:
        """Goes to a solved state."""
        raise NotImplementedError

    def uniform(self, rng: Rng) -> None:
        """Goes to any state that can be solved."""
        raise NotImplementedError

    def act(self, action: int) -> None:
        raise NotImplementedError

    def act_away(self, action: int, rng: Rng) -> None:
        """Goes to a state in which `action` leads back, or nearer to the goal."""
        self.act(action)

    def solved(self) -> bool:
        raise NotImplementedError

    def observe(self) -> list[int]:
        raise NotImplementedError

    def masks(self) -> list[bool]:
        return [True] * len(self.action_names())

    # The episode.

    def reset(self, rng: Rng) -> None:
        """`difficulty` random actions from a goal."""
        self.goal(rng)
        for _ in range(self.difficulty):
            self.act_away(rng.below(len(self.action_names())), rng)
        self.depth = self.depth_slope * self.difficulty

    def reset_uniform(self, rng: Rng) -> None:
        self.uniform(rng)
        self.depth = self.max_depth

    def step(self, action: int) -> None:
        self.act(action)
        self.depth -= 1

    def success(self) -> bool:
        return self.solved()

    def is_final(self) -> bool:
        return self.solved() or self.depth == 0

    def reward(self) -> float:
        if self.solved():
            return 1.0
        return as_float32(-0.5 if self.depth == 0 else -0.5 / self.max_depth)


def layers(task: Task, depth: int) -> list[int]:
    """How many states are 0, 1, ... actions from the goal, up to `depth` actions."""
    task.goal(Rng(0))
    frontier = {tuple(task.state)}
    seen = set(frontier)
    counts = []
    while frontier and len(counts) <= depth:
        counts.append(len(frontier))
        after = set()
        for state in frontier:
            for action in range(len(task.action_names())):
                task.state = list(state)
                task.act(action)
                after.add(tuple(task.state))
        frontier = after - seen
        seen |= frontier
    return counts


@dataclass
class Cases:
    """What is recorded of an environment: its traces and layers, by parameters."""

    make: Callable[..., Any]
    traced: list[dict[str, Any]]
    layered: list[tuple[dict[str, Any], int]]
    """Parameters, and up to how many actions from the goal."""


def sides(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"width": width, "height": height} for width, height in pairs]
