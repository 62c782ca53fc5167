"""Actions of parts and of numbers: from environments in Python to rollouts, training and back."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_scripts import checked
from twisterl import twisterl as extension
from twisterl.envs import Puzzle, PyEnv, check_env
from twisterl.nn import BasicPolicy, DiscreteSpace, heads
from twisterl.nn.spaces import action_space_of
from twisterl.rl import AZ, PPO
from twisterl.utils import prepare_algorithm

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
TARGET = np.array([0.5, -1.0], np.float32)


class Reach:
    """One step: the nearer the two numbers are to TARGET, the better."""

    def __init__(self, batched=False):
        self.batched = batched
        self.set_state([0])

    def act_space(self):
        return {"type": "box", "low": [-1.0, -2.0], "high": [1.0, 2.0]}

    def obs_shape(self):
        return [1]

    def obs_dtype(self):
        return "float32"

    def reset(self, difficulty):
        self.set_state([0])

    def set_state(self, state):
        self.steps, self.reward = int(state[0]), 0.0

    def next(self, action):
        assert action.dtype == np.float32 and action.shape == (2,)
        assert (np.abs(action) <= [1.0, 2.0]).all()
        self.steps += 1
        self.reward = -float(((action - TARGET) ** 2).sum())

    def is_final(self):
        return self.steps >= 2

    def success(self):
        return False

    def value(self):
        return self.reward

    def observe(self):
        return np.array([self.steps], np.float32)

    def copy(self):
        return copy.copy(self)

    def vectorize(self, num_lanes):
        return Reaches(num_lanes) if self.batched else None


class Reaches:
    """Many of them, entered once a step."""

    def __init__(self, num_lanes):
        self.lanes = [Reach() for _ in range(num_lanes)]

    def load(self, lane, env):
        self.lanes[lane] = env.copy()

    def advance(self, lanes, kinds, values, seeds, actions):
        assert actions.dtype == np.float32 and actions.shape == (len(lanes), 2)
        moved = [self.lanes[lane] for lane in lanes]
        for env, kind, action in zip(moved, kinds, actions, strict=True):
            if kind == 0:
                env.set_state([0])
            elif kind == 1:
                env.next(action)
        count = len(lanes)
        return (
            np.stack([env.observe() for env in moved]),
            None,
            np.zeros((count, 0), bool),
            np.array([env.value() for env in moved], np.float32),
            np.array([env.is_final() for env in moved]),
            np.zeros(count, bool),
        )


class Lock:
    """One step: two dials, of three and of two places, of which one place of the first is stuck."""

    def act_space(self):
        return {"type": "multi_discrete", "nvec": [3, 2]}

    def obs_shape(self):
        return [2]

    def masks(self):
        return [False, True, True, True, True]

    def reset(self, difficulty):
        self.set_state([0])

    def set_state(self, state):
        self.done, self.right = bool(state[0]), 0.0

    def next(self, action):
        assert action.dtype == np.int64
        assert action[0] > 0
        self.done, self.right = True, float(action[0] == 2) + float(action[1] == 0)

    def is_final(self):
        return self.done

    def success(self):
        return self.right == 2.0

    def value(self):
        return self.right

    def observe(self):
        return [int(self.done)]

    def copy(self):
        twin = Lock()
        twin.__dict__.update(self.__dict__)
        return twin


def lock():
    env = Lock()
    env.set_state([0])
    return env


def policy_of(env, **options):
    sizes = {"embedding_size": 16, "common_layers": [16], **options}
    return BasicPolicy(
        env.obs_shape(),
        env.num_actions(),
        obs_dtype=env.obs_dtype(),
        act_space=env.act_space(),
        **sizes,
    )


def ppo_of(env, episodes=64, **options):
    torch.manual_seed(0)
    config = {
        "collecting": {"num_episodes": episodes, "num_cores": 2, "gamma": 1.0},
        "training": {"num_epochs": 8, "ent_coef": 0.001},
        "optimizer": {"lr": 0.01},
        "evals": {},
        "seed": 3,
    }
    return PPO(env, policy_of(env, **options), config)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("squash", [False, True])
def test_numbers_are_learned(squash, batched):
    ppo = ppo_of(PyEnv(Reach(batched)), squash=squash)
    ppo.learn(40)
    data = ppo.collector.collect(ppo.env, ppo.policy.to_rust())
    mean = np.mean(data.arrays.rewards.reshape(-1, 3)[:, 1:])
    assert mean > -0.6, mean


def test_parts_are_learned():
    ppo = ppo_of(PyEnv(lock()))
    ppo.learn(15)
    success, reward = ppo.evaluate({"num_episodes": 50, "deterministic": True})[0]
    assert (success, reward) == (1.0, 2.0)


def test_columns_of_a_rollout():
    env = PyEnv(Reach())
    policy = policy_of(env).to_rust()
    collector = extension.collector.PPOCollector(5, 1.0, 1.0, 1)
    arrays = collector.collect(env, policy).arrays
    assert arrays.actions.dtype == np.float32 and arrays.actions.shape == (15, 2)
    assert arrays.masks.shape == (15, 0) and arrays.logits.shape == (15, 2)
    # The same collector, another environment.
    env = PyEnv(lock())
    data = collector.collect(env, policy_of(env).to_rust())
    assert data.arrays.actions.dtype == np.int64 and data.arrays.actions.shape == (10, 2)
    assert data.arrays.masks.shape == data.arrays.logits.shape == (10, 5)
    assert (data.arrays.actions[::2, 0] > 0).all()
    again = pickle.loads(pickle.dumps(data))
    again.merge(data)
    assert len(again) == 20 and again.actions == 2 * data.actions


@pytest.mark.parametrize("squash", [False, True])
def test_torch_judges_as_the_engine(squash):
    ppo = ppo_of(PyEnv(Reach()), squash=squash)
    for _ in range(2):
        batch, _ = ppo.data_to_torch(ppo.collector.collect(ppo.env, ppo.policy.to_rust()))
        log_probs, _ = ppo.head.judge(ppo._outputs(batch)[0], batch.illegal, batch.actions)
        torch.testing.assert_close(log_probs, batch.log_probs, rtol=1e-4, atol=1e-4)
        ppo.learn(2)


def test_the_same_seed_is_the_same_run():
    runs = []
    for cores in (1, 2):
        ppo = ppo_of(PyEnv(Reach()))
        collector = extension.collector.PPOCollector(64, 1.0, 1.0, cores, seed=5)
        runs.append(collector.collect(ppo.env, ppo.policy.to_rust()).arrays)
    for name in ("actions", "log_probs", "logits", "rewards"):
        assert np.array_equal(getattr(runs[0], name), getattr(runs[1], name)), name


def test_what_needs_discrete_actions_says_so():
    env = PyEnv(Reach())
    policy = policy_of(env).to_rust()
    tree = extension.collector.AZCollector(1, 10, 1.4, 2, 1)
    calls = [
        lambda: tree.collect(env, policy),
        lambda: tree.explore(env, policy),
        lambda: extension.collector.WalkCollector(1, 1, 1).collect(env),
        lambda: extension.collector.solve(env, policy),
        lambda: extension.collector.evaluate_episodes(env, policy, 1, strategy="beam"),
        lambda: extension.collector.evaluate_episodes(env, policy, 1, num_mcts_searches=5),
        lambda: AZ(env, policy_of(env), {"evals": {}}).learn(1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="expected an environment with discrete actions"):
            call()
    with pytest.raises(ValueError, match="policy: expected one of discrete actions"):
        policy.predict(np.zeros(1, np.float32), [])


def test_steps_from_python():
    env = PyEnv(Reach())
    env.step([0.5, -1.0])
    assert env.reward() == 0.0
    for action, error in [
        ([0.5], "expected 2 numbers, got 1"),
        ([0.5, 9.0], r"expected numbers from \[-1.0, -2.0\] to \[1.0, 2.0\]"),
        ([0.5, float("nan")], "expected numbers from"),
    ]:
        with pytest.raises(ValueError, match=error):
            env.step(action)
    with pytest.raises(TypeError, match="action: expected numbers, got str"):
        env.step("left")
    env = PyEnv(lock())
    with pytest.raises(ValueError, match=r"expected integers below \[3, 2\]"):
        env.step([1, 2])
    env.step(np.array([2, 0]))
    assert env.success()


@pytest.mark.parametrize("make", [Reach, lambda: Reach(batched=True), lock])
def test_they_pass_check_env(make):
    check_env(PyEnv(make()))


class Foreign:
    """What only offers the capsule of an environment."""

    def __init__(self, env):
        self.env = env

    def __twisterl_env__(self):
        return self.env.__twisterl_env__()


def test_a_capsule_tells_what_starts_there_are():
    judge = extension.collector.evaluate_episodes
    env = PyEnv(lock())
    with pytest.raises(ValueError, match="Foreign has no reset_uniform"):
        judge(Foreign(env), policy_of(env).to_rust(), 1, start="uniform")
    board = Puzzle(2, 2, 1, 2, 8)
    plain = BasicPolicy(board.obs_shape(), board.num_actions(), 8).to_rust()
    assert len(judge(Foreign(board), plain, 3, start="uniform")["reward"]) == 3
    walks = extension.collector.WalkCollector(2, 2, num_cores=1)
    walks.check(Foreign(board))

    class Ring:
        """Two places, without a way to the goal."""

        obs_shape, num_actions, inverse_actions = (lambda self, n=n: n for n in ([2], 1, [0]))
        reset = next = set_state = lambda self, value: None
        masks, value, is_final, success = (lambda self, v=v: v for v in ([True], 0.0, True, False))
        observe, copy = (lambda self: [0]), (lambda self: type(self)())

    with pytest.raises(ValueError, match=r"\(reset_goal\), got Foreign without it"):
        walks.check(Foreign(PyEnv(Ring())))


@pytest.mark.parametrize("make", [Reach, lock])
def test_through_a_capsule(make):
    """It plays as the environment does."""
    env = PyEnv(make())
    policy = policy_of(env).to_rust()
    judge = extension.collector.evaluate_episodes
    likeliest = {"num_cores": 1, "deterministic": True}
    direct, foreign = (judge(e, policy, 3, **likeliest) for e in (env, Foreign(env)))
    assert np.array_equal(direct["reward"], foreign["reward"])
    assert direct["reward"].any() and np.array_equal(direct["length"], foreign["length"])
    assert (direct["length"] > 0).all()
    arrays = [
        extension.collector.PPOCollector(8, 1.0, 1.0, 1, seed=1).collect(e, policy).arrays
        for e in (env, Foreign(env))
    ]
    assert arrays[0].actions.shape == arrays[1].actions.shape
    assert arrays[0].actions.dtype == arrays[1].actions.dtype


class Space:
    """As one of gymnasium."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"type": "discrete", "n": 3}, {"type": "discrete", "n": 3}),
        (Space(n=np.int64(3), start=0), {"type": "discrete", "n": 3}),
        (Space(n=3, start=0, shape=()), {"type": "discrete", "n": 3}),
        (Space(nvec=np.array([3, 2])), {"type": "multi_discrete", "nvec": [3, 2]}),
        # gymnasium's MultiBinary.
        (Space(n=3, shape=(3,)), {"type": "multi_discrete", "nvec": [2, 2, 2]}),
        (Space(n=(2, 2), shape=(2, 2)), {"type": "multi_discrete", "nvec": [2, 2, 2, 2]}),
        (
            Space(low=np.array([-1.0]), high=np.array([1.0]), shape=(1,)),
            {"type": "box", "low": [-1.0], "high": [1.0]},
        ),
    ],
)
def test_descriptions_of_a_space(space, expected):
    env = Reach()
    env.act_space = lambda: space
    assert PyEnv(env).act_space() == expected
    assert json.loads(json.dumps(expected)) == expected
    if isinstance(space, Space):
        assert action_space_of("action_space", space) == expected


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        (Space(n=3, start=5, shape=()), r"expected choices from 0, got a start of"),
        (Space(nvec=np.array([3, 2]), start=np.array([0, -1])), "expected choices from 0, got a"),
        (
            Space(low=np.zeros(2), high=np.ones(2), shape=(2,), dtype=np.int32),
            r"expected a box of floats, got one of .*int32",
        ),
    ],
)
def test_a_space_whose_actions_are_others_than_are_drawn_is_refused(space, problem):
    env = Reach()
    env.act_space = lambda: space
    with pytest.raises(ValueError, match=r"act_space\(\) of Reach: " + problem):
        PyEnv(env)
    with pytest.raises(ValueError, match="^action_space: " + problem):
        action_space_of("action_space", space)


