"""Ctrl-C where an environment does not return: the caller gets control back, the rest goes on."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from python_envs import Line
from small_policy import collector, everything, small_policy
from twisterl.envs import PyEnv
from twisterl.twisterl import collector as engine

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a second thread")


class Hanging(Line):
    """Does not return from ``hangs`` on any thread but the main one, which waits for that."""

    hangs = "next"

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Lock()
        self.gate.acquire()
        self.interrupts = None

    def stop_at(self, method):
        if threading.current_thread() is threading.main_thread():
            # Each worker takes a share of the work once both have begun.
            if method == "observe":
                self.entered.wait()
                if self.interrupts is not None:
                    self.interrupts()
        elif method == self.hangs:
            self.entered.set()
            self.block()

    def block(self):
        """In a call that no exception ends."""
        with self.gate:
            pass

    def copy(self):
        self.stop_at("copy")
        return super().copy()

    def inverse_actions(self):
        return [1, 0]

    def reset_goal(self):
        self.cell, self.steps_left = 0, self.max_steps


def hanging_at(method):
    def play(self, *arguments):
        self.stop_at(method)
        return getattr(Line, method)(self, *arguments)

    return play


for _name in ("reset", "next", "masks", "is_final", "value", "success", "observe"):
    setattr(Hanging, _name, hanging_at(_name))


class Busy(Hanging):
    """Does not return from Python code."""

    def block(self):
        self.ended = False
        try:
            while True:
                pass
        finally:
            type(self).ended = True


def az_collector():
    return engine.AZCollector(8, 4, 1.4, 1, 2)


STATES = np.array([[3], [2], [4], [1]])

RUNS = {
    "collect": lambda env, policy: collector(num_cores=2).collect(env, policy),
    "az": lambda env, policy: az_collector().collect(env, policy),
    "evaluate": lambda env, policy: engine.evaluate(env, policy, 64, False, 2, num_cores=2),
    "mcts": lambda env, policy: engine.evaluate(env, policy, 64, False, 1, 4, num_cores=2),
    "beam": lambda env, policy: engine.evaluate_episodes(
        env, policy, states=STATES, num_cores=2, strategy="beam", beam_width=4
    ),
    "value": lambda env, policy: engine.evaluate(env, policy, 64, True, 1, strategy="value"),
    "walks": lambda env, _: engine.WalkCollector(64, 4, num_cores=2).collect(env),
}


def interrupted(env, run):
    """Runs until ``env`` hangs; one Ctrl-C must end it."""
    played = PyEnv(env)
    played.difficulty = 5
    policy = small_policy(Line())
    with pytest.raises(KeyboardInterrupt):
        run(played, policy)


def comes_true(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def check_it_goes_on(env, before):
    """Everything works as before, and the thread ends once the environment returns."""
    assert engine.num_threads_left_behind() == before + 1
    line = PyEnv(Line())
    line.difficulty = 5
    policy = small_policy(line)
    alone, together = (collector(num_cores=cores).collect(line, policy) for cores in (1, 2))
    assert everything(alone) == everything(together)
    env.gate.release()
    comes_true(lambda: engine.num_threads_left_behind() == before)


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_one_interruption_is_enough(run):
    before = engine.num_threads_left_behind()
    env = Hanging()

    def press():
        env.entered.wait()
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.warns(RuntimeWarning, match="1 thread is still inside a method of an environment"):
        interrupted(env, run)
    presser.join()
    check_it_goes_on(env, before)


@pytest.mark.parametrize("method", ["copy", "reset", "observe", "masks", "value", "is_final"])
def test_wherever_it_hangs(method):
    before = engine.num_threads_left_behind()
    env = Hanging()
    env.hangs = method
    env.interrupts = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.warns(RuntimeWarning, match="still inside"):
        interrupted(env, RUNS["collect"])
    check_it_goes_on(env, before)


def test_python_code_is_interrupted_on_every_thread():
    before = engine.num_threads_left_behind()
    env = Busy()
    env.interrupts = lambda: signal.raise_signal(signal.SIGINT)
    interrupted(env, RUNS["collect"])
    comes_true(lambda: Busy.ended and engine.num_threads_left_behind() == before)


def test_one_thread_is_interrupted_where_it_is():
    class Alone(Line):
        def next(self, action):
            signal.raise_signal(signal.SIGINT)

    interrupted(Alone(), lambda env, policy: collector().collect(env, policy))


LEAVING = """
import sys, threading
sys.path[:0] = {paths}
from test_hanging import Busy, PyEnv, collector, small_policy
env = Busy()
played = PyEnv(env)
played.difficulty = 5
run = lambda: collector(num_cores=2).collect(played, small_policy(env))
threading.Thread(target=run, daemon=True).start()
env.entered.wait()
sys.exit(7)
"""


def test_the_exit_is_not_held_up():
    paths = [os.path.dirname(__file__)]
    done = subprocess.run(
        [sys.executable, "-c", LEAVING.format(paths=paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, "")
