"""Environments in Python that the tests play."""

import numpy as np


class Line:
    """Walk left (0) or right (1) of ``size`` cells to cell 0, from ``difficulty`` away or less."""

    def __init__(self, size=6, max_steps=20):
        self.size = size
        self.max_steps = max_steps
        self.cell = 0
        self.steps_left = 1
        self.draws = np.random.default_rng(0)
        self.num_observed = 0
        self.num_played = 0

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [self.size]

    def reseed(self, seed):
        self.draws = np.random.default_rng(seed)

    def reset(self, difficulty):
        self.cell = int(self.draws.integers(1, min(difficulty, self.size - 1) + 1))
        self.steps_left = self.max_steps

    def next(self, action):
        self.num_played += 1
        self.cell = min(max(self.cell + (1 if action else -1), 0), self.size - 1)
        self.steps_left -= 1

    def masks(self):
        return [self.cell > 0, self.cell < self.size - 1]

    def is_final(self):
        return self.success() or self.steps_left == 0

    def truncated(self):
        return not self.success() and self.steps_left == 0

    def value(self):
        return 1.0 if self.success() else -0.05

    def success(self):
        return self.cell == 0

    def observe(self):
        self.num_observed += 1
        return [self.cell]

    def set_state(self, state):
        if len(state) != 1 or not 0 <= state[0] < self.size:
            raise ValueError(f"state: expected one cell in 0..{self.size}, got {state}")
        self.cell = state[0]
        self.steps_left = self.max_steps

    def copy(self):
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin


class BatchedLine(Line):
    """The same with a batched form."""

    def vectorize(self, num_lanes):
        return LineBatch(self, num_lanes)


class LineBatch:
    """Arrays ``[num_lanes]`` in place of objects."""

    calls = 0

    def __init__(self, env, num_lanes):
        self.size = env.size
        self.max_steps = env.max_steps
        self.cells = np.zeros(num_lanes, dtype=np.int64)
        self.steps_left = np.ones(num_lanes, dtype=np.int64)

    def load(self, lane, env):
        self.cells[lane] = env.cell
        self.steps_left[lane] = env.steps_left

    def advance(self, lanes, kinds, values, seeds):
        LineBatch.calls += 1
        for lane, difficulty, seed in zip(
            lanes[kinds == 0], values[kinds == 0], seeds[kinds == 0], strict=True
        ):
            farthest = min(difficulty, self.size - 1)
            self.cells[lane] = np.random.default_rng(seed).integers(1, farthest + 1)
            self.steps_left[lane] = self.max_steps
        stepped = lanes[kinds == 1]
        moved = self.cells[stepped] + 2 * values[kinds == 1] - 1
        self.cells[stepped] = np.clip(moved, 0, self.size - 1)
        self.steps_left[stepped] -= 1
        cells = self.cells[lanes]
        successes = cells == 0
        finals = successes | (self.steps_left[lanes] == 0)
        return (
            cells.astype(np.int32),
            np.arange(len(lanes) + 1),
            np.stack([cells > 0, cells < self.size - 1], axis=1),
            np.where(successes, 1.0, -0.05),
            finals,
            successes,
            finals & ~successes,
        )
