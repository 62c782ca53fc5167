"""pytest-benchmark of what Python users call. Not run by `make test`: see benchmarks/README.md."""

import numpy as np
import pytest
import torch
from twisterl import twisterl
from twisterl.envs import Puzzle
from twisterl.nn import BasicPolicy
from twisterl.rl import PPO

BOARD = [1, 4, 2, 3, 0, 5, 6, 7, 8]
SIDES = [3, 4]


def puzzle(side):
    return Puzzle(width=side, height=side, difficulty=32, depth_slope=2, max_depth=256)


def reference_policy(env):
    torch.manual_seed(0)
    return BasicPolicy(env.obs_shape(), env.num_actions(), embedding_size=512, common_layers=[256])


@pytest.fixture(params=SIDES)
def env(request):
    return puzzle(request.param)


@pytest.fixture
def algorithm(env):
    config = {"collecting": {"num_episodes": 1024, "num_cores": 1}, "evals": {}, "device": "cpu"}
    return PPO(env, reference_policy(env), {**config, "training": {"num_epochs": 1}})


def test_reset(benchmark, env):
    benchmark(env.reset)


def test_step(benchmark, env):
    benchmark(env.step, 1)


def test_observe_and_masks(benchmark, env):
    benchmark(lambda: (env.observe(), env.masks()))


@pytest.mark.parametrize("cache", [False, True])
def test_collect(benchmark, env, cache):
    policy = reference_policy(env).to_rust()
    settings = {"gamma": 0.995, "lambda": 0.995, "num_cores": 1, "cache": cache}
    collector = twisterl.collector.PPOCollector(num_episodes=1024, **settings)
    benchmark.pedantic(collector.collect, (env, policy), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("deterministic", [False, True])
def test_evaluate(benchmark, env, deterministic):
    policy = reference_policy(env).to_rust()
    options = {"num_episodes": 1000, "deterministic": deterministic}
    call = twisterl.collector.evaluate_episodes
    benchmark.pedantic(call, (env, policy), options, rounds=5, warmup_rounds=1)


def test_solve(benchmark):
    env = puzzle(3)
    algorithm = PPO(env, reference_policy(env), {"evals": {}, "device": "cpu"})
    benchmark(algorithm.solve, BOARD, False, 10)


def test_to_rust(benchmark, env):
    benchmark(reference_policy(env).to_rust)


def test_forward_batch(benchmark, env):
    policy = reference_policy(env).to_rust()
    cells = env.obs_shape()[0]
    rows = 1024
    boards = np.array([np.random.default_rng(i).permutation(cells) for i in range(rows)])
    indices = (boards + np.arange(cells) * cells).astype(np.int32).ravel()
    offsets = np.arange(rows + 1, dtype=np.int64) * cells
    benchmark(policy.forward_batch, indices, offsets, None)


def test_data_to_torch(benchmark, algorithm):
    data, _ = algorithm.collect()
    benchmark.pedantic(algorithm.data_to_torch, (data,), rounds=5, warmup_rounds=1)


def test_train_epoch(benchmark, algorithm):
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    benchmark.pedantic(algorithm.train, (batch,), rounds=3, warmup_rounds=1)
