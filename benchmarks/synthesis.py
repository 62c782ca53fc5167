"""Linear functions of eight qubits by `twisterl.quantum`: `synthesis` of run.py.

The 20 matrices are qiskit's `random_invertible_binary_matrix(8, seed=16000 + i)`, i = 0, 2, ... 38.
A row is a beam with some of its levers: the views of a target that are searched (1: itself, 2: and
its inverse, 4: and both with controls and targets exchanged), the symmetries that a state is seen
through, a table of the goal's surroundings. Times are of the processor, all views together.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from results import row
from sides import OURS, UnavailableError, spread

QUBITS, TARGETS = 8, 20
TOPOLOGIES = ("line", "all_to_all")
# Most CNOTs on average, by the best of the beams.
GOALS = {"line": 48.75, "all_to_all": 17.5}
TABLE = 64 << 20
# Views, width, symmetries, bytes of the table.
BEAMS = (
    (1, 64, 1, 0),
    (1, 256, 1, 0),
    (1, 1024, 1, 0),
    (2, 512, 1, 0),
    (4, 64, 1, 0),
    (4, 256, 1, 0),
    (4, 1024, 1, 0),
    (4, 4096, 1, 0),
    (4, 64, 2, 0),
    (4, 256, 2, 0),
    (4, 64, 1, TABLE),
    (4, 256, 1, TABLE),
    (4, 1024, 1, TABLE),
)


def synthesis(_options: argparse.Namespace) -> list[dict[str, Any]]:
    """Means of CNOTs, and what training and beams cost."""
    try:
        from qiskit.circuit.library import LinearFunction
        from qiskit.synthesis.linear import random_invertible_binary_matrix
    except ImportError:
        raise UnavailableError("qiskit: pip install twisterl[quantum]") from None
    from twisterl.quantum import Budget
    from twisterl.quantum.coupling import Coupling
    from twisterl.quantum.models import run_config
    from twisterl.quantum.synthesis import views
    from twisterl.quantum.targets import Target
    from twisterl.utils import prepare_algorithm

    seeds = range(2000 * QUBITS, 2000 * QUBITS + 2 * TARGETS, 2)
    matrices = [random_invertible_binary_matrix(QUBITS, seed=seed) for seed in seeds]
    targets = [Target.of(LinearFunction(matrix)) for matrix in matrices]
    states = np.array([[view.state() for view, _ in views(target)] for target in targets], np.int64)
    rows = []
    for topology in TOPOLOGIES:
        coupling = Coupling.of(topology, QUBITS)
        config = run_config(targets[0], coupling, Budget().num_iterations)
        algorithm = prepare_algorithm(config)
        start, cpu = time.perf_counter(), time.process_time()
        algorithm.learn(algorithm.num_iterations)
        algorithm.sync_rs_policy()
        name = f"linear functions, 8 qubits, {topology.replace('_', '-')}"
        spent = time.process_time() - cpu
        rows.append(row(f"{name}: training", "s", one(time.perf_counter() - start)))
        rows.append(row(f"{name}: training, processors together", "CPU-s", one(spent)))
        found = []
        for num_views, *beam in BEAMS:
            solved, length, spent = played(algorithm, states[:, :num_views], *beam)
            found.append((solved, length))
            label = f"{name}, {described(num_views, *beam)}"
            rows.append(row(f"{label}: solved", "%", one(100 * solved)))
            rows.append(row(f"{label}: mean", "CNOTs", one(length)))
            rows.append(row(f"{label}: a target", "CPU-ms", one(spent)))
        best = min(length if solved == 1 else np.inf for solved, length in found)
        rows.append(row(f"{name}: best mean", "CNOTs", one(best), at_most=GOALS[topology]))
    return rows


def one(value: float) -> dict[str, Any]:
    return {OURS: spread([value])}


def described(views: int, width: int, symmetries: int, table: int) -> str:
    parts = [f"beam {width}", f"{views} view{'s' if views > 1 else ''}"]
    parts += [f"{symmetries} symmetries"] if symmetries > 1 else []
    parts += [f"table of {table >> 20} MiB"] if table else []
    return ", ".join(parts)


def played(
    algorithm: Any, states: Any, width: int, symmetries: int, table: int
) -> tuple[float, float, float]:
    """The share of targets solved, the mean of their shortest circuits, milliseconds for each."""
    from twisterl.twisterl import collector

    beam = {"beam_width": width, "beam_views": symmetries, "goal_table_bytes": table}
    arguments = {"strategy": "beam", "num_cores": 1, **beam}
    flat = states.reshape(-1, states.shape[-1])
    # What is prepared once is no part of a target's time.
    collector.evaluate_episodes(algorithm.env, algorithm.rs_pol, states=flat[:1], **arguments)
    cpu = time.process_time()
    found = collector.evaluate_episodes(algorithm.env, algorithm.rs_pol, states=flat, **arguments)
    spent = 1000 * (time.process_time() - cpu) / len(states)
    lengths = np.where(found["success"], found["length"], np.inf).reshape(states.shape[:2]).min(1)
    solved = np.isfinite(lengths)
    return float(solved.mean()), float(lengths[solved].mean()), spent
