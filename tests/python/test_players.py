"""Every kind of environment, played by everything that plays.

A separately compiled crate is played in test_grid_world.py, older wheels in test_capsule.py, and
the environments of the package by rust/tests/all/conformance.rs.
"""

import random

import numpy as np
import pytest
from players import BoardReplay, DenseRingReplay, RingReplay, check_players
from ring import BatchedDenseRing, BatchedRing, DenseRing, Ring
from small_policy import collector, small_policy
from twisterl import twisterl
from twisterl.envs import PyEnv


def board(library):
    return library.Puzzle(*BoardReplay.ARGUMENTS)


CHANCE = {"slips": True, "mirrors": True}
# What makes the environment, given the other library, and what plays it again.
KINDS = {
    "native": (lambda other: board(twisterl.env), BoardReplay),
    "capsule": (lambda other: board(other.env), BoardReplay),
    "python": (lambda other: PyEnv(Ring()), RingReplay),
    "python, random": (lambda other: PyEnv(Ring(slips=True)), RingReplay),
    "python, stateful": (lambda other: PyEnv(Ring(mirrors=True)), RingReplay),
    "python, both": (lambda other: PyEnv(Ring(**CHANCE)), RingReplay),
    "python, both without a seed": (lambda other: PyEnv(Ring(**CHANCE, seeded=False)), RingReplay),
    "batched": (lambda other: PyEnv(BatchedRing()), RingReplay),
    "batched, both": (lambda other: PyEnv(BatchedRing(**CHANCE)), RingReplay),
    "capsule of python": (lambda other: other.env.PyEnv(Ring()), RingReplay),
    "capsule of python, both": (lambda other: other.env.PyEnv(Ring(**CHANCE)), RingReplay),
    "capsule of batched": (lambda other: other.env.PyEnv(BatchedRing()), RingReplay),
    "dense": (lambda other: PyEnv(DenseRing()), lambda: DenseRingReplay("float32")),
    "dense, bytes, both": (
        lambda other: PyEnv(DenseRing("uint8", **CHANCE)),
        lambda: DenseRingReplay("uint8"),
    ),
    "dense, batched": (lambda other: PyEnv(BatchedDenseRing()), lambda: DenseRingReplay("float32")),
    "dense, bytes, batched": (
        lambda other: PyEnv(BatchedDenseRing("uint8", **CHANCE)),
        lambda: DenseRingReplay("uint8"),
    ),
    "capsule of dense": (
        lambda other: other.env.PyEnv(DenseRing("uint8")),
        lambda: DenseRingReplay("uint8"),
    ),
}
# Those that have walks; on a ring as long as an episode.
WALKS = {
    "native": 8,
    "capsule": 8,
    "python": 12,
    "batched": 12,
    "capsule of python": 12,
    "dense": 12,
}


@pytest.mark.parametrize("num_cores", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_is_what_was_played(kind, num_cores, other):
    random.seed(1)
    make, replay = KINDS[kind]
    played = replay()
    check_players(make(other), played, played.STATES, num_cores, WALKS.get(kind))


def test_a_start_is_drawn_once():
    """Whatever comes from an environment's own generator does not come twice."""
    starts = []

    class Counting(Ring):
        def reset(self, difficulty):
            super().reset(difficulty)
            starts.append(self.cell)

        def success(self):
            """Never, so that a beam widens."""
            return False

    env = PyEnv(Counting(**CHANCE, seeded=False))
    env.difficulty = 8
    for options in [{"beam_width": 100, "node_limit": 800}, {"strategy": "sample"}]:
        starts.clear()
        arguments = {"strategy": "beam", "num_searches": 3, **options}
        twisterl.collector.evaluate_episodes(env, small_policy(env), 10, **arguments)
        assert len(starts) == 10


def test_a_batch_shares_nothing_with_what_it_was_made_from():
    env = PyEnv(BatchedRing())
    env.set_state([4])
    before = vars(env.python_env).copy()
    collector(num_cores=2).collect(env, small_policy(env))
    states = np.array(RingReplay.STATES)
    twisterl.collector.evaluate_episodes(env, small_policy(env), states=states, num_cores=2)
    assert vars(env.python_env) == before
