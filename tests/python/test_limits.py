"""Limits of nodes and of time bound all that is done, not a part of it."""

import numpy as np
import pytest
from python_envs import Line
from small_policy import small_policy
from twisterl.envs import PyEnv
from twisterl.twisterl.collector import evaluate_episodes, solve

LONG = 20_000


class Lost(Line):
    """Never solved; counts what is asked of all copies."""

    observed = 0

    def __init__(self):
        super().__init__(max_steps=LONG)

    def success(self):
        return False

    def observe(self):
        Lost.observed += 1
        return super().observe()


@pytest.fixture
def lost():
    Lost.observed = 0
    env = PyEnv(Lost())
    env.difficulty = 5
    env.set_state([3])
    return env


STRATEGIES = [
    {"strategy": "greedy"},
    {"strategy": "sample", "num_searches": 40},
    {"strategy": "value"},
    {"strategy": "mcts", "num_mcts_searches": 8},
    {"strategy": "beam", "beam_width": 8},
]


@pytest.mark.parametrize("options", STRATEGIES, ids=lambda options: options["strategy"])
@pytest.mark.parametrize("num_cores", [1, 2])
def test_nodes(lost, options, num_cores):
    played = evaluate_episodes(
        lost,
        small_policy(lost),
        states=np.array([[3], [2]]),
        node_limit=100,
        num_cores=num_cores,
        **options,
    )
    assert (played["nodes"] <= 100).all() and (played["length"] <= 100).all()
    # Forty tries side by side are given up at a hundredth, a fiftieth, a thirty-third, ... of it.
    assert Lost.observed <= 2 * 100 * 6


@pytest.mark.parametrize("options", STRATEGIES, ids=lambda options: options["strategy"])
def test_time(lost, options):
    (_, _), actions = solve(lost, small_policy(lost), time_limit_s=1e-3, **options)
    assert len(actions) < LONG / 10
    assert Lost.observed < LONG


def test_what_counts_does_not_depend_on_threads_or_lanes():
    line = PyEnv(Line())
    line.difficulty = 5
    policy = small_policy(line)
    runs = [
        evaluate_episodes(
            line, policy, 30, num_searches=20, node_limit=35, num_cores=cores, actions=True
        )
        for cores in (1, 2, 1)
    ]
    for run in runs:
        assert (run["nodes"] <= 35).all()
        assert all(
            np.array_equal(one, other)
            for key in ("success", "reward", "length", "nodes", "actions")
            for one, other in zip(run[key], runs[0][key], strict=True)
        )
    free = evaluate_episodes(line, policy, 30, num_searches=20, actions=True)
    assert (runs[0]["success"] <= free["success"]).all()
