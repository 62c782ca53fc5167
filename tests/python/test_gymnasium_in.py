"""Environments of Gymnasium trained and played by the engine."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from twisterl import cli
from twisterl.envs.gymnasium_env import GymnasiumEnv
from twisterl.faults import ConfigError
from twisterl.utils import prepare_algorithm

gymnasium = pytest.importorskip("gymnasium")
spaces = gymnasium.spaces


class Drawn(gymnasium.Env):
    """Spaces as they are given; `told` is what is observed in place of a value of the space.

    If `late`, from the second step of an episode on, and not where it is tried by seed 0.
    """

    def __init__(self, observation, action, told=None, masks=False, late=False):
        # A config makes a dictionary of a Dict.
        is_dict = isinstance(observation, dict)
        self.observation_space = spaces.Dict(observation) if is_dict else observation
        self.action_space = action
        self.told, self.has_masks, self.late = told, masks, late
        self.played = []

    def seen(self):
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        is_early = self.late and (self.is_tried or self.steps < 2)
        is_told = self.told is not None and not is_early
        value = self.told if is_told else self.observation_space.sample()
        info = {}
        if self.has_masks:
            last = self.action_space
            counts = [last.n] if isinstance(last, spaces.Discrete) else last.nvec
            masks = [np.arange(count) == count - 1 for count in counts]
            info["action_mask"] = masks[0] if len(masks) == 1 else tuple(masks)
        return value, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.is_tried = 0, seed == 0
        return self.seen()

    def step(self, action):
        assert self.action_space.contains(action), action
        if self.has_masks:
            start = self.action_space.start
            size = getattr(self.action_space, "nvec", getattr(self.action_space, "n", None))
            assert (action == start + size - 1).all()
        self.steps += 1
        value, info = self.seen()
        return value, 0.5, self.steps == 4, False, {**info, "is_success": True}


gymnasium.register("Drawn-v0", Drawn)
BOX = spaces.Box(-1, 1, (3,), np.float32)
PAIR = spaces.Tuple([spaces.Discrete(2), BOX])
OBSERVATIONS = {
    "float32": (BOX, "float32", [3]),
    "float64": (spaces.Box(-1, 1, (2, 2), np.float64), "float32", [2, 2]),
    "integers": (spaces.Box(-5, 5, (2,), np.int64), "float32", [2]),
    "scalar": (spaces.Box(0, 1, (), np.float32), "float32", [1]),
    "image": (spaces.Box(0, 255, (4, 4, 3), np.uint8), "uint8", [4, 4, 3]),
    "discrete": (spaces.Discrete(5, start=-2), "sparse", [5]),
    "multi-discrete": (spaces.MultiDiscrete([2, 3], start=[1, -1]), "sparse", [5]),
    "multi-binary": (spaces.MultiBinary([2, 3]), "sparse", [6]),
}
ACTIONS = {
    "discrete": spaces.Discrete(3, start=4),
    "multi-discrete": spaces.MultiDiscrete([2, 3], start=[5, -1]),
    "multi-binary": spaces.MultiBinary([2, 2]),
    "box": spaces.Box(np.array([[-1, 0]]), np.array([[1, 3]]), dtype=np.float64),
}


def config(env_cls, env, **collecting):
    return {
        "env_cls": env_cls,
        "env": env,
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 8, "common_layers": []},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 8, **collecting},
            "training": {"num_epochs": 1},
            "evals": {"ppo_deterministic": {"num_episodes": 4}},
        },
    }


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_observations(observation):
    space, dtype, shape = OBSERVATIONS[observation]
    algorithm = prepare_algorithm(
        config("gymnasium:Drawn-v0", {"observation": space, "action": ACTIONS["discrete"]})
    )
    env = algorithm.env
    assert (env.obs_dtype(), env.obs_shape()) == (dtype, shape)
    env.set_state([3])
    value = env.python_env.begun.observation
    if dtype == "sparse":
        flat = spaces.flatten(space, value)
        assert env.observe() == np.flatnonzero(flat).tolist()
    else:
        np.testing.assert_array_equal(env.observe(), np.reshape(value, shape).astype(dtype))
    algorithm.learn(1)
    assert algorithm.total_steps == 8 * 5


def test_observations_of_several_parts():
    pair = spaces.Tuple([OBSERVATIONS["image"][0], OBSERVATIONS["discrete"][0]])
    space = spaces.Dict(pair=pair, box=OBSERVATIONS["float64"][0], flags=spaces.MultiBinary([2, 3]))
    env = {"observation": space, "action": ACTIONS["discrete"]}
    algorithm = prepare_algorithm(config("gymnasium:Drawn-v0", env))
    expected = {"pair.0": "image", "pair.1": "discrete", "box": "float64", "flags": "multi-binary"}
    assert algorithm.env.obs_space() == {
        name: dict(zip(("dtype", "shape"), OBSERVATIONS[kind][1:], strict=True))
        for name, kind in expected.items()
    }
    algorithm.env.set_state([3])
    value, told = algorithm.env.python_env.begun.observation, algorithm.env.observe()
    np.testing.assert_array_equal(told["pair.0"], value["pair"][0])
    assert told["pair.1"] == [value["pair"][1] + 2]
    assert told["flags"] == np.flatnonzero(value["flags"]).tolist()
    algorithm.learn(1)
    assert algorithm.total_steps == 8 * 5


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("action", ACTIONS)
def test_actions(action, masks):
    """The environment itself refuses what is not of its space, or masked."""
    space = ACTIONS[action]
    if masks and action in ("multi-binary", "box"):
        pytest.skip("has none")
    env = {"observation": BOX, "action": space, "masks": masks}
    algorithm = prepare_algorithm(config("gymnasium:Drawn-v0", env))
    algorithm.learn(1)
    rows, times = algorithm.collect()
    assert times > 0 and np.isfinite(rows.log_probs).all()
    found = algorithm.evaluate({"num_episodes": 4})[0]
    assert found.is_task and tuple(found) == (1.0, 2.0)


def test_equal_seeds_give_equal_runs(tmp_path):
    raw = config("gymnasium:CartPole-v1", {}, num_episodes=6)
    runs = [prepare_algorithm(json.loads(json.dumps(raw))) for _ in range(2)]
    first, second = (run.collect()[0] for run in runs)
    assert len(first.actions) > 60
    for name in ("obs", "actions", "rewards", "values"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    # Environments that are lent again begin anew.
    np.testing.assert_array_equal(runs[0].collect()[0].rewards, first.rewards)


def test_what_is_cut_off_has_a_future():
    """Pendulum ends by its limit alone: its returns are those of the values, one step a reward."""
    raw = config("gymnasium:Pendulum-v1", {"max_episode_steps": 7}, gamma=0.5, num_episodes=2)
    raw["algorithm"]["collecting"]["lambda"] = 1.0
    rows, _ = prepare_algorithm(raw).collect()
    columns = rows.values, rows.rewards, rows.additional_data["rets"]
    values, rewards, returns = (np.reshape(column, (2, 8)) for column in columns)
    np.testing.assert_array_equal(returns[:, -1], values[:, -1])
    np.testing.assert_allclose(returns[:, -2], rewards[:, -2] + 0.5 * values[:, -1], rtol=1e-5)
    assert (rewards[:, 0] == 0).all() and (rewards[:, 1:] < 0).all()


def test_cart_pole_is_that_of_gymnasium():
    env, twin = GymnasiumEnv("CartPole-v1", max_episode_steps=30), gymnasium.make("CartPole-v1")
    assert env.is_task() and env.num_actions() == 2 and env.obs_shape() == [4]
    env.set_state([5])
    seen, _ = twin.reset(seed=5)
    np.testing.assert_array_equal(env.observe(), seen)
    copy = env.copy()
    for step in range(30):
        np.testing.assert_array_equal(env.observe(), seen)
        assert not env.is_final()
        seen, reward, *_ = twin.step(step % 2)
        env.step(step % 2)
        assert env.reward() == reward
    assert env.is_final() and env.truncated() and not env.success()
    np.testing.assert_array_equal(copy.observe(), twin.reset(seed=5)[0])
    with pytest.raises(ValueError, match=r"state: expected the seed of a reset, \[seed\], got"):
        env.set_state([1, 2])


class Counting(gymnasium.Env):
    """Writes what it shows into one array, and gives rewards of a shape."""

    observation_space, action_space = spaces.Box(0, 99, (2,), np.float32), spaces.Discrete(2)

    def __init__(self, reward=1.0):
        self.seen, self.told = np.zeros(2, np.float32), reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen[:] = 0
        return self.seen, {}

    def step(self, action):
        self.seen[action] += 1
        return self.seen, self.told, bool(self.seen.sum() > 9), False, {}


gymnasium.register("Counting-v0", Counting)


def test_a_copy_shows_its_own_state():
    env = GymnasiumEnv("Counting-v0")
    env.set_state([0])
    env.step(0)
    twin = env.copy()
    env.step(1)
    assert (env.observe().tolist(), twin.observe().tolist()) == ([1, 1], [1, 0])
    twin.step(0)
    assert (env.observe().tolist(), twin.observe().tolist()) == ([1, 1], [2, 0])


def test_it_is_pickled_in_the_middle_of_an_episode():
    env = GymnasiumEnv("CartPole-v1", max_episode_steps=5)
    fresh = pickle.loads(pickle.dumps(env))
    env.set_state([7])
    env.step(1)
    again = pickle.loads(pickle.dumps(env))
    assert again.arguments() == env.arguments()
    assert type(again.python_env).__name__ == "gymnasium:CartPole-v1"
    for twin in (env, again):
        for _ in range(4):
            twin.step(0)
    np.testing.assert_array_equal(again.observe(), env.observe())
    assert again.truncated()
    fresh.set_state([7])
    env.set_state([7])
    np.testing.assert_array_equal(fresh.observe(), env.observe())


def test_a_reward_is_one_number():
    with pytest.raises(ConfigError, match=r"reward of step 1: expected a number, got \[1\.\]"):
        GymnasiumEnv("Counting-v0", reward=np.ones(1))


def test_from_the_command_line(tmp_path, capsys):
    path, run = tmp_path / "config.json", str(tmp_path / "run")
    path.write_text(json.dumps(config("gymnasium:CartPole-v1", {"max_episode_steps": 20})))
    assert cli.main(["train", "--config", str(path), "--run_path", run, "--num_steps", "2"]) == 0
    assert cli.main(["train", "--resume", "--run_path", run, "--num_steps", "3"]) == 0
    assert " reward " in capsys.readouterr().out
    assert cli.main(["eval", run, "--num_episodes", "5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["difficulty"] is None and 0 < report["mean_reward"] <= 20
    assert cli.main(["solve", run, "7"]) in (0, 1)


_REGISTERING = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

gymnasium.register("OfTheirs-v0", entry_point=CartPoleEnv, max_episode_steps=5)
"""


