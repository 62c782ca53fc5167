"""AlphaZero's collection and tree search through the bindings."""

import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")
resource = pytest.importorskip("resource")

from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.twisterl.collector import AZCollector, evaluate, solve  # noqa: E402


def puzzle(difficulty=8):
    return Puzzle(width=3, height=3, difficulty=difficulty, depth_slope=2, max_depth=64)


@pytest.fixture(scope="module")
def policy():
    torch.manual_seed(0)
    return BasicPolicy([9, 9], 4, embedding_size=32, common_layers=[16]).to_rust()


def test_legacy_arguments_by_position_and_what_clients_read(policy):
    data = AZCollector(20, 10, 1.41, 1, 2).collect(puzzle(), policy)
    returns = data.arrays.additional_data["remaining_values"]
    assert data.arrays.logits.shape == (len(data), 4) and returns.shape == (len(data),)
    ends = data.episode_starts[1:] - 1
    np.testing.assert_array_equal(returns[ends], data.arrays.rewards[ends])
    searched = np.setdiff1d(np.arange(len(data)), ends)
    np.testing.assert_allclose(data.arrays.logits[searched].sum(axis=1), 1, rtol=1e-6)
    assert not data.arrays.logits[ends].any() and not data.arrays.logits[~data.masks].any()


@pytest.mark.parametrize("root_selection", ["puct", "gumbel"])
def test_threads_and_cache_change_no_bit(policy, root_selection):
    def collected(cores, cache):
        options = {"root_selection": root_selection, "exploration_fraction": 0.25, "cache": cache}
        data = AZCollector(60, 8, 1.41, 1, cores, 7, **options).collect(puzzle(), policy)
        return [
            data.indices,
            data.arrays.logits,
            data.arrays.values,
            data.arrays.additional_data["remaining_values"],
        ]

    one = collected(1, True)
    for cores, cache in [(32, True), (1, False), (32, False)]:
        for expected, got in zip(one, collected(cores, cache), strict=True):
            np.testing.assert_array_equal(expected, got)


def test_iterations_differ_and_can_be_repeated(policy):
    collector = AZCollector(20, 8, 1.41, 1, 1, 3)
    first, second = (collector.collect(puzzle(), policy) for _ in range(2))
    again = collector.collect(puzzle(), policy, iteration=0)
    assert not np.array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.indices, again.indices)
    assert collector.iteration == 1


def test_the_interpreter_lock_is_released(policy):
    collector = AZCollector(400, 100, 1.41, 1, 1, 3, reuse=False)
    started, counted, running = threading.Event(), [], True

    def count():
        started.set()
        while running:
            counted.append(1)

    thread = threading.Thread(target=count)
    thread.start()
    started.wait()
    before = len(counted)
    collector.collect(puzzle(16), policy)
    during = len(counted) - before
    running = False
    thread.join()
    # Held for the whole collection the lock would let at most one turn of 5 ms pass.
    assert during > 0


def test_a_thousand_collections_take_no_more_memory(policy):
    collector = AZCollector(20, 16, 1.41, 1, 2, 5)
    env = puzzle()
    for _ in range(100):
        collector.collect(env, policy)
    reported = collector.report["memory_bytes"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        collector.collect(env, policy)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert 0 < reported < 64 * 2**20
    # Kilobytes on Linux: 1,000 leaked forests would be 70 MB.
    assert grown < 8 * 2**10


def test_a_report_adds_up(policy):
    collector = AZCollector(50, 16, 1.41, 1, 1, 5, resign_threshold=0.5, resign_exempt=0.5)
    data = collector.collect(puzzle(), policy)
    report = collector.report
    assert report["episodes"] == len(data.episode_starts) - 1 == 50
    assert report["resigned"] > 0 and report["spared"] >= report["spared_solved"]
    assert report["solved"] == np.count_nonzero(data.arrays.rewards == 1)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"root_selection": "best"}, "root_selection"),
        ({"gamma": 2.0}, "gamma"),
        ({"max_moves": 0}, "max_moves"),
        ({"exploration_fraction": -0.1}, "exploration_fraction"),
        ({"precision": "bf16"}, "precision"),
    ],
)
def test_bad_options_are_named(options, name):
    with pytest.raises(ValueError, match=name):
        AZCollector(20, 8, 1.41, 1, 1, 3, **options)


def test_search_at_inference(policy):
    env = puzzle(12)
    greedy = evaluate(env, policy, 100, True, 1)
    searched = evaluate(env, policy, 100, True, 1, 64, 0, 1.41, 1, 2)
    assert searched[0] > greedy[0]
    env.set_state([1, 4, 2, 3, 0, 5, 6, 7, 8])
    (success, _), actions = solve(env, policy, True, 1, 200)
    assert success == 1 and actions == [1, 0]
    assert env.get_state() == [1, 4, 2, 3, 0, 5, 6, 7, 8]
