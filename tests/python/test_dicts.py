"""Observations of several parts: what is refused, who plays them, and training."""

import json
import logging
import pickle

import numpy as np
import pytest
import torch
from python_envs import Line, LineBatch
from small_policy import collector, everything
from twisterl import twisterl
from twisterl.envs import PyEnv, check_env
from twisterl.nn import BasicPolicy, MultiInputPolicy, TorchPolicy
from twisterl.nn.parts import are_rows, vectors
from twisterl.rl import AZ, PPO
from twisterl.runs.errors import CheckpointError
from twisterl.utils import prepare_algorithm

SIDE = 20
PARTS = {
    "place": {"dtype": "float32", "shape": [2]},
    "seen.0": {"dtype": "uint8", "shape": [1, SIDE, SIDE]},
    "seen.1": {"dtype": "sparse", "shape": [6]},
}


class Views(Line):
    """A line whose cell is told by numbers, by an image and by a feature."""

    def obs_space(self):
        image = {"dtype": "uint8", "shape": [1, SIDE, SIDE]}
        return {"place": PARTS["place"], "seen": (image, {"dtype": "sparse", "shape": [6]})}

    def observe(self):
        cell = super().observe()
        image = np.zeros((1, SIDE, SIDE), np.uint8)
        image[0, :, 3 * cell[0]] = 255
        return {"place": np.array([cell[0] / 5, -1.0]), "seen": (image, cell)}


class BatchedViews(Views):
    def vectorize(self, num_lanes):
        return ViewsBatch(self, num_lanes)


class ViewsBatch(LineBatch):
    def advance(self, *told):
        cells, offsets, *rest = super().advance(*told)
        images = np.zeros((len(cells), 1, SIDE, SIDE), np.uint8)
        images[np.arange(len(cells)), 0, :, 3 * cells] = 255
        place = np.stack([cells / 5, -np.ones(len(cells))], 1)
        return {"place": place, "seen": (images, (cells, offsets))}, None, *rest


class Net(torch.nn.Module):
    def __init__(self, num_actions, scale=1.0):
        super().__init__()
        self.place, self.image = torch.nn.Linear(2, 8), torch.nn.Conv2d(1, 2, 5, 5)
        self.heads, self.scale = torch.nn.Linear(8 + 32 + 6, num_actions + 1), scale

    def forward(self, x):
        image = torch.relu(self.image(x["seen.0"])).flatten(1)
        outputs = self.heads(torch.cat([torch.tanh(self.place(x["place"])), image, x["seen.1"]], 1))
        return outputs[:, :-1], outputs[:, -1]


class Unknown(Net):
    """The same by a layer that the engine does not have."""

    def forward(self, x):
        logits, values = super().forward({name: torch.sin(part) for name, part in x.items()})
        return logits, values


@pytest.fixture(scope="module")
def env():
    env = PyEnv(Views())
    env.difficulty = 5
    return env


@pytest.fixture(scope="module")
def policy(env):
    torch.manual_seed(0)
    return TorchPolicy(Net(2), env.obs_shape(), 2, env.obs_space())


def test_an_environment_tells_its_parts(env):
    assert env.obs_dtype() == "dict" and env.obs_shape() == [2 + SIDE * SIDE + 6]
    assert env.obs_space() == PARTS and list(env.obs_space()) == list(PARTS)
    env.set_state([4])
    told = env.observe()
    assert told["place"].tolist() == [np.float32(0.8), -1] and told["seen.1"] == [4]
    assert told["seen.0"].dtype == np.uint8 and told["seen.0"].shape == (1, SIDE, SIDE)
    assert np.flatnonzero(told["seen.0"][0, 7]).tolist() == [12]
    # One part is no dict, and a sparse or a dense one told so is what it always was.
    one = type("One", (Line,), {"obs_space": lambda self: {"dtype": "sparse", "shape": [6]}})
    assert PyEnv(one()).obs_dtype() == "sparse"
    assert PyEnv(Line()).obs_space() == {"dtype": "sparse", "shape": [6]}
    for cls in (Views, BatchedViews):
        check_env(cls(), difficulty=5)


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        ({}, "parts: expected at least one"),
        ({"a": {"dtype": "f4", "shape": [2]}}, 'a: expected {"dtype": '),
        ({"a": {"dtype": "float32"}}, 'a: expected {"dtype": '),
        ({"a": {"dtype": "float32", "shape": [2, 0]}}, "part a: expected a shape of positive"),
        ({"a": {"dtype": "float32", "shape": [2**20, 2**20]}}, "part a: expected a shape"),
        ({"a": ({"dtype": "sparse", "shape": [2]}, 3)}, "a.1: expected .*, got int"),
        ({3: {"dtype": "sparse", "shape": [2]}}, "expected a string, got int"),
        ("float32", "expected .*, got str"),
    ],
)
def test_what_is_no_space(space, problem):
    env = type("Odd", (Views,), {"obs_space": lambda self: space})()
    with pytest.raises((TypeError, ValueError), match=rf"^obs_space\(\) of Odd: {problem}"):
        PyEnv(env)
    with pytest.raises(ValueError, match=r"obs_space\(\)"):
        check_env(env)