@pytest.mark.parametrize(
    "space",
    [
        {"type": "multi_binary", "n": 4},
        {"type": "box", "n": 4},
        {"type": "discrete", "nvec": [2, 2]},
        {"type": "discrete", "n": 4, "start": 1},
        DiscreteSpace([3, 1, 7]),
    ],
)
def test_a_description_that_says_something_else_is_refused(space):
    env = Reach()
    env.act_space = lambda: space
    with pytest.raises(ValueError, match=r"act_space\(\) of Reach: expected"):
        PyEnv(env)


@pytest.mark.parametrize(
    ("space", "error"),
    [
        (None, "act_space\\(\\) of Reach: expected a dictionary"),
        ({"type": "box", "low": [1.0], "high": [0.0]}, "as many finite numbers in low"),
        ({"type": "box", "low": [-np.inf], "high": [0.0]}, "as many finite numbers in low"),
        ({"type": "discrete", "n": 0}, "expected an integer in 1"),
        ({"type": "multi_discrete", "nvec": [2, 0]}, "nvec of positive integers"),
    ],
)
def test_what_is_no_space(space, error):
    env = Reach()
    env.act_space = lambda: space
    with pytest.raises((TypeError, ValueError), match=error):
        PyEnv(env)


def test_a_policy_for_other_actions_is_refused():
    env, other = PyEnv(Reach()), PyEnv(lock())
    discrete = BasicPolicy([1], 2, 8, obs_dtype="float32").to_rust()
    collector = extension.collector.PPOCollector(1, 1.0, 1.0, 1)
    with pytest.raises(ValueError, match="policy: actions: expected numbers from"):
        collector.collect(env, discrete)
    with pytest.raises(ValueError, match=r"expected integers below \[3, 2\] as the environment"):
        collector.collect(other, BasicPolicy([2], 5, 8).to_rust())
    with pytest.raises(ValueError, match="act_space: expected a dictionary of type"):
        BasicPolicy([2], 5, 8, act_space={"type": "text"})
    with pytest.raises(ValueError, match="squash: expected false"):
        BasicPolicy([2], 5, 8, squash=True)


