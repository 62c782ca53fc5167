"""Environments of other libraries: by capsule, by checked address, or refused.

The other library is a copy of our own extension under another name: it shares no type with the
first. ``TWISTERL_LEGACY_EXTENSIONS``, paths of extension files of TwisteRL 0.5.1 (its own
``twisterl*.so``) separated by colons, adds tests with real older wheels.
"""

import ctypes
import functools
import gc
import os
import platform
import random
import sys
import weakref

import numpy as np
import pytest
from extensions import load_extension
from players import BoardReplay, check_players
from python_envs import BatchedLine, Line
from small_policy import collector, everything, small_policy
from twisterl import twisterl
from twisterl.envs import Puzzle

CHECKED_PLATFORM = platform.machine() == "x86_64" and sys.platform == "linux"
LEGACY = [path for path in os.environ.get("TWISTERL_LEGACY_EXTENSIONS", "").split(":") if path]


class Wide(Line):
    """More features at a time than any buffer starts with."""

    def obs_shape(self):
        return [3000]

    def observe(self):
        self.num_observed += 1
        return list(range(self.cell * 500, self.cell * 500 + 400))


def test_the_other_library_shares_no_type(other):
    env = other.env.Puzzle(3, 3, 5, 2, 256)
    assert not isinstance(env, twisterl.env.PyBaseEnv)
    assert "twisterl.env.v1" in repr(env.__twisterl_env__())


def test_threads_change_nothing(other):
    env = other.env.Puzzle(3, 3, 8, 2, 256)
    policy = small_policy(env)
    runs = {everything(collector(num_cores=cores).collect(env, policy)) for cores in (1, 2, 5)}
    assert len(runs) == 1


def test_it_plays_as_our_own_does(other):
    env, own = other.env.Puzzle(3, 3, 8, 2, 256), Puzzle(3, 3, 8, 2, 256)
    policy = small_policy(own)
    boards = np.array([own.random_state(seed) for seed in range(20)])
    for deterministic in (True, False):
        results = [
            twisterl.collector.evaluate_episodes(
                one, policy, states=boards, deterministic=deterministic, actions=True, num_cores=2
            )
            for one in (env, own)
        ]
        assert results[0]["reward"].tolist() == results[1]["reward"].tolist()
        for first, second in zip(results[0]["actions"], results[1]["actions"], strict=True):
            assert list(first) == list(second)
    uniform = twisterl.collector.evaluate_episodes(env, policy, 20, start="uniform")
    assert len(uniform["success"]) == 20


