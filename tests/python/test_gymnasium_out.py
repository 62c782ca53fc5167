"""The environments of the package as environments of Gymnasium."""

import importlib
import pickle
import sys
import warnings

import numpy as np
import pytest
from twisterl import envs
from twisterl.twisterl.env import ENVIRONMENTS, TASKS

gymnasium = pytest.importorskip("gymnasium")
importlib.import_module("twisterl.gymnasium")
checker = importlib.import_module("gymnasium.utils.env_checker")

NAMES = ["Puzzle8", "Puzzle15", *ENVIRONMENTS, *TASKS]


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_finds_nothing_wrong(name):
    env = gymnasium.make(f"twisterl/{name}-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checker.check_env(env.unwrapped, skip_render_check=name not in ("Catch", "Puzzle8"))
    arguments = env.unwrapped.twisterl_env.arguments()
    assert env.spec.reward_threshold == arguments.get("solved_at")


@pytest.mark.parametrize("name", NAMES)
def test_episodes_are_those_of_the_environment(name):
    env = gymnasium.make(f"twisterl/{name}-v0")
    inner = env.unwrapped.twisterl_env
    for seed in range(3):
        env.action_space.seed(seed)
        seen, info = env.reset(seed=seed)
        again, _ = env.reset(seed=seed)
        np.testing.assert_array_equal(seen, again)
        twin, done = inner.copy(), False
        while not done:
            assert not twin.is_final()
            mask = info.get("action_mask")
            flat = np.concatenate(mask) if isinstance(mask, tuple) else mask
            if flat is None:
                assert inner.act_space()["type"] == "box"
            else:
                assert flat.tolist() == twin.masks() == env.unwrapped.action_masks().tolist()
            action = env.action_space.sample(mask)
            seen, reward, terminated, truncated, info = env.step(action)
            twin.step(action)
            expected = twin.observe()
            found = np.flatnonzero(seen) if inner.obs_dtype() == "sparse" else seen
            np.testing.assert_array_equal(np.sort(found), np.sort(expected))
            assert (reward, info["is_success"]) == (twin.reward(), twin.success())
            done = terminated or truncated
            assert (done, truncated) == (twin.is_final(), twin.truncated())


def test_arguments_and_options():
    env = gymnasium.make("twisterl/Puzzle-v0", width=2, height=2, difficulty=1, render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == str(env.unwrapped.twisterl_env)
    assert env.unwrapped.twisterl_env.arguments()["width"] == 2
    # One move from the goal, which is never a start.
    starts = {tuple(np.flatnonzero(env.reset(seed=seed)[0])) for seed in range(40)}
    assert len(starts) == 2
    seen, _ = env.reset(options={"state": [3, 1, 2, 0]})
    assert np.argwhere(seen)[:, 1].tolist() == [3, 1, 2, 0]
    with pytest.raises(ValueError, match="state"):
        env.reset(options={"state": [0, 0, 0, 0]})
    with pytest.raises(ValueError, match="options: expected state or difficulty, got level"):
        env.reset(options={"level": 3})
    with pytest.raises(ValueError, match="difficulty: expected one that leaves anything to do"):
        env.reset(options={"difficulty": 0})
    with pytest.raises(ValueError, match=r"env\.widht: unknown key; did you mean env\.width\?"):
        gymnasium.make("twisterl/Puzzle-v0", widht=2)
    with pytest.raises(ValueError, match=r"expected one of \['ansi'\], got 'rgb_array'"):
        gymnasium.make("twisterl/Puzzle8-v0", render_mode="rgb_array")


@pytest.mark.parametrize("made", [{}, {"difficulty": 9}])
def test_an_option_is_of_the_episode_that_it_begins(made):
    env = gymnasium.make("twisterl/Puzzle8-v0", **made)
    starts = [env.reset(seed=seed)[0] for seed in range(5)]
    for seed, start in enumerate(starts):
        env.reset(seed=0, options={"difficulty": 1})
        np.testing.assert_array_equal(env.reset(seed=seed)[0], start)
    inner, state = env.unwrapped.twisterl_env, [1, 0, 2, 3, 4, 5, 6, 7, 8]
    usual = inner.difficulty
    env.reset(options={"difficulty": 2, "state": state})
    assert inner.difficulty == 2
    env.reset(options={"state": state})
    assert inner.difficulty == usual
    with pytest.raises(ValueError, match="leaves anything to do, got 0"):
        gymnasium.make("twisterl/Puzzle8-v0", difficulty=0).reset()


def test_puzzles_start_anywhere_by_default():
    env = gymnasium.make("twisterl/Puzzle8-v0")
    starts = {tuple(np.flatnonzero(env.reset(seed=seed)[0])) for seed in range(50)}
    assert len(starts) == 50


def test_an_image_is_rendered():
    env = gymnasium.make("twisterl/Catch-v0", width=5, height=4, render_mode="rgb_array")
    seen, _ = env.reset(seed=0)
    image = env.render()
    assert image.shape == (64, 80, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image[::16, ::16, 0], seen[0])


def test_it_is_copied_by_pickle():
    env = gymnasium.make("twisterl/CartPole-v0").unwrapped
    env.reset(seed=1)
    again = pickle.loads(pickle.dumps(env))
    np.testing.assert_array_equal(env.step(1)[0], again.step(1)[0])


def test_gymnasium_imports_them_by_their_module():
    before = gymnasium.registry.pop("twisterl/CartPole-v0")
    sys.modules.pop("twisterl.gymnasium")
    env = gymnasium.make("twisterl.gymnasium:twisterl/CartPole-v0")
    assert env.spec.kwargs == before.kwargs


def test_those_of_the_package_come_back_as_they_went():
    """Out and in again: the same spaces, masks and rewards."""
    from twisterl.envs.gymnasium_env import GymnasiumEnv

    for name in ("LightsOut", "Catch", "Pendulum", "TwoWalkers"):
        env, own = GymnasiumEnv(f"twisterl/{name}-v0"), getattr(envs, name)()
        assert (env.act_space(), env.obs_dtype()) == (own.act_space(), own.obs_dtype())
        assert np.prod(env.obs_shape()) == np.prod(own.obs_shape())
        env.set_state([3])
        assert len(env.masks()) == own.num_actions()


def test_several_parts_are_a_dict():
    cls = sys.modules["twisterl.gymnasium"].TwisterlEnv
    env = cls("PyEnv", pyenv_cls="test_dicts.Views")
    assert list(env.observation_space) == ["place", "seen.0", "seen.1"]
    for seen in (env.reset(seed=1, options={"difficulty": 3})[0], env.step(0)[0]):
        assert env.observation_space.contains(seen)
        assert seen["seen.1"].tolist() == np.eye(6)[round(5 * seen["place"][0])].tolist()


def test_maskable_ppo_trains():
    """sb3-contrib asks for the masks at every step, and never plays what they forbid."""
    contrib = pytest.importorskip("sb3_contrib")

    class Strict(gymnasium.Wrapper):
        def step(self, action):
            assert self.env.unwrapped.action_masks()[action]
            return self.env.step(action)

    env = Strict(gymnasium.make("twisterl/Puzzle8-v0", difficulty=2))
    small = {"n_steps": 64, "batch_size": 32, "n_epochs": 1, "device": "cpu"}
    model = contrib.MaskablePPO("MlpPolicy", env, seed=0, **small)
    model.learn(128)
    assert model.num_timesteps == 128