PLACE, IMAGE = np.zeros(2), np.zeros((1, SIDE, SIDE), np.uint8)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"place": PLACE}, r"seen\.0: expected a part, as uint8 \[1, 20, 20\], got none"),
        ({"place": PLACE, "seen": (IMAGE,)}, r"seen: 1: expected a part, as sparse \[6\]"),
        ({"place": PLACE, "seen": (IMAGE, [1]), "x": 0}, "x: expected no such part, only place, s"),
        ({"place": PLACE, "seen": (IMAGE, [1], 0)}, "seen: 2: expected no such part, only 0, 1"),
        ({"place": PLACE, "seen": 3}, "seen: expected a dict or a tuple of 0, 1, got int"),
        (PLACE, "expected a dict or a tuple of place, seen.0, seen.1, got ndarray"),
        (
            {"place": np.zeros(3), "seen": (IMAGE, [1])},
            r"place: expected an array \[2\], got \[3\]",
        ),
        ({"place": [0, np.nan], "seen": (IMAGE, [1])}, "place: expected finite numbers"),
        (
            {"place": PLACE, "seen": (PLACE, [1])},
            "seen: 0: expected an array of uint8, got float64",
        ),
        ({"place": PLACE, "seen": (IMAGE, [6])}, r"seen: 1: expected indices in 0\.\.6, got 6"),
        (
            {"place": PLACE, "seen": (IMAGE, np.array([0, 1, 0, 0, 0, 0]))},
            r"seen: 1: expected the indices of the active features, got .*numpy\.flatnonzero\(x\)",
        ),
    ],
)
def test_what_is_no_observation(value, problem, policy):
    env = PyEnv(type("Odd", (Views,), {"observe": lambda self: value})())
    for play in (env.observe, lambda: collector(2).collect(env, policy.to_rust())):
        with pytest.raises((TypeError, ValueError), match=rf"^observe\(\) of Odd: {problem}"):
            play()


@pytest.mark.parametrize(
    ("part", "value", "problem"),
    [
        ("place", np.zeros((2, 3)), r"place: expected an array \[N, 2\], got \[2, 3\]"),
        ("place", np.zeros((1, 2)), r"seen\.0: expected 1 rows, as of the first part, got"),
        ("keys", [1], r"keys: expected no such part"),
    ],
)
def test_what_is_no_batch(part, value, problem, policy):
    class Odd(ViewsBatch):
        def advance(self, *told):
            seen, *rest = super().advance(*told)
            (images, keys) = seen.pop("seen")
            return {**seen, "seen.0": images, "seen.1": keys, part: value}, *rest

    cls = type("Views", (Views,), {"vectorize": lambda self, lanes: Odd(self, lanes)})
    expected = rf"^observations of advance\(\) of Odd: {problem}"
    with pytest.raises((TypeError, ValueError), match=expected):
        collector(4).collect(PyEnv(cls()), policy.to_rust())


