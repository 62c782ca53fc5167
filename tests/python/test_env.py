"""PyBaseEnv and Puzzle: what they do, and what they refuse."""

import copy
import random
import subprocess
import sys

import numpy as np
import pytest
from twisterl import twisterl
from twisterl.envs import Puzzle

NEAR = [1, 0, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture
def puzzle():
    return Puzzle(3, 3, 5, 2, 256)


def test_submodules_can_be_imported():
    from twisterl.twisterl.collector import PPOCollector
    from twisterl.twisterl.env import PyBaseEnv
    from twisterl.twisterl.nn import Policy

    assert issubclass(Puzzle, PyBaseEnv)
    assert PPOCollector is twisterl.collector.PPOCollector
    assert Policy is twisterl.nn.Policy


def test_importing_environments_leaves_torch_alone():
    code = "import sys, twisterl.envs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


FIELDS = ("width", "height", "difficulty", "depth_slope", "max_depth")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [0, -1, 10**9, 10**30, -(10**30)])
def test_sizes_out_of_range_are_named(field, value):
    arguments = {"width": 3, "height": 3, "difficulty": 1, "depth_slope": 2, "max_depth": 9}
    if (field, value) == ("difficulty", 0):
        assert Puzzle(**{**arguments, field: value}).difficulty == 0
        return
    with pytest.raises(ValueError, match=f"^{field}: expected an integer in .*, got {value}$"):
        Puzzle(**{**arguments, field: value})


@pytest.mark.parametrize("value", [3.0, "3", None, [3]])
def test_sizes_of_another_type_are_named(value):
    with pytest.raises(TypeError, match=r"^width: expected an integer, got"):
        Puzzle(value, 3, 1, 2, 9)


def test_numpy_integers_are_integers():
    assert Puzzle(np.int64(4), np.uint8(3), 1, 2, 9).obs_shape() == [12, 12]


def test_a_state_can_be_set_stepped_and_read(puzzle):
    puzzle.set_state(NEAR)
    assert puzzle.get_state() == NEAR
    assert puzzle.masks() == [True, False, True, True]
    assert puzzle.observe() == [9 * cell + tile for cell, tile in enumerate(NEAR)]
    assert puzzle.reward() == pytest.approx(-0.5 / 256)
    assert not puzzle.is_final()
    puzzle.step(0)
    assert puzzle.solved() and puzzle.success() and puzzle.is_final()
    assert puzzle.reward() == 1.0
    assert puzzle.twists() == ([], [])
    assert puzzle.solution() == [] and not puzzle.track_solution()


@pytest.mark.parametrize("state", [tuple(NEAR), np.array(NEAR), np.array(NEAR, dtype=np.int8)])
def test_any_sequence_of_integers_is_a_state(puzzle, state):
    puzzle.set_state(state)
    assert puzzle.get_state() == NEAR


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ([0, 1], ValueError, "state: expected each of 0..9 once, got 2 entries"),
        ([1, 1, 2, 3, 4, 5, 6, 7, 8], ValueError, "state: expected each of 0..9 once, got 1 twice"),
        ([9, 1, 2, 3, 4, 5, 6, 7, 8], ValueError, "got 9 at cell 0"),
        ([-1, 1, 2, 3, 4, 5, 6, 7, 8], ValueError, "got -1 at cell 0"),
        ([10**30], ValueError, r"state\[0\]: expected an integer"),
        (["x"], TypeError, r"state\[0\]: expected an integer, got str"),
        (7, TypeError, "state: expected a sequence of integers, got int"),
        (None, TypeError, "state: expected a sequence of integers, got NoneType"),
    ],
)
def test_a_refused_state_changes_nothing(puzzle, state, error, message):
    puzzle.set_state(NEAR)
    with pytest.raises(error, match=message):
        puzzle.set_state(state)
    assert puzzle.get_state() == NEAR


@pytest.mark.parametrize("action", [4, -1, 10**9, 10**30])
def test_actions_out_of_range_are_named(puzzle, action):
    with pytest.raises(ValueError, match=f"^action: expected an integer in .*, got {action}$"):
        puzzle.step(action)


def test_difficulty_is_checked(puzzle):
    puzzle.difficulty = 7
    assert puzzle.difficulty == 7
    with pytest.raises(ValueError, match=r"difficulty: expected an integer in 0..=.*, got -1"):
        puzzle.difficulty = -1
    assert puzzle.difficulty == 7


def test_a_seed_names_the_start(puzzle):
    puzzle.difficulty = 50
    starts = []
    for seed in (1, 1, 2):
        puzzle.reset(seed=seed)
        starts.append(puzzle.get_state())
    assert starts[0] == starts[1] != starts[2]


def test_without_a_seed_python_random_decides(puzzle):
    puzzle.difficulty = 50
    starts = []
    for seed in (1, 1, 2):
        random.seed(seed)
        puzzle.reset()
        starts.append(puzzle.get_state())
    assert starts[0] == starts[1] != starts[2]


def test_a_copy_is_independent(puzzle):
    puzzle.set_state(NEAR)
    copy = puzzle.copy()
    copy.step(0)
    assert copy.solved() and type(copy) is type(puzzle)
    assert copy.is_final() and not puzzle.is_final()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_the_copy_module_copies(puzzle, duplicate):
    before = puzzle.get_state()
    twin = duplicate(puzzle)
    twin.set_state(NEAR)
    assert type(twin) is type(puzzle) and puzzle.get_state() == before != twin.get_state()


def test_positions(puzzle, capsys):
    puzzle.set_state(NEAR)
    assert [puzzle.get_position(x, 0) for x in range(3)] == [1, 0, 2]
    puzzle.set_position(0, 0, 0)
    puzzle.set_position(1, 0, 1)
    assert puzzle.solved()
    puzzle.display()
    assert capsys.readouterr().out == str(puzzle)
    for call, name in [
        (lambda: puzzle.get_position(3, 0), "x"),
        (lambda: puzzle.get_position(0, -1), "y"),
        (lambda: puzzle.set_position(0, 0, 9), "val"),
    ]:
        with pytest.raises(ValueError, match=f"^{name}: expected an integer in"):
            call()


def test_random_states_are_boards(puzzle):
    assert puzzle.random_state(3) == puzzle.random_state(3)
    assert sorted(puzzle.random_state()) == list(range(9))


def test_what_is_no_environment_is_refused():
    policy_free = twisterl.collector.solve
    for thing in (None, 3, "env", object()):
        with pytest.raises(TypeError):
            policy_free(thing, None)
