"""Environments without a goal: against Gymnasium's, and what each of them promises."""

import importlib
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from twisterl import envs
from twisterl.config.registry import REGISTRY
from twisterl.envs import check_env
from twisterl.rl.curriculum import ranked
from twisterl.twisterl.env import TASKS
from twisterl.utils import prepare_algorithm

ROOT = Path(__file__).resolve().parents[2]
TWINS = {
    "CartPole": "CartPole-v1",
    "Pendulum": "Pendulum-v1",
    "MountainCarContinuous": "MountainCarContinuous-v0",
}


def drawn(space, rng):
    if space["type"] == "discrete":
        return int(rng.integers(space["n"]))
    if space["type"] == "multi_discrete":
        return rng.integers(space["nvec"])
    return rng.uniform(space["low"], space["high"]).astype(np.float32)


@pytest.mark.parametrize("name", TWINS)
def test_as_gymnasium(name):
    """Same equations, bounds, limits and rewards; sines may differ in the last bit."""
    gymnasium = pytest.importorskip("gymnasium")
    twin, env, rng = gymnasium.make(TWINS[name]), getattr(envs, name)(), np.random.default_rng(0)
    space, low_high = env.act_space(), env.obs_bounds()
    np.testing.assert_array_equal(
        low_high, [twin.observation_space.low, twin.observation_space.high]
    )
    if space["type"] == "box":
        np.testing.assert_array_equal(space["low"], twin.action_space.low)
        np.testing.assert_array_equal(space["high"], twin.action_space.high)
    lengths = []
    for seed in range(12):
        # The action of the first half of the episodes is one that ends them by the limit of steps.
        env.reset(seed=seed)
        twin.reset(seed=seed)
        twin.unwrapped.state = np.array(env.get_state()).view(np.float64)
        ends = (False, False)
        while not any(ends):
            action = drawn(space, rng) if seed % 2 else _steady(name, env)
            seen, reward, *ends, _ = twin.step(action)
            env.step(action)
            np.testing.assert_allclose(env.observe(), seen, rtol=0, atol=1e-6)
            assert env.reward() == pytest.approx(float(reward), rel=1e-6)
            assert (env.is_final() and not env.truncated(), env.truncated()) == tuple(ends)
        lengths.append(env.truncated())
    assert any(lengths), "no episode was cut off"


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("TMaze", {}),
        ("TMaze", {"length": 2, "max_episode_steps": 7}),
        ("Catch", {}),
        ("Catch", {"width": 3, "height": 5, "pixels": 4}),
        ("CliffWalking", {"width": 3, "height": 3, "max_episode_steps": 20, "solved_at": -20}),
        ("TwoWalkers", {}),
        ("TwoWalkers", {"width": 2, "height": 2, "max_episode_steps": 9}),
    ],
)
def test_as_the_reference(monkeypatch, name, sizes):
    """Starts of equal streams, states, observations, rewards to the last bit, and ends."""
    monkeypatch.syspath_prepend(ROOT / "tests/reference")
    twin = getattr(importlib.import_module("plain_tasks"), name)(**sizes)
    env, stream = getattr(envs, name)(**sizes), importlib.import_module("rng").Rng
    ends = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        env.reset(seed=seed)
        twin.reset(stream(seed))
        while True:
            assert env.get_state() == twin.state, f"seed {seed}, step {twin.steps}"
            assert np.array_equal(env.observe(), twin.observe()), f"seed {seed}, step {twin.steps}"
            got = (env.reward(), env.is_final(), env.truncated(), env.success())
            assert got == (twin.reward(), twin.is_final(), twin.truncated(), twin.success())
            if twin.is_final():
                break
            action = drawn(env.act_space(), rng)
            env.step(action)
            twin.step(action)
        ends.add((twin.truncated(), twin.success()))
    assert len(ends) > 1, "all episodes ended alike"


