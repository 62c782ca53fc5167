"""Beams without a network, by classes of states or ranks: what leads them is made on first use."""

from __future__ import annotations

import functools
import json

from twisterl import cache
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models import Budget
from twisterl.quantum.progress import bar
from twisterl.quantum.targets import CLIFFORD, LINEAR, Target, env_of
from twisterl.twisterl import collector

# As far as a class is told by a word, and a row of a matrix is one.
_MOST_OF_CLASSES = 8
_MOST_OF_RANKS = {CLIFFORD: 8, LINEAR: 12}
# More take longer than they save.
_MOST_CLASSES = 1_000_000
_WALKS_AN_ITERATION = 500
# Of learning, which takes a Clifford longer.
_ITERATIONS_A_ROUND = {CLIFFORD: 2, LINEAR: 1}

Solver = collector.GuidedSolver | collector.RankSolver


def is_for(target: Target, coupling: Coupling, budget: Budget) -> bool:
    """Whether beams for this are better led without a network."""
    if budget.model is not None or budget.guide == "network":
        return False
    most = _MOST_OF_CLASSES if coupling.is_complete else _MOST_OF_RANKS.get(target.kind, 0)
    return target.kind in (CLIFFORD, LINEAR) and 2 <= target.num_qubits <= most


def prepare(target: Target, coupling: Coupling, budget: Budget) -> tuple[Solver, list[str]]:
    """What searches of such targets share, and the names of the actions."""
    arguments = json.dumps(target.arguments(coupling), sort_keys=True)
    if coupling.is_complete:
        most_classes = min(max(1, budget.table_classes), _MOST_CLASSES)
        return _by_classes(target.kind, arguments, most_classes, budget.num_iterations)
    num_rounds = -(-budget.num_iterations // _ITERATIONS_A_ROUND[target.kind])
    return _by_ranks(target.kind, arguments, num_rounds)


@functools.lru_cache(8)
def _by_classes(
    kind: str, arguments: str, most_classes: int, num_iterations: int
) -> tuple[Solver, list[str]]:
    env = env_of(kind, arguments)
    n = env.arguments()["num_qubits"]
    with cache.keeping():
        solver = collector.GuidedSolver(
            env,
            most_classes,
            num_walks=_WALKS_AN_ITERATION * num_iterations,
            walk_length=max(2, round(0.36 * n * n)),
        )
    return solver, env.action_names()


@functools.lru_cache(8)
def _by_ranks(kind: str, arguments: str, num_rounds: int) -> tuple[Solver, list[str]]:
    env = env_of(kind, arguments)
    show = bar(f"learning {kind}-{env.arguments()['num_qubits']}", "rounds")
    with cache.keeping():
        return collector.RankSolver(env, num_rounds, progress=show), env.action_names()


def solved(
    target: Target, coupling: Coupling, budget: Budget, states: list[list[int]], num_cores: int
) -> tuple[list[str], list[list[int] | None]]:
    """The names of the actions, and those that solve each of `states`, or None."""
    solver, names = prepare(target, coupling, budget)
    limits = {"beam_width": budget.beam_width, "num_cores": num_cores}
    return names, [solver.solve(state, **limits) for state in states]
