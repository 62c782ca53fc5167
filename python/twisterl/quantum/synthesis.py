"""The synthesis: exact, by beam, by qiskit; the best is verified and given."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from twisterl import cache
from twisterl.quantum import by_qiskit, circuits, guides, models, phases
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models import Budget
from twisterl.quantum.targets import LINEAR, Target, env_of
from twisterl.quantum.weights import Weights
from twisterl.twisterl import collector

_MOST_STATES = 500_000
_Restored = Callable[[QuantumCircuit], QuantumCircuit]


class Fallback(UserWarning):
    """The circuit is by qiskit's own method; the text says why."""


def synthesize(
    target: Any,
    coupling_map: Any = None,
    *,
    budget: Budget | None = None,
    weights: Mapping[tuple[int, int], float] | None = None,
) -> QuantumCircuit:
    """A circuit of `target` with few two-qubit gates, verified.

    Args:
        target: a qiskit `Clifford`, `LinearFunction`, `PermutationGate` or its pattern,
            `PauliEvolutionGate` of a product formula, or a `QuantumCircuit` or `Operator` that is
            one of these; a circuit may have rotations about Paulis between its Clifford gates.
        coupling_map: None (all-to-all), a topology's name as of the environments, a qiskit
            `CouplingMap`, whose directions are kept, or pairs of qubits.
        budget: the default finds optima of small targets, and trains a model for large ones.
        weights: what a gate from one qubit to another costs, 1 where it is left out. The cheapest
            of the circuits on the whole map and on those without the dearest edges is returned.

    Returns:
        SWAPs for a permutation, CNOTs for a linear function, CNOTs and single-qubit Cliffords for a
        Clifford, and rotations of single qubits with them for others, equal to `target` with its
        global phase. `metadata["twisterl"]` has its `method` ("exact", "beam" or "qiskit") and
        `at_least`, the fewest gates of that kind that any circuit of `target` has, as far as it is
        proven; with `weights` both its `cost` and `at_least` are of them.

    Raises:
        ValueError, TypeError: `target`, `coupling_map`, `budget` or `weights` cannot be used.
    """
    if budget is None:
        budget = Budget()
    if not isinstance(budget, Budget):
        raise TypeError(f"budget: got a {type(budget).__name__}; expected a Budget")
    wanted = Target.of(target)
    coupling = Coupling.of(coupling_map, wanted.num_qubits)
    prices = Weights.of(weights, coupling)
    found, at_least = _found(wanted, coupling, budget)
    for cheaper in prices.cheaper(coupling):
        found += _found(wanted, cheaper, budget)[0]
    turned = [(method, circuits.turned(circuit, coupling)) for method, circuit in found]
    method, best = min(turned, key=lambda item: prices.cost(item[1]))
    if not (wanted.is_by(best) and circuits.is_fitting(best, coupling)):
        raise AssertionError(f"the circuit by {method} is not the {wanted.kind}; please report it")
    phases.keep(best, wanted)
    best.metadata = {"twisterl": {"method": method, "at_least": at_least}}
    if weights:
        told = {"cost": prices.cost(best), "at_least": at_least * prices.least()}
        best.metadata["twisterl"].update(told)
    return best


def _found(
    wanted: Target, coupling: Coupling, budget: Budget
) -> tuple[list[tuple[str, QuantumCircuit]], int]:
    """Circuits, the favourite first, with their methods, and how many gates there are at least."""
    theirs = [("qiskit", by_qiskit.synthesized(wanted, coupling))]
    if coupling.num_qubits < 2:
        return theirs, 0
    ours, at_least = exactly(wanted, coupling, budget)
    if ours is not None:
        return [("exact", ours), *theirs], at_least
    if at_least >= circuits.cost(theirs[0][1]):
        return theirs, at_least
    beam = by_beam(wanted, coupling, budget)
    if beam is not None:
        return [("beam", beam), *theirs], at_least
    reason = "the budget allows no model" if _is_without(wanted, budget) else "no beam solved"
    size = f"{wanted.kind} of {wanted.num_qubits} qubits"
    warnings.warn(f"{size} by qiskit: {reason}", Fallback, stacklevel=3)
    return theirs, at_least