def _steady(name, env):
    if name == "CartPole":
        _, _, angle, speed = env.observe()
        return int(angle + speed > 0)
    # Pumps, which brings the car to its goal.
    return np.array([math.copysign(1.0, env.observe()[-1])], np.float32)


@pytest.mark.parametrize("name", TASKS)
def test_what_every_environment_promises(name):
    env = getattr(envs, name)()
    assert env.is_task() and not envs.Puzzle(3, 3, 1, 2, 9).is_task()
    check_env(env, num_episodes=4)
    for seed in range(4):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        twin, total = env.copy(), 0.0
        while not env.is_final():
            if env.obs_bounds() is not None:
                low, high = env.obs_bounds()
                assert (np.asarray(low) <= env.observe().ravel()).all()
                assert (np.asarray(high) >= env.observe().ravel()).all()
            action = drawn(env.act_space(), rng)
            env.step(action)
            twin.step(action)
            total += env.reward()
            assert env.get_state() == twin.get_state()
        assert env.success() == (total >= env.arguments()["solved_at"])
        again = pickle.loads(pickle.dumps(env))
        assert again.get_state() == env.get_state() and again.reward() == env.reward()
        assert (again.truncated(), again.success()) == (env.truncated(), env.success())
        state = env.get_state()
        env.reset(seed=seed + 1)
        env.set_state(state)
        assert env.get_state() == state and env.reward() == 0
        for wrong in ([], [*state, 0], [-1 for _ in state]):
            with pytest.raises(ValueError, match="state: expected"):
                env.set_state(wrong)
        assert str(env).endswith("\n")


@pytest.mark.parametrize("name", TASKS)
def test_limits_are_counted(name):
    env = getattr(envs, name)(max_episode_steps=20, solved_at=-1e9)
    rng = np.random.default_rng(0)
    for seed in range(20):
        env.reset(seed=seed)
        steps = 0
        while not env.is_final():
            env.step(drawn(env.act_space(), rng))
            steps += 1
        assert (steps == 20) if env.truncated() else (steps <= 20)
        assert env.success()


@pytest.mark.parametrize("name", TASKS)
def test_spec_is_what_a_config_accepts(name):
    spec = json.loads((ROOT / f"specs/envs/{TASKS[name]}.json").read_text("utf-8"))
    schema = REGISTRY["env_cls"][name][1].model_json_schema()["properties"]
    assert set(schema) == set(spec["parameters"])
    for key, declared in spec["parameters"].items():
        assert schema[key]["default"] == declared["default"], key
        if "min" in declared:
            limits = (schema[key]["minimum"], schema[key]["maximum"])
            assert limits == (declared["min"], declared["max"]), key
    env = getattr(envs, name)()
    assert env.action_names() == spec["actions"]
    assert env.obs_shape() == spec["observation"]["shape"]
    assert env.obs_dtype() == spec["observation"]["dtype"]


