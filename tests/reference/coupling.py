"""Coupling graphs by name, in plain Python, and what the environments on them share."""

from __future__ import annotations

from typing import Any

from rng import Rng
from task import Task


def edges_of(topology: str, num_qubits: int) -> list[tuple[int, int]]:
    line = [(vertex, vertex + 1) for vertex in range(num_qubits - 1)]
    if topology == "ring" and num_qubits > 2:
        return line + [(num_qubits - 1, 0)]
    if topology == "star":
        return [(0, leaf) for leaf in range(1, num_qubits)]
    if topology == "grid":
        rows = max(
            r for r in range(1, num_qubits + 1) if num_qubits % r == 0 and r * r <= num_qubits
        )
        columns = num_qubits // rows
        right = [(v, v + 1) for v in range(num_qubits) if v % columns < columns - 1]
        return right + [(v, v + columns) for v in range(num_qubits - columns)]
    return line


class OnGraph(Task):
    """An environment whose actions are the edges of a coupling graph of qubits."""

    def __init__(
        self,
        num_qubits: int,
        topology: str = "line",
        edges: list[list[int]] | None = None,
        **episode: int,
    ) -> None:
        super().__init__(**episode)
        self.num_qubits = num_qubits
        given = [(a, b) for a, b in edges or []]
        self.edges = self.named_edges(topology) if edges is None else given
        self.goal(Rng(0))

    def named_edges(self, topology: str) -> list[tuple[int, int]]:
        return edges_of(topology, self.num_qubits)

    def obs_shape(self) -> list[int]:
        return [self.num_qubits] * 2


# Whose environments are recorded.
GRAPHS: list[dict[str, Any]] = [
    {"num_qubits": num_qubits, "topology": topology}
    for topology, num_qubits in [
        ("line", 2), ("line", 5), ("ring", 2), ("ring", 6), ("grid", 6), ("grid", 9),
        ("grid", 5), ("star", 5), ("star", 16),
    ]
]  # fmt: skip