def test_the_object_is_left_alone(other):
    env = other.env.Puzzle(3, 3, 8, 2, 256)
    env.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
    policy = small_policy(env)
    collector(num_cores=2).collect(env, policy)
    (success, _), actions = twisterl.collector.solve(env, policy, False, 100)
    assert success and list(actions)[-1] == 0
    assert env.get_state() == [1, 0, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("form", [Line, BatchedLine, Wide])
def test_python_environments_of_the_other_library(other, form):
    env = other.env.PyEnv(form())
    env.difficulty = 5
    data = collector(num_cores=2).collect(env, small_policy(env))
    assert len(data.episode_starts) == 65
    widths = set(np.diff(data.offsets).tolist())
    assert widths == ({400} if form is Wide else {1})


def test_a_full_buffer_observes_nothing_twice(other):
    counts = []

    class Counting(Wide):
        def observe(self):
            counts.append(1)
            return super().observe()

    env = other.env.PyEnv(Counting())
    env.difficulty = 5
    data = collector().collect(env, small_policy(env))
    assert len(counts) == len(data.actions)


def test_errors_cross_with_their_type_and_traceback(other):
    raised = ZeroDivisionError("the line broke")

    class Broken(Line):
        def next(self, action):
            raise raised

    env = other.env.PyEnv(Broken())
    with pytest.raises(ZeroDivisionError) as caught:
        collector(num_cores=2).collect(env, small_policy(Line()))
    assert caught.value is raised
    puzzle = other.env.Puzzle(3, 3, 8, 2, 256)
    with pytest.raises(ValueError, match=r"state: expected each of 0..9 once, got 1 twice"):
        twisterl.collector.evaluate_episodes(
            puzzle, small_policy(puzzle), states=np.array([[1, 1, 2, 3, 4, 5, 6, 7, 8]])
        )


def test_contexts_are_freed(other):
    line = Line()
    gone = weakref.ref(line)
    env = other.env.PyEnv(line)
    policy = small_policy(line)
    del line
    for _ in range(3):
        collector(num_cores=2).collect(env, policy)
        env.__twisterl_env__()
    del env
    gc.collect()
    assert gone() is None


def capsule(name, words):
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    buffer = (ctypes.c_uint32 * 128)(*words)
    capsule.kept.append((buffer, name))
    return new(ctypes.addressof(buffer), name, None)


capsule.kept = []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: 7, "expected a capsule twisterl.env.v1, got .*int"),
        (lambda: capsule(b"other.v1", [1, 512]), "one of another name"),
        (lambda: capsule(b"twisterl.env.v1", [2, 512]), "version 2 of 512 bytes"),
        (lambda: capsule(b"twisterl.env.v1", [1, 40]), "version 1 of 40 bytes"),
        (lambda: capsule(b"twisterl.env.v1", [1, 512]), "one without the function clone"),
    ],
)
def test_other_capsules_are_refused(answer, message):
    class Pretender:
        def __twisterl_env__(self):
            return answer()

    with pytest.raises(TypeError, match=message):
        collector().collect(Pretender(), small_policy(Line()))


class Addressed:
    """Claims to be an older environment at ``address``."""

    difficulty = 1

    def __init__(self, address):
        self.address = address

    def __extract_env__(self):
        return self.address

    def num_actions(self):
        return 4

    def obs_shape(self):
        return [9, 9]


@functools.cache
def policy_of_the_puzzle():
    return small_policy(Puzzle(3, 3, 1, 2, 9))


def refused(env):
    with pytest.raises(TypeError, match="env: ") as caught:
        collector().collect(env, policy_of_the_puzzle())
    return str(caught.value)


@pytest.mark.parametrize("answer", [0, 1, 8, -1, 4096, 2**64 - 8, 10**30, "x", None, 1.5])
def test_addresses_of_nothing_are_refused(answer):
    refused(Addressed(answer))


@pytest.mark.skipif(not CHECKED_PLATFORM, reason="addresses are refused unseen elsewhere")
def test_addresses_of_something_else_are_refused():
    numbers = np.random.default_rng(0).integers(0, 2**47, size=4096)
    start = numbers.ctypes.data
    words = range(start, start + 4096, 8)
    objects = [id(module) for module in list(sys.modules.values())]
    wild = [random.Random(seed).randrange(2**47) & ~7 for seed in range(500)]
    own = id(Puzzle(3, 3, 1, 2, 9))
    for address in [*words, *objects, *wild, own, own + 16]:
        refused(Addressed(address))


@pytest.mark.skipif(not LEGACY, reason="TWISTERL_LEGACY_EXTENSIONS names no older extension")
@pytest.mark.parametrize("path", LEGACY)
def test_older_wheels(path):
    old = load_extension(path, "older.twisterl")
    env, own = old.env.Puzzle(3, 3, 8, 2, 256), Puzzle(3, 3, 8, 2, 256)
    policy = small_policy(own)
    data = collector(num_cores=2).collect(env, policy)
    assert len(data.episode_starts) == 65
    boards = np.array([own.random_state(seed) for seed in range(20)])
    results = [
        twisterl.collector.evaluate_episodes(one, policy, states=boards)["reward"].tolist()
        for one in (env, own)
    ]
    assert results[0] == results[1]
    small = old.env.Puzzle(*BoardReplay.ARGUMENTS)
    for num_cores in (1, 2):
        check_players(small, BoardReplay(), BoardReplay.STATES, num_cores)
    liar = Addressed(env.__extract_env__())
    assert "disagrees with its own methods" in refused(liar)