def test_the_module_of_an_id_registers_it(tmp_path, monkeypatch):
    """As `gymnasium.make` does, in the commands that come later too, from any folder."""
    (tmp_path / "registering.py").write_text(_REGISTERING)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config("gymnasium:registering:OfTheirs-v0", {})))
    monkeypatch.chdir(tmp_path)
    run = str(tmp_path / "run")
    command = [sys.executable, "-m", "twisterl"]
    train = [*command, "train", "--config", "config.json", "--run_path", run, "--num_steps", "1"]
    subprocess.run(train, check=True, timeout=100, capture_output=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    evaluation = [*command, "eval", run, "--num_episodes", "2", "--json"]
    done = subprocess.run(evaluation, check=True, timeout=100, capture_output=True, text=True)
    assert json.loads(done.stdout)["mean_reward"] == 5


@pytest.mark.parametrize(
    ("env_cls", "env", "said"),
    [
        ("gymnasium:CartPol-v1", {}, "env_cls: got 'gymnasium:CartPol-v1': Environment `CartPol`"),
        ("gymnasium:", {}, "env_cls: got 'gymnasium:'"),
        ("gymnasium:CartPole-v1", {"sticks": 2}, "env: gymnasium:CartPole-v1 does not take it: "),
        ("gymnasium:nobody:Thing-v0", {}, "Thing-v0': No module named 'nobody'"),
        ("gymnasium:json:Thing-v0", {}, "env_cls: got 'gymnasium:json:Thing-v0': Environment "),
        ("gymnasium:.x:Thing-v0", {}, "env_cls: importing '.x' failed: TypeError: "),
    ],
)
def test_what_is_not_there(env_cls, env, said, tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(env_cls, env)))
    assert cli.main(["train", "--config", str(path), "--run_path", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_without_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ConfigError, match="which needs the package gymnasium; pip install"):
        prepare_algorithm(config("gymnasium:CartPole-v1", {}))


@pytest.mark.parametrize(
    ("observation", "told", "said"),
    [
        (BOX, np.zeros(4, np.float32), r"reset\(\): expected an array \[3\], got \[4\]"),
        (BOX, np.array([0, np.nan, 0]), r"expected a number from -1 to 1 at \[1\], got nan"),
        (BOX, np.array([0, 0, 1.5]), r"expected a number from -1 to 1 at \[2\], got 1.5"),
        (BOX, "abc", "got str"),
        (BOX, None, None),
        (spaces.Box(0, 255, (2,), np.uint8), np.zeros(2), "expected uint8, got float64"),
        (spaces.Discrete(3), 3, "expected a number from 0 to 2, got 3"),
        (spaces.MultiDiscrete([2, 3]), [1, 3], r"from 0 to 2 at \[1\], got 3"),
        (spaces.MultiBinary(2), [0, 2], r"from 0 to 1 at \[1\], got 2"),
        (spaces.Dict(a=spaces.Text(3)), None, "Dict or a Tuple of such, got Text"),
        (PAIR, (1, BOX.low, 2), r"2: expected no such part, only 0, 1, got one"),
        (PAIR, (1,), r"1: expected Box.*, got none"),
        (PAIR, 3, "expected a tuple, got int"),
        (spaces.Dict(a=PAIR), {"a": (1, np.zeros(4))}, r"a: 1: expected an array \[3\], got \[4\]"),
        (spaces.Dict(a=PAIR), {"b": 0}, "b: expected no such part, only a, got one"),
        (spaces.Text(3), None, "MultiBinary, or a Dict or a Tuple of such, got Text"),
    ],
)
def test_observations_that_do_not_fit(observation, told, said):
    env = {"observation": observation, "action": ACTIONS["discrete"], "told": told}
    if said is None:
        GymnasiumEnv("Drawn-v0", **env)
        return
    with pytest.raises(ConfigError, match=f"env_cls: gymnasium:Drawn-v0: observation.*{said}"):
        GymnasiumEnv("Drawn-v0", **env)


@pytest.mark.parametrize(
    ("observation", "told", "said"),
    [
        (BOX, np.zeros(4, np.float32), r"expected an array \[3\], got \[4\]"),
        (BOX, np.array([0, np.nan, 0]), r"expected a number from -1 to 1 at \[1\], got nan"),
        (BOX, np.array([0, 0, 1.5]), r"expected a number from -1 to 1 at \[2\], got 1.5"),
        (spaces.Box(0, 255, (2,), np.uint8), np.array([0, 300]), "from 0 to 255 at .*, got 300"),
        (spaces.MultiDiscrete([2, 3]), [2, 0], r"from 0 to 1 at \[0\], got 2"),
        (spaces.Dict(a=PAIR), {"a": (1, BOX.high * 2)}, r"a: 1: expected a number from -1 to 1"),
        (spaces.Dict(a=PAIR), {"a": (1, BOX.low), "b": 0}, "b: expected no such part, only a"),
    ],
)
def test_observations_that_stop_fitting(observation, told, said):
    env = {"observation": observation, "action": ACTIONS["discrete"], "told": told, "late": True}
    algorithm = prepare_algorithm(config("gymnasium:Drawn-v0", env))
    with pytest.raises(ValueError, match=f"^gymnasium:Drawn-v0: observation: .*{said}"):
        algorithm.collect()


def test_actions_that_cannot_be_drawn():
    for space in (spaces.Box(0, np.inf, (2,)), spaces.Box(0, 3, (2,), np.int8), spaces.Text(2)):
        env = {"observation": BOX, "action": space}
        with pytest.raises(
            ConfigError, match="env_cls: gymnasium:Drawn-v0: action space: expected"
        ):
            prepare_algorithm(config("gymnasium:Drawn-v0", env))


def test_a_config_from_elsewhere_needs_trust():
    with pytest.raises(ConfigError, match="in a config from elsewhere"):
        prepare_algorithm(config("gymnasium:CartPole-v1", {}), trust=False)