def test_one_game_in_every_form_is_one_rollout(policy, other):
    """Copies, a batched form and a capsule of another library."""
    envs = [PyEnv(Views()), PyEnv(BatchedViews()), other.env.PyEnv(Views())]
    played = []
    for each in envs:
        each.difficulty = 5
        played.append(collector(12, 2).collect(each, policy.to_rust()))
    assert len(everything(played[0])) > 1000
    # A batch has random numbers of its own; a capsule those of its copies.
    for data in played:
        seen = data.obs
        cells = np.array(seen["seen.1"])[:, 0]
        np.testing.assert_array_equal(seen["place"][:, 0], (cells / 5).astype(np.float32))
        assert seen["seen.0"].shape == (len(cells), 1, SIDE, SIDE)
        assert (seen["seen.0"].argmax(3) == 3 * cells[:, None, None]).all()
        told = torch.as_tensor(data.arrays.indices), torch.as_tensor(data.arrays.offsets)
        x = vectors(*told, PARTS)
        assert x[:, :2].tolist() == seen["place"].tolist()
        assert torch.equal(
            x[:, 2:-6].reshape(seen["seen.0"].shape) * 255, torch.tensor(seen["seen.0"])
        )
        assert torch.equal(x[:, -6:].argmax(1), torch.tensor(cells)) and x[:, -6:].sum() == len(x)
    assert envs[2].obs_space() == PARTS
    again = pickle.loads(pickle.dumps(played[0]))
    again.merge(played[1])
    assert len(again.obs["place"]) == len(played[0]) + len(played[1])
    assert again.obs["seen.1"][-1] == played[1].obs["seen.1"][-1]
    first, index = played[0].distinct_rows, played[0].distinct_index
    assert len(first) == 6 and [len(first)] == [index.max() + 1]


def test_the_engine_and_torch_agree(env, policy, caplog):
    engine = policy.to_rust()
    assert not caplog.records
    unknown = TorchPolicy(Unknown(2), env.obs_shape(), 2, env.obs_space())
    unknown.module.load_state_dict(policy.module.state_dict())
    with caplog.at_level(logging.WARNING):
        unknown.to_rust()
        by_torch = pickle.loads(pickle.dumps(unknown.to_rust()))
    assert [record.message for record in caplog.records] == [
        "policy: torch plays it, for the engine does not: sin (sin) is no layer that the engine has"
    ]
    env.set_state([3])
    told = env.observe()
    ask = {name: torch.as_tensor(told[name]).float()[None] for name in ("place", "seen.0")}
    ask = {**ask, "seen.0": ask["seen.0"] / 255, "seen.1": torch.eye(6)[3:4]}
    logits, value = unknown.module(ask)
    shares = by_torch.predict(told, [True, True])
    np.testing.assert_allclose(shares[0], logits.softmax(1)[0].detach(), atol=1e-6)
    np.testing.assert_allclose(shares[1], value.item(), atol=1e-6)
    played = [collector(8).collect(env, each) for each in (engine, policy.asking_torch())]
    np.testing.assert_allclose(*(data.values for data in played), atol=1e-5)
    basic = BasicPolicy(env.obs_shape(), 2, 8, obs_dtype=env.obs_space())
    shares, value = basic.to_rust().predict(told, [True, True])
    rows = twisterl.nn.Policy.forward_batch(
        basic.to_rust(),
        {
            "place": told["place"][None],
            "seen": (told["seen.0"][None], (np.array([3], np.int32), np.array([0, 1]))),
        },
    )
    x = np.concatenate([told["place"], told["seen.0"].ravel() / 255, np.eye(6)[3]])
    expected = basic.predict(x.astype(np.float32))
    np.testing.assert_allclose(shares, expected[0], atol=1e-6)
    np.testing.assert_allclose([value, rows[1][0]], [expected[1][0]] * 2, atol=1e-6)
    with pytest.raises(ValueError, match=r"^obs: seen\.1: expected a part, as sparse \[6\]"):
        basic.to_rust().predict({name: told[name] for name in ("place", "seen.0")}, [True] * 2)


def test_a_policy_of_other_parts_is_refused(env):
    parts = {**PARTS, "seen.1": {"dtype": "float32", "shape": [6]}}
    other = BasicPolicy(env.obs_shape(), 2, 8, obs_dtype=parts).to_rust()
    expected = r"policy: observations: part 2: expected seen\.1 sparse \[6\] as the environment has"
    for play in (collector(2).collect, twisterl.collector.solve):
        with pytest.raises(ValueError, match=expected):
            play(env, other)
    with pytest.raises(ValueError, match="policy: observations: expected dict as the environment"):
        collector(2).collect(env, BasicPolicy(env.obs_shape(), 2, 8).to_rust())
    for parts in ({}, {"a": 3}, {"a": {"dtype": "f4", "shape": [2]}}):
        with pytest.raises(ValueError, match=r"obs_dtype: .*expected"):
            BasicPolicy([2], 2, 8, obs_dtype=parts)


