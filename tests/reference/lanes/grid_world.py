"""GridWorld, written from specs/envs/grid_world.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes import episodes
from lanes.lights_out import active
from lanes.streams import Rng

# The agent's step to the left, up, right, down, as (column, row).
MOVES = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])


class Lanes(episodes.Lanes):
    """`state` [N, 2 + cells]: the cells of the agent and the goal, then 1 for every wall."""

    num_actions = 4

    def __init__(
        self,
        count: int,
        width: int,
        height: int,
        wall_density: float = 0.2,
        walls: list[int] | None = None,
        **episode: int,
    ) -> None:
        self.width, self.height, self.walls = width, height, walls
        self.wall_density = np.float32(wall_density)
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        return self.goals(rng, np.arange(rng.state.shape[1]))

    def goals(self, rng: Rng, which: Any) -> Any:
        cells = np.arange(self.width * self.height)
        if self.walls is None:
            goal = rng.below(len(cells), which)
            drawn = np.stack([rng.unit(which) < self.wall_density for _ in cells], 1)
            walls = (drawn & (cells != goal[:, None])).astype(np.int64)
        else:
            walls = np.tile(np.isin(cells, self.walls).astype(np.int64), (len(which), 1))
            goal = free_cell(walls, rng, which)
        return np.hstack([goal[:, None], goal[:, None], walls])

    def uniform(self, rng: Rng) -> Any:
        """Drawn anew until a way leads to the goal."""
        result = np.zeros((rng.state.shape[1], 2 + self.width * self.height), np.int64)
        left = np.arange(len(result))
        while len(left):
            state = self.goals(rng, left)
            state[:, 0] = free_cell(state[:, 2:], rng, left)
            result[left] = state
            left = left[~self.reaches(state)]
        return result

    def reaches(self, state: Any) -> Any:
        """Whether the agent can walk to the goal: [M]."""
        lanes, free = np.arange(len(state)), state[:, 2:].reshape(-1, self.height, self.width) == 0
        (y, goal_y), (x, goal_x) = np.divmod(state[:, :2].T, self.width)
        reached = np.zeros((len(state), self.height + 2, self.width + 2), bool)
        inner = reached[:, 1:-1, 1:-1]
        inner[lanes, y, x] = True
        for _ in range(self.width * self.height):
            beside = reached[:, 1:-1, :-2] | reached[:, 1:-1, 2:]
            beside |= reached[:, :-2, 1:-1] | reached[:, 2:, 1:-1]
            inner |= beside & free
        return inner[lanes, goal_y, goal_x]

    def targets(self, state: Any, cells: Any, actions: Any) -> Any:
        """Where a step from `cells` leads, to themselves if it is impossible."""
        column = cells % self.width + MOVES[actions, 0]
        row = cells // self.width + MOVES[actions, 1]
        inside = (0 <= column) & (column < self.width) & (0 <= row) & (row < self.height)
        to = np.where(inside, row * self.width + column, cells)
        wall = state[np.arange(len(state)), 2 + to] == 1
        return np.where(wall, cells, to)

    def moved(self, state: Any, actions: Any) -> Any:
        state[:, 0] = self.targets(state, state[:, 0], actions)
        return state

    def masks(self) -> Any:
        agents = self.state[:, 0]
        ways = [self.targets(self.state, agents, np.full(len(agents), a)) for a in range(4)]
        return np.stack(ways, 1) != agents[:, None]

    def solved(self) -> Any:
        return self.state[:, 0] == self.state[:, 1]

    def observe(self) -> Any:
        cells = self.width * self.height
        walls = active(self.state[:, 2:])
        return np.hstack(
            [self.state[:, :2] + [0, cells], np.where(walls < 0, -1, 2 * cells + walls)]
        )


def free_cell(walls: Any, rng: Rng, which: Any) -> Any:
    """A cell without a wall, by one bounded draw."""
    free = walls == 0
    wanted = rng.below(free.sum(1), which)
    return (free.cumsum(1) <= wanted[:, None]).sum(1)
