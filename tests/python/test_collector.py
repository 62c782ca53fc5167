"""Collecting, evaluating and solving through the bindings."""

import os
import signal
import threading
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.twisterl.collector import (  # noqa: E402
    PPOCollector,
    evaluate,
    evaluate_episodes,
    solve,
)

ARRAYS = [
    "indices",
    "offsets",
    "logits",
    "masks",
    "log_probs",
    "values",
    "rewards",
    "actions",
    "perms",
    "episode_starts",
]


def puzzle(difficulty=8):
    return Puzzle(width=3, height=3, difficulty=difficulty, depth_slope=2, max_depth=64)


@pytest.fixture(scope="module")
def policy():
    torch.manual_seed(0)
    return BasicPolicy([9, 9], 4, embedding_size=32, common_layers=[16]).to_rust()


def collector(**options):
    settings = {"num_episodes": 200, "gamma": 0.99, "lambda": 0.95, "num_cores": 1, "seed": 3}
    return PPOCollector(**{**settings, **options})


def arrays(data):
    columns = data.arrays
    return [getattr(columns, name) for name in ARRAYS] + list(columns.additional_data.values())


@pytest.mark.parametrize("options", [{"num_cores": 32}, {"cache": False}])
def test_threads_and_cache_change_no_bit(policy, options):
    one = collector().collect(puzzle(), policy)
    other = collector(**options).collect(puzzle(), policy)
    for expected, got in zip(arrays(one), arrays(other), strict=True):
        assert expected.dtype == got.dtype
        np.testing.assert_array_equal(expected, got)


def test_iterations_are_counted_and_can_be_named(policy):
    counting = collector()
    first, second = counting.collect(puzzle(), policy), counting.collect(puzzle(), policy)
    assert counting.iteration == 2
    assert first.actions != second.actions
    again = collector().collect(puzzle(), policy, iteration=1)
    assert again.actions == second.actions


def test_shapes_and_types(policy):
    data = collector().collect(puzzle(), policy)
    rows = len(data)
    assert data.indices.shape == (rows * 9,) and data.indices.dtype == np.int32
    assert data.offsets.shape == (rows + 1,) and data.offsets.dtype == np.int64
    columns = data.arrays
    assert columns.logits.shape == data.masks.shape == (rows, 4)
    assert data.masks.dtype == np.bool_ and columns.actions.dtype == np.int64
    assert {name: values.shape for name, values in columns.additional_data.items()} == {
        "advs": (rows,),
        "rets": (rows,),
    }
    assert data.obs[0] == data.indices[:9].tolist()
    np.testing.assert_array_equal(columns.logits <= -1e10, ~data.masks)
    rebuilt = data.distinct_rows[data.distinct_index]
    dense = data.indices.reshape(rows, 9)
    np.testing.assert_array_equal(dense[rebuilt], dense)
    assert len(np.unique(dense, axis=0)) == len(data.distinct_rows)


def test_evaluate_is_the_mean_of_the_episodes(policy):
    arguments = {"num_episodes": 300, "deterministic": False, "num_searches": 2, "seed": 5}
    rate, reward = evaluate(puzzle(), policy, **arguments, num_cores=2)
    episodes = evaluate_episodes(puzzle(), policy, **arguments)
    assert rate == pytest.approx(episodes["success"].mean())
    assert reward == pytest.approx(episodes["reward"].mean(), abs=1e-5)


def test_given_states_are_solved_in_order(policy):
    states = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8], [1, 0, 2, 3, 4, 5, 6, 7, 8]])
    found = evaluate_episodes(puzzle(), policy, states=states, num_searches=50, actions=True)
    assert found["success"].all() and found["length"][0] == 0
    env = puzzle()
    env.set_state(states[1].tolist())
    for action in found["actions"][1]:
        env.step(int(action))
    assert env.solved()


