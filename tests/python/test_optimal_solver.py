"""The exact solver as Python sees it, against the independent table of the 8-puzzle."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from python_envs import Line
from twisterl.envs import LightsOut, LinearFunction, Permutation, Puzzle, PyEnv, TopSpin
from twisterl.twisterl.collector import OptimalSolver, evaluate_episodes, solve, solve_optimal

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from optimum import optimal_lengths


def puzzle(width, height):
    return Puzzle(width, height, difficulty=8, depth_slope=2, max_depth=100)


def test_lengths_are_those_of_the_reference():
    env = puzzle(3, 3)
    states = np.array([env.random_state(seed) for seed in range(200)])
    solver = OptimalSolver(env)
    lengths, proven = solver.lengths(states=states)
    assert proven.all()
    assert np.array_equal(lengths, optimal_lengths(states))
    assert sum(solver.layer_sizes()) == 181_440
    for state, length in zip(states[:20].tolist(), lengths, strict=False):
        actions, at_least = solver.solve(state)
        env.set_state(state)
        for action in actions:
            env.step(action)
        assert env.solved() and len(actions) == at_least == length


def test_starts_are_drawn_as_in_an_evaluation():
    solver = OptimalSolver(puzzle(3, 3))
    uniform, _ = solver.lengths(500, seed=3, start="uniform")
    assert 20 < uniform.mean() < 24
    reset, _ = solver.lengths(500, seed=3, num_cores=2)
    assert reset.max() <= 8
    assert np.array_equal(reset, solver.lengths(500, seed=3)[0])


def test_limits_give_a_lower_bound():
    env = puzzle(6, 6)
    state = env.random_state(0)
    actions, at_least = solve_optimal(env, state, node_limit=100)
    assert actions is None and at_least > 50
    lengths, proven = OptimalSolver(env).lengths(4, start="uniform", time_limit_s=0.01)
    assert len(lengths) == 4 and not proven.any()


def test_limits_bound_the_preparation():
    env = TopSpin()
    state = env.random_state(1)
    actions, at_least = solve_optimal(env, state, node_limit=100)
    assert actions is None and at_least > 1
    assert solve_optimal(env, state, time_limit_s=1e-3)[0] is None
    solver = OptimalSolver(env, time_limit_s=1e-3)
    assert solver.layer_sizes() is None
    assert solver.solve(state, node_limit=100)[0] is None


def test_any_environment_that_can_be_undone():
    env = Permutation(num_qubits=6)
    whole, part = OptimalSolver(env), OptimalSolver(env, most_states=300)
    assert sum(whole.layer_sizes()) == 720 and part.layer_sizes() is None
    # One of each class is kept, of which nobody counts the states.
    assert OptimalSolver(LinearFunction(num_qubits=2)).layer_sizes() is None
    for seed in range(30):
        state = env.random_state(seed)
        assert whole.solve(state)[1] == part.solve(state)[1]


def test_lamps_are_out_by_the_fewest_presses_of_any_board():
    env = LightsOut(width=16, height=16)
    state = env.random_state(1)
    actions, at_least = OptimalSolver(env).solve(state)
    env.set_state(state)
    for action in actions:
        env.step(action)
    assert env.success() and len(set(actions)) == len(actions) == at_least


def test_strategies_without_a_policy_solve_boards():
    env = puzzle(3, 3)
    states = np.array([env.random_state(seed) for seed in range(20)])
    shortest = optimal_lengths(states)
    proven = evaluate_episodes(env, None, states=states, strategy="optimal", actions=True)
    assert proven["success"].all() and (proven["length"] == shortest).all()
    assert (proven["at_least"] == shortest).all()
    how = {"strategy": "patterns", "beam_width": 64, "actions": True}
    led = evaluate_episodes(env, None, states=states, **how)
    assert led["success"].all() and shortest.mean() <= led["length"].mean() < 1.05 * shortest.mean()
    for state, one, other in zip(states.tolist(), proven["actions"], led["actions"], strict=True):
        for actions in (one, other):
            env.set_state(state)
            for action in actions:
                env.step(action)
            assert env.success()
    env.set_state(states[3])
    assert solve(env, None, strategy="patterns", beam_width=64)[1] == led["actions"][3].tolist()


def test_strategies_without_a_policy_refuse_what_they_cannot_solve():
    env = puzzle(3, 3)
    refused = {
        "pattern_bytes: expected at least 72": (env, {"strategy": "patterns", "pattern_bytes": 71}),
        "strategy: expected.*no pattern databases": (LightsOut(), {"strategy": "patterns"}),
        "env: expected": (PyEnv(Line()), {"strategy": "optimal"}),
    }
    for message, (other, how) in refused.items():
        with pytest.raises(ValueError, match=message):
            evaluate_episodes(other, None, 1, **how)
    with pytest.raises(TypeError, match=r"^policy: expected"):
        evaluate_episodes(env, None, 1, strategy="beam")


def test_bad_arguments_are_named():
    env = puzzle(3, 3)
    with pytest.raises(ValueError, match="state"):
        solve_optimal(env, [1, 2, 3])
    with pytest.raises(ValueError, match="parity"):
        solve_optimal(env, [0, 2, 1, 3, 4, 5, 6, 7, 8])
    with pytest.raises(ValueError, match="node_limit"):
        solve_optimal(env, range(9), node_limit=0)
    with pytest.raises(ValueError, match="most_states"):
        OptimalSolver(env, 0)
    with pytest.raises(ValueError, match="time_limit_s"):
        OptimalSolver(env, time_limit_s=0)
    with pytest.raises(ValueError, match="start"):
        OptimalSolver(env).lengths(start="nowhere")


def test_an_environment_without_inverse_actions_is_refused():
    with pytest.raises(ValueError, match="env: expected"):
        OptimalSolver(PyEnv(Line()))


def test_other_threads_run_meanwhile():
    env = puzzle(6, 6)
    solver, state = OptimalSolver(env), env.random_state(0)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (solver.solve(state, time_limit_s=0.5), done.set()))
    thread.start()
    turns = 0
    while not done.is_set():
        turns += 1
        done.wait(0.001)
    thread.join()
    assert turns > 10
