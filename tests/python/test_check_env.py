"""check_env accepts what is right and names what is wrong."""

import copy
import itertools

import pytest
from python_envs import BatchedLine, Line
from twisterl.envs import Puzzle, PyEnv, check_env


@pytest.mark.parametrize("env", [Line, Line(), PyEnv(BatchedLine), Puzzle(4, 3, 1, 2, 64)])
def test_right_ones_pass(env):
    check_env(env, difficulty=5)


class Twice(Line):
    def observe(self):
        return [self.cell, self.cell]


class Stuck(Line):
    def masks(self):
        return [False, False]


class Endless(Line):
    def is_final(self):
        return self.success()

    def next(self, action):
        pass


class Shared(Line):
    """What copies share shows in their observations alone."""

    def __init__(self):
        super().__init__()
        self.cells = [0]

    def next(self, action):
        super().next(action)
        self.cells[0] = (self.cells[0] + 1) % self.size

    def reset(self, difficulty):
        super().reset(difficulty)
        self.cells[0] = 0

    def observe(self):
        return [self.cells[0]]


class Alike(Line):
    """Every copy carries the same generator."""

    reseed = None

    def copy(self):
        return copy.deepcopy(self)


class Moody(Line):
    count = itertools.count()

    def reset(self, difficulty):
        super().reset(difficulty)
        self.cell = 1 + next(self.count) % 5


class OneWay(Line):
    def twists(self):
        return [[0, 0, 2, 3, 4, 5]], [[0, 1]]


@pytest.mark.parametrize(
    ("env", "fault"),
    [
        (Twice, r"observe\(\): seed 0, step 0: a feature twice in"),
        (Stuck, r"masks\(\): seed 0, step 0: no legal action before the end"),
        (Endless, r"is_final\(\): seed 0: false after 1000 steps"),
        (Shared, r"copy\(\): seed .* playing the copy changed the original"),
        (Alike, r"copy\(\): without reseed\(\): two of them start the same episodes"),
        (Moody, r"reset\(\): seed 0, step 0: not the same episode twice"),
        (OneWay, r"twists\(\): obs_perms\[0\] is no permutation"),
    ],
)
def test_faults_are_named(env, fault):
    with pytest.raises(ValueError, match=fault):
        check_env(env, difficulty=5)


def test_the_object_is_left_alone():
    line = Line()
    before = dict(line.__dict__)
    check_env(line)
    assert line.__dict__ == before