def config(algorithm_cls="PPO", policy_cls="twisterl.nn.MultiInputPolicy", **policy):
    searched = {"num_mcts_searches": 4, "C": 1.4, "max_expand_depth": 1}
    collecting = {"num_episodes": 4, "num_cores": 1, **(searched if algorithm_cls == "AZ" else {})}
    training = {"num_epochs": 1, **({"replay_size": 500} if algorithm_cls == "AZ" else {})}
    return {
        "env_cls": "PyEnv",
        "env": {"pyenv_cls": f"{__name__}.Views"},
        "policy_cls": policy_cls,
        "policy": policy,
        "algorithm_cls": algorithm_cls,
        "algorithm": {
            "collecting": collecting,
            "training": training,
            "optimizer": {"lr": 1e-3},
            "learning": {"diff_threshold": 2.0},
            "evals": {},
            "seed": 2,
        },
    }


def test_multi_input_policy_trains_by_a_config(caplog):
    """By the engine and by torch, to the same weights."""
    weights = []
    for engine in ("rust", "torch"):
        raw = config()
        raw["algorithm"]["engine"] = engine
        algorithm = prepare_algorithm(raw)
        assert isinstance(algorithm.policy.module, MultiInputPolicy)
        algorithm.learn(1)
        weights.append(torch.cat([p.detach().ravel() for p in algorithm.policy.parameters()]))
    torch.testing.assert_close(*weights, atol=2e-4, rtol=0)
    assert not caplog.records


def test_a_line_is_learned(env):
    torch.manual_seed(1)
    settings = config()["algorithm"] | {"optimizer": {"lr": 3e-2}}
    settings["collecting"] = {"num_episodes": 64, "num_cores": 1}
    ppo = PPO(env, Net(2), settings)
    ppo.learn(8)
    assert ppo.solve([5]) == [0] * 5
    found = twisterl.collector.solve(env, ppo.policy.to_rust(), num_mcts_searches=4)
    assert found is not None
    told = twisterl.collector.evaluate(env, ppo.policy.to_rust(), 8, True, 1)
    assert told[0] == 1.0


def test_a_replay_buffer_goes_on_as_if_it_had_not_stopped(tmp_path):
    raw = config("AZ", "BasicPolicy", embedding_size=8, common_layers=[])
    whole = prepare_algorithm(json.loads(json.dumps(raw)), tmp_path / "whole")
    whole.learn(3)
    prepare_algorithm(json.loads(json.dumps(raw)), tmp_path / "parts").learn(2)
    resumed = prepare_algorithm(json.loads(json.dumps(raw)), tmp_path / "parts")
    resumed.resume()
    resumed.learn(1)
    assert isinstance(resumed, AZ)
    for name, tensor in whole.policy.state_dict().items():
        assert torch.equal(resumed.policy.state_dict()[name], tensor), name
    memory = resumed.memory()
    memory["indices"] = memory["indices"].clone()
    memory["indices"][2 + SIDE * SIDE // 4] = 7
    with pytest.raises(CheckpointError, match="holds no samples of 408 features and 2 actions"):
        resumed.remember(memory)


def test_words_that_are_no_rows():
    parts = {"a": {"dtype": "sparse", "shape": [3]}, "b": {"dtype": "float32", "shape": [1]}}

    def fits(*words, ends=()):
        return are_rows(np.array(words), np.array([0, *ends, len(words)]), parts)

    half = int(np.float32(0.5).view(np.int32))
    words, offsets = torch.tensor([2, 0, 2, half, 0, half]), torch.tensor([0, 4, 6])
    assert vectors(words, offsets, parts).tolist() == [[1, 0, 1, 0.5], [0, 0, 0, 0.5]]
    assert fits(2, 0, 2, -(2**31)) and fits(0, 5, 1, 1, 5, ends=[2])
    for words in ([0], [1, 3, 0], [2, 0, 0], [0, 1, 1], [-1, 0], [0, 0x7F800000], [0, 2**31], []):
        assert not fits(*words), words
