"""Beams by classes of Cliffords, without a network: a table and a value, made on first use."""

from __future__ import annotations

import functools
import json

from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models import Budget
from twisterl.quantum.targets import CLIFFORD, Target, env_of
from twisterl.twisterl import collector

# As far as a matrix of ranks is a word.
_MOST_QUBITS = 8
# More take longer than they save.
_MOST_CLASSES = 1_000_000
_WALKS_AN_ITERATION = 500


def is_for(target: Target, coupling: Coupling, budget: Budget) -> bool:
    """Whether beams for this are better led by classes than by a network."""
    is_small = target.num_qubits <= _MOST_QUBITS
    is_led = target.kind == CLIFFORD and coupling.is_complete and is_small
    return is_led and budget.model is None


def prepare(
    target: Target, coupling: Coupling, budget: Budget
) -> tuple[collector.GuidedSolver, list[str]]:
    """What searches of such targets share, and the names of the actions."""
    arguments = json.dumps(target.arguments(coupling))
    most_classes = min(max(1, budget.table_classes), _MOST_CLASSES)
    return _prepared(target.kind, arguments, most_classes, budget.num_iterations)


@functools.lru_cache(8)
def _prepared(
    kind: str, arguments: str, most_classes: int, num_iterations: int
) -> tuple[collector.GuidedSolver, list[str]]:
    env = env_of(kind, arguments)
    n = env.arguments()["num_qubits"]
    solver = collector.GuidedSolver(
        env,
        most_classes,
        num_walks=_WALKS_AN_ITERATION * num_iterations,
        walk_length=max(2, round(0.36 * n * n)),
    )
    return solver, env.action_names()


def solved(
    target: Target, coupling: Coupling, budget: Budget, states: list[list[int]], num_cores: int
) -> tuple[list[str], list[list[int] | None]]:
    """The names of the actions, and those that solve each of `states`, or None."""
    solver, names = prepare(target, coupling, budget)
    limits = {"beam_width": budget.beam_width, "num_cores": num_cores}
    return names, [solver.solve(state, **limits) for state in states]