def _is_without(wanted: Target, budget: Budget) -> bool:
    has_guide = budget.is_by_pairs(wanted) or budget.num_iterations or budget.model is not None
    return not (budget.beam_width and has_guide)


@functools.lru_cache(8)
def _solver(
    kind: str, arguments: str, most_states: int
) -> tuple[collector.OptimalSolver | None, list[str]]:
    env = env_of(kind, arguments)
    try:
        with cache.keeping():
            return collector.OptimalSolver(env, most_states=most_states), env.action_names()
    except ValueError:  # states too large for keys
        return None, env.action_names()


def exactly(
    target: Target, coupling: Coupling, budget: Budget
) -> tuple[QuantumCircuit | None, int]:
    """An optimal circuit, or None and how many gates there are at least."""
    if not budget.node_limit:
        return None, 0
    arguments = target.arguments(coupling)
    most_states = _MOST_STATES
    n = target.num_qubits
    if target.kind == LINEAR and (n <= 5 or (n == 6 and coupling.is_complete)):
        # Larger ones are too far from the identity for more classes to help.
        most_states = max(1, budget.table_classes)
    solver, names = _solver(target.kind, json.dumps(arguments), most_states)
    if solver is None:
        return None, 0
    actions, length = solver.solve(target.state(), node_limit=budget.node_limit)
    if actions is None:
        return None, length
    return circuits.of_actions(target, [names[action] for action in actions]), length


def by_beam(
    target: Target, coupling: Coupling, budget: Budget, num_cores: int = 32
) -> QuantumCircuit | None:
    """The shortest of the circuits of all views of the target, each by a beam of its own.

    They are led by pairs of qubits, by classes or by ranks where that is better, else by a network.
    """
    if _is_without(target, budget):
        return None
    asked = list(views(target))
    search = _by_network
    if budget.is_by_pairs(target):
        # Which looks at the inverse by itself.
        asked, search = asked[:1], _by_pairs
    elif guides.is_for(target, coupling, budget):
        search = guides.solved
        if not coupling.is_complete:
            # Which take gates off both ends.
            asked = asked[:1]
    states = [view.state() for view, _ in asked]
    names, solutions = search(target, coupling, budget, states, num_cores)
    solved = [
        (view, restored, actions)
        for (view, restored), actions in zip(asked, solutions, strict=True)
        if actions is not None
    ]
    if not solved:
        return None
    # Each action is one two-qubit gate.
    view, restored, actions = min(solved, key=lambda each: len(each[2]))
    return restored(circuits.of_actions(view, [names[action] for action in actions]))


def _by_network(
    target: Target, coupling: Coupling, budget: Budget, states: list[list[int]], num_cores: int
) -> tuple[list[str], list[list[int] | None]]:
    algorithm = models.trained(target, coupling, budget)
    played = collector.evaluate_episodes(
        algorithm.env,
        algorithm.rs_pol,
        states=np.array(states, np.int64),
        strategy="beam",
        beam_width=budget.beam_width,
        beam_value_weight=algorithm.beam_value_weight,
        num_cores=num_cores,
        actions=True,
    )
    solved = zip(played["success"], played["actions"], strict=True)
    solutions = [actions if is_solved else None for is_solved, actions in solved]
    return algorithm.env.action_names(), solutions


def prepare(target: Target, coupling: Coupling, budget: Budget) -> None:
    """What `by_beam` needs once for all such targets."""
    if guides.is_for(target, coupling, budget):
        guides.prepare(target, coupling, budget)
    elif not budget.is_by_pairs(target):
        models.trained(target, coupling, budget)


def _by_pairs(
    target: Target, coupling: Coupling, budget: Budget, states: list[list[int]], num_cores: int
) -> tuple[list[str], list[list[int] | None]]:
    env = env_of(target.kind, json.dumps(target.arguments(coupling)))
    return env.action_names(), collector.route(env, states, budget.beam_width, num_cores)


def views(target: Target) -> Iterator[tuple[Target, _Restored]]:
    """The target and those whose circuits are as long, with what makes their circuits its own."""
    yield target, lambda circuit: circuit
    yield target.inverse(), QuantumCircuit.inverse
    if target.kind == LINEAR:
        yield target.exchanged(), circuits.exchanged
        inverse = target.exchanged().inverse()
        yield inverse, lambda circuit: circuits.exchanged(circuit.inverse())
