"""Circuits of eight qubits on maps of every density, by the default of `twisterl.quantum`: `maps`.

Beside qiskit's own of the same targets, on the same map. What leads the beams is learned here.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any

from circuits import both, by, imported, ours, searched
from results import row

TARGETS = 20
QUBITS = 8
# All pairs but one.
DENSE = [(a, b) for b in range(QUBITS) for a in range(b) if (a, b) != (0, 1)]
MAPS = {"ring": "ring", "grid": "grid", "heavy-hex": "heavy_hex", "star": "star", "dense": DENSE}


def maps(_options: argparse.Namespace) -> list[dict[str, Any]]:
    """Cliffords and linear functions on five maps."""
    quantum = imported()
    budget = quantum.Budget()
    cliffords = [quantum.random_clifford(QUBITS, seed=8000 + 2 * i) for i in range(TARGETS)]
    matrices = [quantum.random_matrix(QUBITS, seed=8000 + i) for i in range(TARGETS)]
    functions = [quantum.LinearFunction(matrix) for matrix in matrices]
    rows = []
    for kind, targets in (("Cliffords", cliffords), ("linear functions", functions)):
        for title, coupling_map in MAPS.items():
            name = f"{kind} of 8 qubits, {title}"
            found = searched(
                quantum, targets, coupling_map, budget.num_iterations, budget.beam_width
            )
            theirs = by(functools.partial(quantum.by_qiskit, coupling_map=coupling_map), targets)
            rows += found.rows(name)
            rows.append(row(f"{name}: solved", "%", ours(found.solved), at_least=100))
            rows.append(row(f"{name}: mean", "CNOTs", both(found.mean, theirs.mean)))
    return rows
