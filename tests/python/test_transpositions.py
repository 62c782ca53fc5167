"""Tree searches in which a state has one node, whichever way leads to it (`transpositions`)."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ring import Ring  # noqa: E402
from small_policy import small_policy  # noqa: E402
from torch_nets import Gated, Remembering  # noqa: E402
from twisterl.envs import LightsOut, Puzzle, PyEnv  # noqa: E402
from twisterl.nn import TorchPolicy  # noqa: E402
from twisterl.twisterl.collector import AZCollector, evaluate_episodes  # noqa: E402

ROOTS = ["puct", "gumbel"]


def lights(size=3, max_depth=30):
    return LightsOut(width=size, height=size, difficulty=6, depth_slope=2, max_depth=max_depth)


def columns(env, **options):
    """What a collection of 30 episodes tells, and its report."""
    rules = {"max_expand_depth": 1, "num_cores": 1, "max_moves": 12, "gamma": 0.9, **options}
    collector = AZCollector(num_episodes=30, num_mcts_searches=24, C=1.41, seed=7, **rules)
    data = collector.collect(env, small_policy(env))
    arrays = data.arrays
    told = [data.indices, arrays.logits, arrays.values, arrays.rewards]
    return [*told, arrays.additional_data["remaining_values"]], collector.report


@pytest.mark.parametrize("root", ROOTS)
def test_a_tree_without_repetitions_is_the_same(root):
    # Two ways of a sliding puzzle that do not undo a move meet after six moves at the earliest.
    env = Puzzle(width=4, height=4, difficulty=40, depth_slope=2, max_depth=80, forbid_undo=True)
    options = {"root_selection": root, "reuse": False, "max_moves": 6}
    tree, _ = columns(env, **options)
    graph, _ = columns(env, **options, transpositions=True)
    for expected, got in zip(tree, graph, strict=True):
        np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize(("root", "depth"), list(itertools.product(ROOTS, [1, 2])))
def test_threads_and_cache_change_no_bit(root, depth):
    options = {"root_selection": root, "max_expand_depth": depth, "transpositions": True}
    one, report = columns(lights(), **options)
    _, tree = columns(lights(), **{**options, "transpositions": False})
    assert report["nodes"] < 0.9 * tree["nodes"]
    for cores, cache in [(2, True), (1, False)]:
        other, _ = columns(lights(), **options, num_cores=cores, cache=cache)
        for expected, got in zip(one, other, strict=True):
            np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize("root", ROOTS)
def test_moves_that_undo_each_other_lead_to_no_loop(root):
    """A state stands once at each step of the episode, and the last one ends there."""
    most = 5
    env = lights(2, most)
    env.set_state([1, 0, 0, 0])
    collector = AZCollector(
        1, 3_000, 40.0, 1, 1, root_selection=root, value_weight=1e-6, transpositions=True
    )
    found = collector.explore(env, small_policy(env))
    states = []
    for number, (parent, action) in enumerate(zip(found["parents"], found["actions"], strict=True)):
        copy = env.copy() if number == 0 else states[parent][0].copy()
        if number:
            copy.step(action)
        states.append((copy, states[parent][1] + 1 if number else 0))
    seen = [(tuple(copy.get_state()), step) for copy, step in states]
    assert len(set(seen)) == len(seen)
    assert max(step for _, step in seen) == most
    assert found["visits"][0] == 3_001
    # What k presses of four lamps can reach, of 16 patterns.
    assert len(seen) <= 1 + sum(16 for _ in range(most))


def test_kept_graphs_leave_room_for_the_next_search():
    """Below a state may be what other ways have found: more than its own simulations."""
    env = LightsOut(width=3, height=3, difficulty=6, depth_slope=20, max_depth=120)
    collector = AZCollector(30, 8, 0.3, 2, 1, 7, gamma=0.9, max_moves=40, transpositions=True)
    data = collector.collect(env, small_policy(env))
    solved = data.arrays.rewards[data.episode_starts[1:] - 1] == 1
    assert 0 < solved.sum() < 30
    assert (np.diff(data.episode_starts)[~solved] == 40).all()


def test_a_state_with_a_node_is_not_evaluated():
    asked = []

    class Asked(Gated):
        def forward(self, x):
            asked.append(len(x))
            return super().forward(x)

    env = lights()
    policy = TorchPolicy.of(Asked, env, {}).to_rust()
    collector = AZCollector(1, 60, 1.41, 1, 1, max_moves=1, cache=False, transpositions=True)
    asked.clear()
    collector.collect(env, policy)
    report = collector.report
    assert len(asked) == report["nodes"] < 0.9 * report["simulations"]


def test_what_only_looks_equal_is_refused():
    ring, env = PyEnv(Ring(slips=True)), lights()
    message = r"^transpositions: expected false .* no inverse_actions.*, got true"
    search = {"num_mcts_searches": 4, "transpositions": True}
    with pytest.raises(ValueError, match=message):
        evaluate_episodes(ring, small_policy(ring), 1, **search)
    with pytest.raises(ValueError, match=message):
        AZCollector(1, 4, 1.41, 1, 1, transpositions=True).collect(ring, small_policy(ring))
    with pytest.raises(ValueError, match=message):
        AZCollector(1, 4, 1.41, 1, 1, transpositions=True).explore(ring, small_policy(ring))
    remembers = TorchPolicy.of(Remembering, env, {}).to_rust()
    with pytest.raises(ValueError, match=r"^policy: expected one without memory, for .*transp"):
        evaluate_episodes(env, remembers, 1, **search)
