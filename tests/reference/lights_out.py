"""Lights Out in plain Python, written from specs/envs/lights_out.json."""

from __future__ import annotations

from rng import Rng
from task import Cases, Task, sides


class LightsOut(Task):
    def __init__(self, width: int, height: int, **episode: int) -> None:
        super().__init__(**episode)
        self.width, self.height = width, height
        self.goal(Rng(0))

    def action_names(self) -> list[str]:
        return [f"{x},{y}" for y in range(self.height) for x in range(self.width)]

    def obs_shape(self) -> list[int]:
        return [self.height, self.width]

    def goal(self, rng: Rng) -> None:
        self.state = [0] * (self.width * self.height)

    def uniform(self, rng: Rng) -> None:
        """Each lamp is pressed if its bit is set: 64 lamps a word, the low bits first."""
        self.goal(rng)
        for lamp in range(len(self.state)):
            if lamp % 64 == 0:
                word = rng.word()
            if word >> lamp % 64 & 1:
                self.act(lamp)

    def act(self, action: int) -> None:
        x, y = action % self.width, action // self.width
        for lamp in range(len(self.state)):
            if abs(lamp % self.width - x) + abs(lamp // self.width - y) <= 1:
                self.state[lamp] ^= 1

    def solved(self) -> bool:
        return not any(self.state)

    def observe(self) -> list[int]:
        return [lamp for lamp, on in enumerate(self.state) if on]


CASES = Cases(
    LightsOut,
    sides((2, 2), (3, 3), (5, 5), (4, 2), (3, 16), (16, 16)),
    list(zip(sides((2, 2), (3, 3), (4, 4), (5, 5)), [100, 100, 100, 3], strict=True)),
)
