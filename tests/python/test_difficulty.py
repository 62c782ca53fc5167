"""How difficult a start may be, and how small a board: one rule for all environments."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest
from python_envs import Line
from small_policy import collector, small_policy
from twisterl import envs
from twisterl.twisterl import collector as engine
from twisterl.twisterl import env as compiled

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import puzzle as reference
from lanes import puzzle as reference_lanes
from lanes.streams import Rng as LanesRng
from rng import Rng

MOST = 1_000_000
BOARD = {"width": 3, "height": 3, "difficulty": 1, "depth_slope": 2, "max_depth": 64}


def make(name, **given):
    if name == "PyEnv":
        env = envs.PyEnv(Line())
        for key, value in given.items():
            setattr(env, key, value)
        return env
    return getattr(envs, name)(**({**BOARD, **given} if name == "Puzzle" else given))


@pytest.mark.parametrize("name", [*compiled.ENVIRONMENTS, "PyEnv"])
def test_constructor_and_setter_take_the_same(name):
    for difficulty in (0, 1, MOST):
        env = make(name, difficulty=difficulty)
        assert env.difficulty == difficulty
        env.difficulty = 3
        env.difficulty = difficulty
        assert env.difficulty == env.copy().difficulty == difficulty
    for difficulty in (-1, MOST + 1, 2**32 - 1, 2**32, 10**30):
        expected = rf"^difficulty: expected an integer in 0..={MOST}, got {difficulty}$"
        with pytest.raises(ValueError, match=expected):
            make(name, difficulty=difficulty)
        with pytest.raises(ValueError, match=expected):
            env.difficulty = difficulty
        assert env.difficulty == MOST


class Elsewhere:
    """A puzzle of another library, whose difficulty was set in its own way."""

    def __init__(self, difficulty):
        self.capsule = make("Puzzle").__twisterl_env__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        table = ctypes.cast(
            pointer(self.capsule, b"twisterl.env.v1"), ctypes.POINTER(ctypes.c_uint64)
        )
        set_difficulty = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64)(table[11])
        assert set_difficulty(table[2], difficulty) == 0

    def __twisterl_env__(self):
        return self.capsule


def test_other_libraries_are_held_to_it():
    policy = small_policy(make("Puzzle"))
    assert len(collector(4).collect(Elsewhere(7), policy).episode_starts) == 5
    for play in (
        lambda env: collector(4).collect(env, policy),
        lambda env: engine.evaluate(env, policy, 4, True, 1),
        lambda env: engine.AZCollector(4, 4, 1.4, 1, 1).collect(env, policy),
    ):
        with pytest.raises(ValueError, match=rf"^difficulty: .*0..={MOST}, got {2**32 - 1}$"):
            play(Elsewhere(2**32 - 1))


@pytest.mark.parametrize("name", compiled.ENVIRONMENTS)
def test_no_moves_are_a_start_as_any(name):
    env = make(name, difficulty=0)
    env.reset(seed=1)
    assert env.success() and env.is_final() and env.reward() == 1
    policy = small_policy(env)
    for distribution in ("fixed", "uniform"):
        data = collector(4, difficulty_distribution=distribution).collect(env, policy)
        assert data.rewards == [1, 1, 1, 1]
    assert engine.evaluate(env, policy, 4, True, 1) == (1, 1)


# Sides, board after one move of the blank where there is one, masks: as in TwisteRL 0.5.1.
SMALL = [
    (1, 1, 0, [0], [False, False, False, False]),
    (1, 3, 3, [1, 0, 2], [False, True, False, True]),
    (3, 1, 2, [1, 0, 2], [True, False, True, False]),
    (2, 1, 2, [1, 0], [True, False, False, False]),
]


@pytest.mark.parametrize(("width", "height", "action", "board", "masks"), SMALL)
def test_a_single_row_is_a_board(width, height, action, board, masks):
    env = envs.Puzzle(width, height, 1, 2, 64)
    env.step(action)
    assert (env.get_state(), env.masks()) == (board, masks)
    assert env.obs_shape() == [width * height] * 2
    own = reference.Puzzle(width, height, 1, 2, 64)
    lanes = reference_lanes.Lanes(30, width, height, difficulty=1, depth_slope=2, max_depth=64)
    drawn = lanes.uniform(LanesRng(np.arange(30, dtype=np.uint64)))
    assert lanes.solvable(drawn).all()
    for seed in range(30):
        own.reset_uniform(Rng(seed))
        assert env.random_state(seed) == own.state == drawn[seed].tolist()
        assert own.solvable()


def test_a_row_is_solved_or_refused():
    env = envs.Puzzle(5, 1, 20, 4, 64)
    policy = small_policy(env)
    data = collector(16).collect(env, policy)
    assert len(data.episode_starts) == 17
    actions, length = engine.solve_optimal(env, [1, 2, 3, 4, 0])
    assert (actions, length) == ([0, 0, 0, 0], 4)
    actions, length = engine.solve_optimal(envs.Puzzle(12, 1, 1, 2, 64), [*range(1, 12), 0])
    assert (actions, length) == ([0] * 11, 11)
    env.set_state([2, 1, 3, 4, 0])
    with pytest.raises(ValueError, match="whose tiles are not in order: no moves solve it"):
        engine.solve(env, policy)
    with pytest.raises(ValueError, match=r"^forbid_undo: expected false, got true, which leaves"):
        envs.Puzzle(5, 1, 20, 4, 64, forbid_undo=True)
