"""The synthesis: exact, by beam, by qiskit; the best is verified and given."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

import twisterl.envs
from twisterl.quantum import by_qiskit, circuits, models
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models import Budget
from twisterl.quantum.targets import ENVIRONMENTS, LINEAR, Target
from twisterl.twisterl import collector

_MOST_STATES = 500_000
_Restored = Callable[[QuantumCircuit], QuantumCircuit]


class Fallback(UserWarning):
    """The circuit is by qiskit's own method; the text says why."""


def synthesize(
    target: Any, coupling_map: Any = None, *, budget: Budget | None = None
) -> QuantumCircuit:
    """A circuit of `target` with few two-qubit gates, verified.

    Args:
        target: a qiskit `Clifford`, `LinearFunction`, `PermutationGate` or its pattern, or a
            `QuantumCircuit` or `Operator` that is one of these.
        coupling_map: None (all-to-all), a topology's name as of the environments, a qiskit
            `CouplingMap`, whose directions are kept, or pairs of qubits.
        budget: the default finds optima of small targets, and trains a model for large ones.

    Returns:
        SWAPs for a permutation, CNOTs for a linear function, CNOTs and single-qubit Cliffords for a
        Clifford; global phase aside equal to `target`. `metadata["twisterl"]` has its `method`
        ("exact", "beam" or "qiskit") and `at_least`, the fewest gates of that kind that any circuit
        of `target` has, as far as it is proven.

    Raises:
        ValueError, TypeError: `target`, `coupling_map` or `budget` cannot be used.
    """
    if budget is None:
        budget = Budget()
    if not isinstance(budget, Budget):
        raise TypeError(f"budget: got a {type(budget).__name__}; expected a Budget")
    wanted = Target.of(target)
    coupling = Coupling.of(coupling_map, wanted.num_qubits)
    found = {"qiskit": by_qiskit.synthesized(wanted, coupling)}
    at_least = 0
    if coupling.num_qubits > 1:
        ours, at_least = _exactly(wanted, coupling, budget)
        if ours is not None:
            found = {"exact": ours, **found}
        elif at_least < circuits.cost(found["qiskit"]):
            beam = _by_beam(wanted, coupling, budget)
            found = found if beam is None else {"beam": beam, **found}
            if beam is None:
                reason = "the budget allows no model" if _is_without(budget) else "no beam solved"
                size = f"{wanted.kind} of {wanted.num_qubits} qubits"
                warnings.warn(f"{size} by qiskit: {reason}", Fallback, stacklevel=2)
    method, best = min(found.items(), key=lambda item: circuits.cost(item[1]))
    best = circuits.turned(best, coupling)
    if not (wanted.is_by(best) and circuits.is_fitting(best, coupling)):
        raise AssertionError(f"the circuit by {method} is not the {wanted.kind}; please report it")
    best.metadata = {"twisterl": {"method": method, "at_least": at_least}}
    return best


def _is_without(budget: Budget) -> bool:
    return not (budget.beam_width and budget.num_iterations)


@functools.lru_cache(8)
def _solver(kind: str, arguments: str) -> tuple[collector.OptimalSolver | None, list[str]]:
    env = getattr(twisterl.envs, ENVIRONMENTS[kind])(**json.loads(arguments))
    try:
        return collector.OptimalSolver(env, most_states=_MOST_STATES), env.action_names()
    except ValueError:  # states too large for keys
        return None, env.action_names()


def _exactly(
    target: Target, coupling: Coupling, budget: Budget
) -> tuple[QuantumCircuit | None, int]:
    """An optimal circuit, or None and how many gates there are at least."""
    if not budget.node_limit:
        return None, 0
    arguments = coupling.arguments(target.kind == LINEAR)
    solver, names = _solver(target.kind, json.dumps(arguments))
    if solver is None:
        return None, 0
    actions, length = solver.solve(target.state(), node_limit=budget.node_limit)
    if actions is None:
        return None, length
    return circuits.of_actions(target, [names[action] for action in actions]), length


def _by_beam(target: Target, coupling: Coupling, budget: Budget) -> QuantumCircuit | None:
    """The shortest of the circuits of all views of the target, each by a beam of its own."""
    if _is_without(budget):
        return None
    algorithm = models.trained(target.kind, coupling, budget.num_iterations)
    names = algorithm.env.action_names()
    asked = list(views(target))
    played = collector.evaluate_episodes(
        algorithm.env,
        algorithm.rs_pol,
        states=np.array([view.state() for view, _ in asked], np.int64),
        strategy="beam",
        beam_width=budget.beam_width,
        actions=True,
    )
    found = []
    for (view, restored), is_solved, actions in zip(
        asked, played["success"], played["actions"], strict=True
    ):
        if is_solved:
            found.append(restored(circuits.of_actions(view, [names[action] for action in actions])))
    return min(found, key=circuits.cost, default=None)


def views(target: Target) -> Iterator[tuple[Target, _Restored]]:
    """The target and those whose circuits are as long, with what makes their circuits its own."""
    yield target, lambda circuit: circuit
    yield target.inverse(), QuantumCircuit.inverse
    if target.kind == LINEAR:
        yield target.exchanged(), circuits.exchanged
        inverse = target.exchanged().inverse()
        yield inverse, lambda circuit: circuits.exchanged(circuit.inverse())
