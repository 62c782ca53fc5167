"""What every environment of this package can do from Python."""

import inspect

import numpy as np
import pytest
from twisterl import envs
from twisterl.config.environments import PuzzleArguments
from twisterl.twisterl.env import ENVIRONMENTS


@pytest.fixture(params=ENVIRONMENTS)
def env(request):
    make = getattr(envs, request.param)
    return make(difficulty=5, max_depth=64)


def test_it_keeps_its_promises(env):
    envs.check_env(env, difficulty=7)


def test_a_copy_is_of_the_same_class_and_independent(env):
    env.set_state(env.random_state(1))
    before = env.get_state()
    copy = env.copy()
    assert type(copy) is type(env) and copy.get_state() == before
    copy.step(copy.masks().index(True))
    assert copy.get_state() != before and env.get_state() == before


def test_random_states_are_named_by_their_seed(env):
    before = env.get_state()
    drawn = [env.random_state(seed) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert any(state != drawn[0] for state in drawn)
    assert env.get_state() == before
    env.set_state(np.array(drawn[0]))
    assert env.get_state() == drawn[0]


def test_it_is_drawn_as_text(env, capsys):
    env.reset(seed=3)
    env.display()
    assert capsys.readouterr().out == str(env) != ""


def test_unknown_parameters_are_named():
    for name in ENVIRONMENTS:
        with pytest.raises(TypeError, match="hight"):
            getattr(envs, name)(hight=3)


def test_values_of_another_type_are_named():
    with pytest.raises(TypeError, match=r"^width: expected an integer, got str"):
        envs.LightsOut(width="3")
    with pytest.raises(ValueError, match=r"^width: expected an integer in 2..=16, got 17"):
        envs.LightsOut(width=17)
    assert envs.LightsOut(width=np.int64(4), height=2).num_actions() == 8
    with pytest.raises(TypeError, match=r"^solved_at: expected a number, got str"):
        envs.CartPole(solved_at="3")
    with pytest.raises(TypeError, match=r"^solved_at: expected a number, got bool"):
        envs.CartPole(solved_at=True)
    with pytest.raises(ValueError, match=r"^solved_at: expected a finite number, got NaN"):
        envs.CartPole(solved_at=np.nan)
    with pytest.raises(TypeError, match=r"^burnt: expected true or false, got int"):
        envs.Pancake(burnt=1)
    assert envs.CartPole(solved_at=np.float32(2.5)).arguments()["solved_at"] == 2.5
    assert envs.Pancake(burnt=np.True_).arguments()["burnt"] is True


def test_parameters_are_left_out_as_in_a_config():
    """Of `Puzzle`, which takes them by position too, as of all others."""
    parameters = PuzzleArguments().model_dump()
    assert envs.Puzzle().arguments() == parameters
    told = inspect.signature(envs.Puzzle).parameters
    assert {name: of.default for name, of in told.items()} == parameters
    assert envs.Puzzle(4, 2, reflection=False).arguments() == parameters | {"width": 4, "height": 2}
    for words, named, problem in (
        ([3] * 8, {}, "Puzzle: expected at most 7 arguments, got 8"),
        ([3], {"width": 3}, 'Puzzle: got multiple values for argument "width"'),
    ):
        with pytest.raises(TypeError, match=problem):
            envs.Puzzle(*words, **named)


def test_a_pattern_without_solution_is_refused():
    from twisterl.twisterl import collector

    env = envs.LightsOut(width=5, height=5)
    env.set_state([1] + [0] * 24)
    with pytest.raises(ValueError, match="no presses switch off"):
        collector.solve(env, _policy(env))


def _policy(env):
    torch = pytest.importorskip("torch")
    from twisterl.nn import BasicPolicy

    torch.manual_seed(0)
    return BasicPolicy(env.obs_shape(), env.num_actions(), 8, [8]).to_rust()
