"""Coupling graphs by name, in plain Python, and what the environments on them share."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

from rng import Rng
from task import Task

SPECS = Path(__file__).resolve().parents[2] / "specs"
DEVICES = json.loads((SPECS / "coupling_maps.json").read_text())
del DEVICES["about"]


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
    if topology == "all_to_all":
        return list(combinations(range(num_qubits), 2))
    if topology == "heavy_hex":
        return heavy_hex(num_qubits)
    if topology in DEVICES:
        return [(a, b) for a, b in DEVICES[topology]["edges"]]
    return line


def heavy_hex(num_qubits: int) -> list[tuple[int, int]]:
    """Steps of all places of a lattice that is large enough, then the nearest of them."""
    size = num_qubits + 1
    between = {1: 0, 3: 2}
    places = [
        (row, column)
        for row in range(size)
        for column in range(size)
        if row % 2 == 0 or column % 4 == between[row % 4]
    ]
    steps = dict.fromkeys(places, 2 * size)
    steps[0, 0] = 0
    while True:
        before = dict(steps)
        for place in places:
            around = [other for other in neighbours(place) if other in steps]
            steps[place] = min([steps[place], *(steps[other] + 1 for other in around)])
        if steps == before:
            break
    nearest = sorted(sorted(places, key=lambda place: (steps[place], place))[:num_qubits])
    return [
        (a, b)
        for a, b in combinations(range(num_qubits), 2)
        if nearest[b] in neighbours(nearest[a])
    ]


def neighbours(place: tuple[int, int]) -> list[tuple[int, int]]:
    row, column = place
    beside = [(row, column - 1), (row, column + 1)] if row % 2 == 0 else []
    return [*beside, (row - 1, column), (row + 1, column)]


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

# The same for what came later.
MORE_GRAPHS: list[dict[str, Any]] = [
    {"num_qubits": num_qubits, "topology": topology}
    for topology, num_qubits in [
        ("all_to_all", 4), ("heavy_hex", 15),
        *((name, device["num_qubits"]) for name, device in DEVICES.items()),
    ]
]  # fmt: skip