def test_a_cue_is_seen_once():
    """What follows the first step is the same for both cues: only memory tells them apart."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        env, other = envs.TMaze(length=3), envs.TMaze(length=3)
        env.set_state([0, 1, 1, 0])
        other.set_state([0, 0, 1, 0])
        assert env.observe().tolist() == [1, 0, 1, 0]
        assert other.observe().tolist() == [0, 1, 1, 0]
        while not env.is_final():
            action = int(rng.integers(4))
            env.step(action)
            other.step(action)
            assert env.observe().tolist() == other.observe().tolist()
        if not env.truncated():
            assert {env.reward(), other.reward()} == {1.0, -1.0}
            assert env.success() != other.success()


def test_a_maze_that_no_episode_leaves_is_refused():
    expected = "max_episode_steps: expected more than the length 100, to reach an arm, got 100"
    with pytest.raises(ValueError, match=expected):
        envs.TMaze(length=100)


def test_cells_larger_than_the_image_are_refused():
    expected = "pixels: expected at most 6, for an image of 64 x 64, got 7"
    with pytest.raises(ValueError, match=expected):
        envs.Catch(height=4, pixels=7)


def test_a_ball_is_caught():
    env = envs.Catch(width=5, height=4)
    for column in range(5):
        env.set_state([column, 0, 2])
        image = env.observe()
        assert image.shape == (1, 4, 5) and image.dtype == np.uint8 and image.sum() == 2 * 255
        assert image[0, 0, column] == image[0, 3, 2] == 255
        while not env.is_final():
            env.step(int(np.sign(column - env.get_state()[2])) + 1)
        assert env.reward() == 1 and env.success()
        env.set_state([column, 0, 2])
        while not env.is_final():
            env.step(2 if column < 2 else 0)
        assert env.reward() == -1 and not env.success()


@pytest.mark.parametrize(
    ("at", "moves", "then"),
    [
        ((0, 1), (1, 4), (0, 1)),  # The other one stands there.
        ((0, 1), (1, 3), (0, 1)),  # They would change places.
        ((0, 2), (1, 3), (0, 2)),  # Both to the same cell.
        ((0, 1), (1, 1), (1, 2)),  # One follows the other.
        ((0, 8), (0, 1), (0, 8)),  # Off the board.
        ((4, 0), (2, 4), (7, 0)),
    ],
)
def test_walkers_do_not_share_a_cell(at, moves, then):
    env = envs.TwoWalkers(width=3, height=3)
    env.set_state([*at, 5, 6])
    env.step(moves)
    assert env.get_state() == [*then, 5, 6]
    assert env.observe() == [then[0], 9 + then[1], 18 + 5, 27 + then[1], 36 + then[0], 45 + 6]
    assert env.reward() == pytest.approx(-0.01) and not env.is_final()


def test_walkers_are_done_together():
    env = envs.TwoWalkers(width=3, height=3)
    env.set_state([0, 4, 1, 5])
    env.step([1, 4])
    assert not env.is_final()
    env.step([4, 1])
    assert env.is_final() and env.success() and env.reward() == 1


def test_cart_pole_is_learned(tmp_path):
    """By the example: 475 of 500 steps in the mean, where the run ends."""
    raw = json.loads((ROOT / "examples/ppo_cartpole_v1.json").read_text("utf-8"))
    algorithm = prepare_algorithm(raw, run_path=tmp_path / "run")
    assert algorithm.config["collecting"]["truncation"] == "bootstrap"
    algorithm.learn(50)
    lines = (tmp_path / "run/metrics.jsonl").read_text("utf-8").splitlines()
    rewards = [json.loads(line)["reward"] for line in lines]
    assert rewards[-1] >= 475 and len(rewards) < 50
    assert all(reward is None or reward < 475 for reward in rewards[:-1])


def test_what_a_task_is_told_is_kept():
    """A config that says how a cut-off counts is followed, and so are puzzles without one."""
    raw = json.loads((ROOT / "examples/ppo_cartpole_v1.json").read_text("utf-8"))
    raw["algorithm"]["collecting"]["truncation"] = "terminal"
    assert prepare_algorithm(raw).config["collecting"]["truncation"] == "terminal"
    raw["algorithm"]["collecting"].pop("truncation")
    raw["env_cls"] = "LightsOut"
    assert prepare_algorithm(raw).config["collecting"]["truncation"] == "terminal"


def test_the_network_of_the_example_trains(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    algorithm = importlib.import_module("catch_cnn").learned(num_steps=2)
    assert algorithm.iteration == 2 and algorithm.total_steps > 1000
    assert algorithm.best_metrics is not None and np.isfinite(algorithm.best_metrics[2])


def test_the_best_of_a_task_is_what_earned_the_most():
    successful, earned = (1, 0.9, 1.0), (1, 0.8, 2.0)
    assert ranked(successful) > ranked(earned)
    assert ranked(successful, is_task=True) < ranked(earned, is_task=True)
