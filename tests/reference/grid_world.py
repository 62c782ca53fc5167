"""GridWorld in plain Python, written from specs/envs/grid_world.json."""

from __future__ import annotations

from rng import Rng
from task import Cases, Task, as_float32, sides

# The agent's step to the left, up, right, down, as (column, row).
MOVES = [(-1, 0), (0, -1), (1, 0), (0, 1)]


class GridWorld(Task):
    def __init__(
        self,
        width: int,
        height: int,
        wall_density: float = 0.2,
        walls: list[int] | None = None,
        **episode: int,
    ) -> None:
        super().__init__(**episode)
        self.width, self.height = width, height
        self.wall_density, self.listed = as_float32(wall_density), walls
        self.goal(Rng(0))

    def action_names(self) -> list[str]:
        return ["left", "up", "right", "down"]

    def obs_shape(self) -> list[int]:
        return [3, self.width * self.height]

    def draw_free(self, walls: list[int], rng: Rng) -> int:
        free = [cell for cell in range(self.width * self.height) if cell not in walls]
        return free[rng.below(len(free))]

    def goal(self, rng: Rng) -> None:
        cells = self.width * self.height
        if self.listed is not None:
            walls = sorted(self.listed)
            goal = self.draw_free(walls, rng)
        else:
            goal = rng.below(cells)
            drawn = [rng.unit() / 2**24 < self.wall_density for _ in range(cells)]
            walls = [cell for cell in range(cells) if drawn[cell] and cell != goal]
        self.state = [goal, goal, *walls]

    def uniform(self, rng: Rng) -> None:
        while True:
            self.goal(rng)
            self.state[0] = self.draw_free(self.state[2:], rng)
            if self.state[1] in self.reached():
                return

    def reached(self) -> set[int]:
        found = {self.state[0]}
        while True:
            more = {
                to for cell in found for action in range(4) for to in [self.target(cell, action)]
            }
            if more <= found:
                return found
            found |= more

    def target(self, cell: int, action: int) -> int:
        x, y = cell % self.width + MOVES[action][0], cell // self.width + MOVES[action][1]
        to = y * self.width + x
        inside = 0 <= x < self.width and 0 <= y < self.height
        return to if inside and to not in self.state[2:] else cell

    def act(self, action: int) -> None:
        self.state[0] = self.target(self.state[0], action)

    def masks(self) -> list[bool]:
        agent = self.state[0]
        return [self.target(agent, action) != agent for action in range(4)]

    def solved(self) -> bool:
        return self.state[0] == self.state[1]

    def observe(self) -> list[int]:
        cells = self.width * self.height
        agent, goal, *walls = self.state
        return [agent, cells + goal, *(2 * cells + wall for wall in walls)]


CASES = Cases(
    GridWorld,
    [
        *sides((2, 2), (3, 2), (5, 5), (16, 16)),
        {"width": 4, "height": 3, "wall_density": 0.5},
        {"width": 4, "height": 4, "wall_density": 0},
        {"width": 3, "height": 3, "walls": [4]},
        {"width": 4, "height": 3, "walls": [9, 1]},
    ],
    [
        ({"width": 5, "height": 5, "walls": []}, 100),
        ({"width": 5, "height": 4, "walls": [1, 6, 11, 13]}, 100),
    ],
)