def test_solve_leaves_the_environment_alone(policy):
    env = puzzle()
    env.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
    (success, _), _ = solve(env, policy, False, 50, 0, 1.41, 1)
    assert success == 1.0 and env.get_state() == [1, 0, 2, 3, 4, 5, 6, 7, 8]
    env.set_state([0, 1, 2, 3, 4, 5, 6, 7, 8])
    assert solve(env, policy, True, 1, 0, 1.41, 1)[1] == []
    env.set_state([0, 2, 1, 3, 4, 5, 6, 7, 8])
    with pytest.raises(ValueError, match="parity"):
        solve(env, policy, True, 1, 0, 1.41, 1)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"num_episodes": 0}, "num_episodes"),
        ({"num_episodes": -1}, "num_episodes"),
        ({"num_cores": 0}, "num_cores"),
        ({"gamma": 1.5}, "gamma"),
        ({"lambda": float("nan")}, "lambda"),
        ({"truncation": "never"}, "truncation"),
        ({"difficulty_distribution": "normal"}, "difficulty_distribution"),
    ],
)
def test_wrong_arguments_are_named(options, name):
    with pytest.raises(ValueError, match=name):
        collector(**options)


def test_policy_of_another_shape_is_refused(policy):
    other = Puzzle(width=4, height=4, difficulty=8, depth_slope=2, max_depth=64)
    with pytest.raises(ValueError, match="features"):
        collector().collect(other, policy)


@pytest.mark.parametrize("node_limit", [1, 40, 10**6])
def test_a_node_limit_ends_the_tries(policy, node_limit):
    arguments = {"num_episodes": 50, "num_searches": 30, "seed": 3}
    free = evaluate_episodes(puzzle(), policy, **arguments)
    results = [
        evaluate_episodes(puzzle(), policy, **arguments, node_limit=node_limit, num_cores=cores)
        for cores in (1, 2)
    ]
    for limited in results:
        assert (limited["nodes"] <= free["nodes"]).all()
        assert (limited["success"] <= free["success"]).all()
        assert all((limited[key] == results[0][key]).all() for key in limited)
    assert (results[0]["nodes"] <= node_limit).all()
    assert (results[0]["nodes"] == free["nodes"]).all() == (node_limit == 10**6)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"strategy": "guess"}, "strategy"),
        ({"root_selection": "best"}, "root_selection"),
        ({"beam_width": 0}, "beam_width"),
        ({"strategy": "beam", "beam_width": 100_000_000}, "beam_width"),
        ({"strategy": "beam", "beam_value_weight": float("nan")}, "beam_value_weight"),
        ({"node_limit": 0}, "node_limit"),
        ({"node_limit": -5}, "node_limit"),
        ({"time_limit_s": -1.0}, "time_limit_s"),
        ({"time_limit_s": float("nan")}, "time_limit_s"),
        ({"time_limit_s": float("inf")}, "time_limit_s"),
        ({"num_mcts_searches": -1}, "num_mcts_searches"),
        ({"num_mcts_searches": 10**9}, "num_mcts_searches"),
        ({"num_mcts_searches": 8, "max_expand_depth": 0}, "max_expand_depth"),
        ({"num_mcts_searches": 8, "gamma": 1.5}, "gamma"),
        ({"num_mcts_searches": 8, "C": float("nan")}, "C"),
        ({"strategy": "mcts"}, "num_mcts_searches"),
        ({"strategy": "beam,mcts"}, "strategy"),
    ],
)
def test_wrong_strategies_are_named(policy, options, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        evaluate_episodes(puzzle(), policy, **options)
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        solve(puzzle(), policy, **options)


@pytest.mark.parametrize("options", [{"strategy": 3}, {"beam_width": "wide"}])
def test_strategies_of_another_type_are_named(policy, options):
    with pytest.raises(TypeError, match=f"^{next(iter(options))}: "):
        solve(puzzle(), policy, **options)


@pytest.mark.parametrize("num_cores", [1, 2])
def test_other_python_threads_run_meanwhile(policy, num_cores):
    work = collector(num_episodes=30_000, num_cores=num_cores)
    thread = threading.Thread(target=work.collect, args=(puzzle(32), policy))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 10


@pytest.mark.parametrize("num_cores", [1, 2])
def test_ctrl_c_ends_a_collection(policy, num_cores):
    endless = collector(num_episodes=10**7, num_cores=num_cores)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        endless.collect(puzzle(32), policy)
    timer.join()
    assert len(collector().collect(puzzle(), policy)) > 0


def test_many_threads_solve_with_one_policy(policy):
    found = []

    def work():
        env = puzzle()
        env.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
        found.extend(solve(env, policy, False, 20, 0, 1.41, 1)[0][0] for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1.0] * 160


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_threads_of_its_own(policy):
    collector(num_cores=2).collect(puzzle(), policy)
    child = os.fork()
    if child == 0:
        rows = len(collector(num_cores=2).collect(puzzle(), policy))
        os._exit(0 if rows > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
