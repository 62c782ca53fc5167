"""An environment whose observations tell its whole state and all that was drawn."""

import copy
import random

import numpy as np

CELLS, STEPS = 9, 12
# A feature for each cell and each number of steps left, one if the last step slipped, one if left
# and right are seen turned round.
SLIPPED = CELLS + STEPS + 1
MIRRORED = SLIPPED + 1


class Draws:
    """As much of `random.Random` as a ring needs, a hundred times as quickly copied (an LCG)."""

    def __init__(self, seed):
        self.word = seed

    def random(self):
        self.word = (self.word * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.word >> 11) / 2**53

    def randint(self, low, high):
        return low + int(self.random() * (high + 1 - low))

    def copy(self):
        return Draws(self.word)


class Ring:
    """On a ring of cells, left (0) or right (1) to cell 0, in ``STEPS`` steps.

    With ``slips`` a step may be two; with ``mirrors`` an observation may turn left and right round,
    which the next action undoes. Both are drawn from a generator that copies carry, or with
    ``seeded=False`` from one that all share. Raises AssertionError when it is played as no
    environment may be.
    """

    def __init__(self, slips=False, mirrors=False, seeded=True):
        self.slips, self.mirrors = slips, mirrors
        self.draws = Draws(0)
        if not seeded:
            self.draws, self.reseed = random, None
        self.place(0)
        self.played = []
        self.is_batched = False

    def place(self, cell):
        self.cell, self.left, self.slipped, self.mirrored = cell, STEPS, False, False
        self.is_seen, self.walks = False, False

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [MIRRORED + 1]

    def reseed(self, seed):
        self.draws = Draws(seed)

    def reset(self, difficulty):
        self.set_state([self.draws.randint(1, min(difficulty, CELLS - 1))])

    def set_state(self, state):
        self.place(state[0])
        self.played = [state[0]]

    def reset_goal(self):
        self.set_state([0])
        self.walks = True

    def inverse_actions(self):
        return None if self.slips or self.mirrors else [1, 0]

    def next(self, action):
        assert self.is_seen, "a step answers no observation"
        assert not self.is_final() or (self.success() and self.walks), "a step follows the end"
        slipped = self.slips and self.draws.random() < 0.3
        self.played.append(action + 2 * slipped + 4 * self.mirrored)
        self.move(action, slipped)
        self.is_seen = False

    def move(self, action, slipped):
        way = 1 if action != self.mirrored else -1
        self.cell = (self.cell + way * (1 + slipped)) % CELLS
        self.left -= 1
        self.slipped = slipped

    def observe(self):
        assert not self.is_seen, "a state is observed twice"
        self.is_seen = True
        self.mirrored = self.mirrors and self.draws.random() < 0.5
        return self.features()

    def features(self):
        cell = -self.cell % CELLS if self.mirrored else self.cell
        flags = [(SLIPPED, self.slipped), (MIRRORED, self.mirrored)]
        return [cell, CELLS + self.left, *(feature for feature, flag in flags if flag)]

    def masks(self):
        """Cell 5 is a dead end to the right."""
        assert self.is_seen, "a state is asked about before it is seen"
        masks = [True, self.cell != 5]
        return masks[::-1] if self.mirrored else masks

    def is_final(self):
        return self.success() or self.left == 0

    def success(self):
        return self.cell == 0

    def value(self):
        return 1.0 if self.success() else -0.125 * self.cell

    def track_solution(self):
        return self.slips or self.mirrors

    def solution(self):
        """Where it began, and every action with what was drawn for it."""
        return self.played

    def copy(self):
        twin = copy.copy(self)
        twin.played = list(self.played)
        twin.is_batched = False
        if self.draws is not random:
            twin.draws = self.draws.copy()
        return twin


class BatchedRing(Ring):
    def vectorize(self, num_lanes):
        return RingBatch(self, num_lanes)


class DenseRing(Ring):
    """A ring that is seen as an array of 0 and 1, or of 0 and 255 where its numbers are bytes."""

    def __init__(self, dtype="float32", **options):
        self.dtype = dtype
        super().__init__(**options)

    def obs_dtype(self):
        return self.dtype

    def features(self):
        seen = np.zeros(self.obs_shape(), self.dtype)
        seen[super().features()] = 255 if self.dtype == "uint8" else 1
        return seen


class BatchedDenseRing(DenseRing, BatchedRing):
    pass


class RingBatch:
    """Keeps what it is given, as a batch may: it is told that nothing is shared."""

    def __init__(self, env, num_lanes):
        assert not env.is_batched, "two batches are made from one object"
        env.is_batched = True
        self.lanes = [env, *(env.copy() for _ in range(num_lanes - 1))]

    def load(self, lane, env):
        self.lanes[lane] = env

    def solution(self, lane):
        env = self.lanes[lane]
        return env.solution() if env.track_solution() else None

    def advance(self, lanes, kinds, values, seeds):
        rows, masks, status = [], [], []
        for lane, kind, value, seed in zip(lanes, kinds, values, seeds, strict=True):
            env = self.lanes[lane]
            if kind == 0:
                env.reseed(int(seed))
                env.reset(int(value))
            elif kind == 1:
                env.next(int(value))
            rows.append(env.observe())
            masks.append(env.masks())
            status.append((env.value(), env.is_final(), env.success()))
        rewards, finals, successes = map(np.array, zip(*status, strict=True))
        rows, offsets = self.joined(rows)
        return rows, offsets, np.array(masks), rewards, finals, successes

    def joined(self, rows):
        if isinstance(self.lanes[0], DenseRing):
            return np.stack(rows), None
        return np.concatenate(rows), np.cumsum([0, *map(len, rows)])
