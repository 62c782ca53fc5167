"""Circuits on maps of every density, by the default of `twisterl.quantum`: `maps`.

Beside qiskit's own of the same targets, on the same map. What leads the beams is learned here.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any

from circuits import both, by, imported, ours, searched
from results import row

TARGETS = 20
# All pairs of eight qubits but one.
DENSE = [(a, b) for b in range(8) for a in range(b) if (a, b) != (0, 1)]
MAPS = {"ring": "ring", "grid": "grid", "heavy-hex": "heavy_hex", "star": "star", "dense": DENSE}
# Of linear functions alone.
LARGER = ((10, "line"), (12, "line"))


def maps(_options: argparse.Namespace) -> list[dict[str, Any]]:
    """Cliffords and linear functions of eight qubits on five maps, and larger ones on a line."""
    quantum = imported()
    cliffords = [quantum.random_clifford(8, seed=8000 + 2 * i) for i in range(TARGETS)]
    functions = {n: drawn(quantum, n) for n in (8, 10, 12)}
    rows = []
    for title, coupling_map in MAPS.items():
        rows += of_map(quantum, f"Cliffords of 8 qubits, {title}", cliffords, coupling_map)
    for title, coupling_map in MAPS.items():
        name = f"linear functions of 8 qubits, {title}"
        rows += of_map(quantum, name, functions[8], coupling_map)
    for n, topology in LARGER:
        name = f"linear functions of {n} qubits, {topology}"
        rows += of_map(quantum, name, functions[n], topology)
    return rows


def drawn(quantum: Any, n: int) -> list[Any]:
    matrices = [quantum.random_matrix(n, seed=1000 * n + i) for i in range(TARGETS)]
    return [quantum.LinearFunction(matrix) for matrix in matrices]


def of_map(quantum: Any, name: str, targets: list[Any], coupling_map: Any) -> list[dict[str, Any]]:
    budget = quantum.Budget()
    found = searched(quantum, targets, coupling_map, budget.num_iterations, budget.beam_width)
    theirs = by(functools.partial(quantum.by_qiskit, coupling_map=coupling_map), targets)
    return [
        *found.rows(name),
        row(f"{name}: solved", "%", ours(found.solved), at_least=100),
        row(f"{name}: mean", "CNOTs", both(found.mean, theirs.mean)),
    ]