@pytest.mark.parametrize("squash", [False, True])
def test_a_run_is_made_again(tmp_path, squash):
    """From its folder: the head, its deviations and what it was taught."""
    config = {
        "env_cls": "twisterl.envs.PyEnv",
        "env": {"pyenv_cls": "test_acts.Reach"},
        "policy_cls": "twisterl.nn.BasicPolicy",
        "policy": {"embedding_size": 8, "common_layers": [8], "squash": squash},
        "algorithm_cls": "twisterl.rl.PPO",
        "algorithm": {"collecting": {"num_episodes": 16}, "evals": {}},
    }
    run = prepare_algorithm(config, run_path=str(tmp_path))
    run.learn(2)
    again = prepare_algorithm(config, load_checkpoint_path=tmp_path / "checkpoint_last.safetensors")
    assert again.policy.squash is squash
    assert again.policy.log_std is not None
    torch.testing.assert_close(again.policy.state_dict(), run.policy.state_dict())


def test_torch_heads_are_those_of_torch_distributions():
    for case in json.loads((GOLDEN / "heads.json").read_text())["cases"]:
        told = case["head"]
        outputs = torch.tensor([case["outputs"]], dtype=torch.float64)
        if told["head"] == "normal":
            log_std = torch.nn.Parameter(torch.tensor(told["log_std"], dtype=torch.float64))
            head = heads.Normal(log_std, told["squash"])
        elif told["head"] == "product":
            head = heads.Product(told["nvec"])
        else:
            head = heads.Categorical(len(case["outputs"]))
        illegal = ~torch.tensor([case["masks"]]) if case["masks"] else None
        judged = head.judge(outputs, illegal, torch.tensor([case["action"]]))
        expected = [case["log_prob"], case["entropy"]]
        torch.testing.assert_close(
            torch.cat(judged), torch.tensor(expected, dtype=torch.float64), rtol=2e-5, atol=2e-5
        )


def test_their_golden_file_is_what_torch_says_now():
    assert checked("write_heads.py") == 0
