"""Tasks of this package in plain Python, written from specs/envs: TMaze, Catch and others.

Those that are Gymnasium's have Gymnasium's for a reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rng import Rng
from task import as_float32


class Episodic:
    """An episode of steps that earn rewards. A subclass has `start`, `play` and `observe`."""

    def __init__(self, max_episode_steps: int, solved_at: float) -> None:
        self.max_episode_steps, self.solved_at = max_episode_steps, solved_at
        self.state: list[int] = []

    def start(self, rng: Rng) -> list[int]:
        raise NotImplementedError

    def play(self, action: Any) -> tuple[float, bool]:
        """What the step earns, and whether the task is over."""
        raise NotImplementedError

    def observe(self) -> Any:
        raise NotImplementedError

    def reset(self, rng: Rng) -> None:
        self.state = self.start(rng)
        self.steps, self.total, self.earned, self.terminated = 0, 0.0, 0.0, False

    def step(self, action: Any) -> None:
        self.earned, self.terminated = self.play(action)
        self.steps += 1
        self.total += self.earned

    def reward(self) -> float:
        return as_float32(self.earned)

    def truncated(self) -> bool:
        return not self.terminated and self.steps >= self.max_episode_steps

    def is_final(self) -> bool:
        return self.terminated or self.truncated()

    def success(self) -> bool:
        return self.is_final() and self.total >= self.solved_at


class TMaze(Episodic):
    def __init__(
        self, length: int = 10, max_episode_steps: int = 100, solved_at: float = 0.5
    ) -> None:
        super().__init__(max_episode_steps, solved_at)
        self.length = length

    def start(self, rng: Rng) -> list[int]:
        return [0, int(rng.below(2) == 1), 1, 0]

    def play(self, action: int) -> tuple[float, bool]:
        place, up_is_right, _, _ = self.state
        self.state[2] = 0
        if action in (0, 2) and place == self.length:
            self.state[3] = 1
            return (1.0 if (action == 0) == bool(up_is_right) else -1.0), True
        if action == 1:
            self.state[0] = min(place + 1, self.length)
        elif action == 3:
            self.state[0] = max(place - 1, 0)
        return -0.5 / self.max_episode_steps, False

    def observe(self) -> Any:
        place, up_is_right, first, _ = self.state
        junction = place == self.length
        seen = [first and up_is_right, first and not up_is_right, not junction, junction]
        return np.array(seen, np.float32)


class Catch(Episodic):
    def __init__(
        self,
        width: int = 10,
        height: int = 10,
        pixels: int = 1,
        max_episode_steps: int = 64,
        solved_at: float = 1.0,
    ) -> None:
        super().__init__(max_episode_steps, solved_at)
        self.width, self.height, self.pixels = width, height, pixels

    def start(self, rng: Rng) -> list[int]:
        return [rng.below(self.width), 0, self.width // 2]

    def play(self, action: int) -> tuple[float, bool]:
        column, row, paddle = self.state
        paddle = min(max(paddle + action - 1, 0), self.width - 1)
        row = min(row + 1, self.height - 1)
        self.state = [column, row, paddle]
        if row < self.height - 1:
            return 0.0, False
        return (1.0 if column == paddle else -1.0), True

    def observe(self) -> Any:
        column, row, paddle = self.state
        image = np.zeros((1, self.height, self.width), np.uint8)
        image[0, row, column] = image[0, -1, paddle] = 255
        return image.repeat(self.pixels, 1).repeat(self.pixels, 2)


class CliffWalking(Episodic):
    def __init__(
        self,
        width: int = 12,
        height: int = 4,
        max_episode_steps: int = 200,
        solved_at: float = -15.0,
    ) -> None:
        super().__init__(max_episode_steps, solved_at)
        self.width, self.height = width, height

    def start(self, rng: Rng) -> list[int]:
        return [(self.height - 1) * self.width]

    def play(self, action: int) -> tuple[float, bool]:
        y, x = divmod(self.state[0], self.width)
        down, right = [(-1, 0), (0, 1), (1, 0), (0, -1)][action]
        y = min(max(y + down, 0), self.height - 1)
        x = min(max(x + right, 0), self.width - 1)
        if y == self.height - 1 and 0 < x < self.width - 1:
            self.state = [y * self.width]
            return -100.0, False
        self.state = [y * self.width + x]
        return -1.0, (y, x) == (self.height - 1, self.width - 1)

    def observe(self) -> list[int]:
        return list(self.state)


class TwoWalkers(Episodic):
    def __init__(
        self,
        width: int = 4,
        height: int = 4,
        max_episode_steps: int = 50,
        solved_at: float = 0.5,
    ) -> None:
        super().__init__(max_episode_steps, solved_at)
        self.width, self.height = width, height

    def pair(self, rng: Rng) -> list[int]:
        first, second = rng.below(self.width * self.height), rng.below(self.width * self.height - 1)
        return [first, second + (second >= first)]

    def start(self, rng: Rng) -> list[int]:
        at = to = self.pair(rng)
        while to == at:
            to = self.pair(rng)
        return [*at, *to]

    def moved(self, cell: int, choice: int) -> int:
        x, y = [(0, -1), (1, 0), (0, 1), (-1, 0), (0, 0)][choice]
        x, y = cell % self.width + x, cell // self.width + y
        return y * self.width + x if 0 <= x < self.width and 0 <= y < self.height else cell

    def play(self, action: Any) -> tuple[float, bool]:
        at, to = self.state[:2], self.state[2:]
        after = [self.moved(cell, int(choice)) for cell, choice in zip(at, action, strict=True)]
        if after[0] != after[1] and after != at[::-1]:
            self.state = [*after, *to]
        over = self.state[:2] == to
        return (1.0 if over else -0.5 / self.max_episode_steps), over

    def observe(self) -> list[int]:
        one, other, to_one, to_other = self.state
        planes = [one, other, to_one, other, one, to_other]
        return [plane * self.width * self.height + cell for plane, cell in enumerate(planes)]
