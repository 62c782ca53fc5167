"""Beams without a network, by classes of states or ranks: what leads them is made on first use."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np

from twisterl import __version__
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models import Budget, cache_folder
from twisterl.quantum.progress import bar
from twisterl.quantum.targets import CLIFFORD, LINEAR, Target, env_of
from twisterl.runs import tensors
from twisterl.runs.errors import CheckpointError
from twisterl.runs.files import write_atomic
from twisterl.twisterl import collector

# As far as a class is told by a word, and a row of a matrix is one.
_MOST_OF_CLASSES = 8
_MOST_OF_RANKS = {CLIFFORD: 8, LINEAR: 12}
# More take longer than they save.
_MOST_CLASSES = 1_000_000
_WALKS_AN_ITERATION = 500
# Of learning, which takes a Clifford longer.
_ITERATIONS_A_ROUND = {CLIFFORD: 2, LINEAR: 1}
_WEIGHTS = "weights"

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
    digest = hashlib.sha256(f"{__version__} {arguments} {num_rounds}".encode())
    name = f"{target.kind}-{target.num_qubits}-{digest.hexdigest()[:16]}.safetensors"
    path = cache_folder() / "ranks" / name
    return _by_ranks(target.kind, arguments, num_rounds, path)


@functools.lru_cache(8)
def _by_classes(
    kind: str, arguments: str, most_classes: int, num_iterations: int
) -> tuple[Solver, list[str]]:
    env = env_of(kind, arguments)
    n = env.arguments()["num_qubits"]
    solver = collector.GuidedSolver(
        env,
        most_classes,
        num_walks=_WALKS_AN_ITERATION * num_iterations,
        walk_length=max(2, round(0.36 * n * n)),
    )
    return solver, env.action_names()


@functools.lru_cache(8)
def _by_ranks(kind: str, arguments: str, num_rounds: int, path: Path) -> tuple[Solver, list[str]]:
    """From memory, the cache, or learned now; a file that cannot be used is named and made anew."""
    env = env_of(kind, arguments)
    if path.exists():
        try:
            weights = tensors.read_arrays(path)[0].get(_WEIGHTS, np.zeros(0))
            return collector.RankSolver(env, weights=weights.tolist()), env.action_names()
        except (CheckpointError, ValueError) as error:
            warnings.warn(f"{path}: {error}; made again", stacklevel=6)
    show = bar(f"learning {path.stem}", "rounds")
    solver = collector.RankSolver(env, num_rounds, progress=show)
    content = tensors.encode({_WEIGHTS: np.array(solver.weights(), np.float32)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        warnings.warn(f"{path}: what was learned is not kept: {error.strerror}", stacklevel=6)
    return solver, env.action_names()


def solved(
    target: Target, coupling: Coupling, budget: Budget, states: list[list[int]], num_cores: int
) -> tuple[list[str], list[list[int] | None]]:
    """The names of the actions, and those that solve each of `states`, or None."""
    solver, names = prepare(target, coupling, budget)
    limits = {"beam_width": budget.beam_width, "num_cores": num_cores}
    return names, [solver.solve(state, **limits) for state in states]
