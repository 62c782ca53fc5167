"""Observations that are numbers: what is refused, what the engine makes of them, and training."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from ring import BatchedDenseRing, DenseRing
from small_policy import collector, everything, small_policy
from twisterl import twisterl
from twisterl.envs import PyEnv, check_env
from twisterl.nn import BasicPolicy, Conv1dPolicy, TorchPolicy
from twisterl.nn.dense import numbers

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def seen(value, dtype="float32", batched=False):
    """A collection from a ring that is seen as `value`."""

    class Seen(BatchedDenseRing if batched else DenseRing):
        def features(self):
            return value

    env = PyEnv(Seen(dtype))
    return collector(2).collect(env, small_policy(env))


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    "value, dtype, problem",
    [
        (np.zeros(23), "float32", r"expected an array \[.*24\], got \[.*23\]"),
        (np.full(24, np.nan), "float32", "expected finite numbers"),
        (np.full(24, 1e300), "float32", "expected finite numbers"),
        (np.array(["a"] * 24), "float32", "expected an array of float32, got <U1"),
        (np.zeros(24), "uint8", "expected an array of uint8, got float64"),
        (np.zeros(24, int), "uint8", "expected an array of uint8, got int64"),
        (np.zeros(25, np.uint8), "uint8", r"expected an array \[.*24\], got \[.*25\]"),
    ],
)
def test_what_is_no_such_array(value, dtype, problem, batched):
    with pytest.raises((TypeError, ValueError), match=problem) as refused:
        seen(value, dtype, batched)
    assert ("observations of advance() of" if batched else "observe() of Seen") in str(
        refused.value
    )


def test_numbers_of_every_kind_are_floats():
    for value in (np.arange(24), np.arange(24.0)[::-1][::-1], list(range(24)), range(24)):
        assert seen(value).obs[0] == list(map(float, range(24)))


@pytest.mark.parametrize("dtype", ["float64", 3, None])
def test_what_is_no_kind(dtype):
    with pytest.raises(ValueError, match=r'obs_dtype\(\) of DenseRing: expected one of "sparse", '):
        PyEnv(DenseRing(dtype))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_base_environment_tells_its_arrays(dtype):
    env = PyEnv(DenseRing(dtype))
    env.set_state([3])
    array = env.observe()
    assert env.obs_dtype() == dtype == array.dtype and array.shape == (24,)
    assert np.flatnonzero(array).tolist() == [3, 21]


def test_what_is_left_of_a_last_word_is_no_number():
    words = np.array([1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0], np.uint8).view(np.int32)
    told = numbers(torch.from_numpy(words), 2, "uint8", 6)
    assert told.tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_engine_and_torch_agree(dtype):
    torch.manual_seed(4)
    perms = [np.random.default_rng(1).permutation(15).tolist()], [[2, 0, 1]]
    policy = BasicPolicy([3, 5], 3, 32, (24,), (16,), (), *perms, obs_dtype=dtype)
    drawn = np.random.default_rng(2).integers(256, size=(70, 3, 5))
    array = (drawn / 100 - 1).astype(dtype) if dtype == "float32" else drawn.astype(dtype)
    for twist in (-1, 0):
        twists = np.full(70, twist, np.int32)
        told = policy.to_rust().forward_batch(array, None, twists)
        with torch.no_grad():
            logits, values = policy(torch.as_tensor(array), torch.as_tensor(twists))
        np.testing.assert_allclose(told[0], logits.numpy(), atol=2e-6)
        np.testing.assert_allclose(told[1], values[:, 0].numpy(), atol=2e-6)
    one, legal = array[0].ravel().tolist() if dtype == "float32" else array[0], [True] * 3
    plain = BasicPolicy([3, 5], 3, 32, (24,), obs_dtype=dtype)
    shares, value = plain.to_rust().predict(one, legal)
    expected, expected_value = plain.predict(one)
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    np.testing.assert_allclose(value, expected_value[0], atol=1e-6)


@pytest.mark.parametrize(
    "policy",
    [
        BasicPolicy([3, 5], 2, 8, (8,)),
        Conv1dPolicy([3, 5], 2, 10, conv_dim=0),
        TorchPolicy(torch.nn.Flatten(), [3, 5], 2),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_rows_are_not_made_of_numbers_that_do_not_belong_together(policy):
    for shape in ([2, 5, 3], [15, 2], [5], []):
        with pytest.raises(ValueError, match=r"x: expected shape \[B, 3, 5\] or \[B, 15\], got"):
            policy(torch.zeros(shape))
    if isinstance(policy, BasicPolicy):
        with pytest.raises(ValueError, match=r"got \[1, 3\]"):
            policy.predict([0, 6, 9])  # active features, as `observe()` tells them
        with pytest.raises(ValueError, match=r"got \[1, 30\]"):
            policy.predict(np.zeros((2, 3, 5)))
        for shape in ([15], [3, 5], [4, 15], [4, 3, 5]):
            assert policy(torch.zeros(shape))[0].shape[1] == 2


def test_a_policy_for_other_observations_is_refused():
    env = PyEnv(DenseRing())
    with pytest.raises(ValueError, match="policy: observations: expected float32 as the env"):
        collector(2).collect(env, BasicPolicy(env.obs_shape(), 2, 8).to_rust())
    with pytest.raises(
        ValueError, match="obs_dtype: expected one of sparse, float32, uint8, got 'f"
    ):
        BasicPolicy(env.obs_shape(), 2, 8, obs_dtype="f32")
    with pytest.raises(TypeError, match="obs_dtype"):
        Conv1dPolicy([4, 6], 2, 12, obs_dtype="float32")
    policy = small_policy(env)
    with pytest.raises(TypeError, match="offsets: expected None, since observations are dense"):
        policy.forward_batch(np.zeros((1, 24), np.float32), np.array([0, 24]))
    with pytest.raises(TypeError, match=r"offsets: expected int64 \[N \+ 1\], got NoneType"):
        BasicPolicy([24], 2, 8).to_rust().forward_batch(np.zeros(2, np.int32))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_collections_are_kept_merged_and_pickled(dtype):
    import pickle

    env = PyEnv(DenseRing(dtype))
    env.difficulty = 8
    data = collector(8).collect(env, small_policy(env))
    arrays = pickle.loads(pickle.dumps(data)).arrays
    assert arrays.obs_space == (dtype, 24)
    words = torch.as_tensor(arrays.indices)
    assert numbers(words, len(data), dtype, 24).tolist() == data.obs
    assert len(set(map(tuple, data.obs))) > 10
    first = list(data.obs)
    data.merge(data)
    assert data.obs == first * 2
    sparse = PyEnv(BatchedDenseRing.__mro__[3]())
    with pytest.raises(ValueError, match=r"obs_space: expected \('sparse', 0\), got \('"):
        collector(2).collect(sparse, small_policy(sparse)).merge(data)


RUN = {
    "env_cls": "twisterl.envs.PyEnv",
    "env": {"pyenv_cls": "water_jugs.WaterJugs", "capacities": [8, 5, 3]},
    "policy_cls": "twisterl.nn.BasicPolicy",
    "policy": {"embedding_size": 32, "common_layers": [16]},
    "algorithm": {
        "collecting": {"num_episodes": 32, "num_cores": 2},
        "training": {"num_epochs": 2},
        "learning": {"diff_threshold": 0.5, "diff_max": 4, "diff_metric": "measured"},
        "optimizer": {"lr": 0.003},
        "evals": {"measured": {"num_episodes": 20}},
    },
}
SEARCHED = {"num_episodes": 8, "num_mcts_searches": 8, "num_cores": 2, "C": 1.4}


@pytest.mark.parametrize("algorithm", ["PPO", "AZ"])
def test_a_run_of_a_config_goes_on_as_if_it_had_not_stopped(algorithm, tmp_path, monkeypatch):
    from twisterl.train import prepare_algorithm

    monkeypatch.syspath_prepend(EXAMPLES)
    config = {**json.loads(json.dumps(RUN)), "algorithm_cls": f"twisterl.rl.{algorithm}"}
    if algorithm == "AZ":
        config["algorithm"]["collecting"] = {**SEARCHED, "max_expand_depth": 1}
    whole = prepare_algorithm(config, tmp_path / "whole")
    whole.learn(4)
    prepare_algorithm(config, tmp_path / "parts").learn(2)
    resumed = prepare_algorithm(config, tmp_path / "parts")
    resumed.resume()
    resumed.learn(2)
    for name, tensor in whole.policy.state_dict().items():
        assert torch.equal(resumed.policy.state_dict()[name], tensor), name
    assert resumed.solve([8, 0, 0, 5]) == whole.solve([8, 0, 0, 5])


def test_a_replay_buffer_of_other_observations_is_refused():
    from twisterl.rl.az import AZBatch, _are_rows

    def replay(words, offsets):
        words, offsets = torch.tensor(words), torch.tensor(offsets)
        empty = torch.zeros(len(offsets) - 1, dtype=torch.int64)
        return AZBatch(words, offsets, empty, empty, None, empty, empty)

    assert _are_rows(replay([0, 1, 2, -(2**31)], [0, 2, 4]), "float32", 2)
    assert _are_rows(replay([0, 1, 2, 5], [0, 2, 4]), "uint8", 7)
    assert not _are_rows(replay([0, 1, 2, 5], [0, 2, 4]), "uint8", 9)
    assert not _are_rows(replay([0, 1, 2, 5], [0, 1, 4]), "float32", 2)
    assert not _are_rows(replay([0, 2**31], [0, 2]), "float32", 2)
    assert not _are_rows(replay([0, 0x7F800000], [0, 2]), "float32", 2)


def test_check_env_plays_numbers():
    for dtype in ("float32", "uint8"):
        check_env(DenseRing(dtype), difficulty=8)
        check_env(BatchedDenseRing(dtype, slips=True), difficulty=8)

    class Shared(DenseRing):
        def features(self):
            return np.zeros(23, np.float32)

    with pytest.raises(ValueError, match=r"observe\(\).*expected an array \[24\], got \[23\]"):
        check_env(Shared())
    with pytest.raises(ValueError, match=r'obs_dtype\(\).*expected one of "sparse", "float32"'):
        check_env(DenseRing("float64"))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_policies_and_environments_are_pickled(dtype):
    import pickle

    env = PyEnv(DenseRing(dtype))
    env.difficulty = 8
    policy = pickle.loads(pickle.dumps(small_policy(env)))
    played = collector(8).collect(env, small_policy(env)), collector(8).collect(env, policy)
    assert everything(played[0]) == everything(played[1])
    assert pickle.loads(pickle.dumps(env)).obs_dtype() == dtype
    with pytest.raises(ValueError, match='embeddings: expected "float32" or "uint8", got "f"'):
        nn = twisterl.nn
        layer, none = nn.Linear(np.zeros(2), np.zeros(1), True), nn.Sequential([])
        nn.Policy(("f", layer), none, none, none, [], [])


def test_the_example_measures(monkeypatch, capsys):
    path = str(EXAMPLES / "water_jugs.py")
    monkeypatch.setattr("sys.argv", [path, "--steps", "3"])
    runpy.run_path(path, run_name="__main__")
    assert "12 litres in 0 pours of 0: (12, 0, 0)" in capsys.readouterr().out


def test_the_jugs_of_the_example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from water_jugs import WaterJugs

    jugs = WaterJugs((8, 5, 3))
    # The classical puzzle: 4 litres with jugs of 8, 5 and 3 take 6 pours.
    assert jugs.reachable[4] == 6
    twisterl.collector.evaluate_episodes(PyEnv(jugs), small_policy(PyEnv(jugs)), 4)
