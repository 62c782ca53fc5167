"""Coupling graphs by name, in plain Python, and the two environments on them."""

from __future__ import annotations

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


class Permutation(OnGraph):
    """Written from specs/envs/permutation.json."""

    def action_names(self) -> list[str]:
        return [f"swap({a},{b})" for a, b in self.edges]

    def goal(self, rng: Rng) -> None:
        self.state = list(range(self.num_qubits))

    def uniform(self, rng: Rng) -> None:
        self.state = rng.shuffle(self.num_qubits)

    def act(self, action: int) -> None:
        a, b = self.edges[action]
        self.state[a], self.state[b] = self.state[b], self.state[a]

    def solved(self) -> bool:
        return self.state == sorted(self.state)

    def observe(self) -> list[int]:
        return [vertex * self.num_qubits + token for vertex, token in enumerate(self.state)]


class LinearFunction(OnGraph):
    """Written from specs/envs/linear_function.json."""

    def named_edges(self, topology: str) -> list[tuple[int, int]]:
        """Both directions of each."""
        pairs = super().named_edges(topology)
        return [edge for a, b in pairs for edge in ((a, b), (b, a))]

    def action_names(self) -> list[str]:
        return [f"cx({control},{target})" for control, target in self.edges]

    def goal(self, rng: Rng) -> None:
        n = self.num_qubits
        self.state = [int(row == column) for row in range(n) for column in range(n)]

    def uniform(self, rng: Rng) -> None:
        """A word for each row, its low bits first, until the rows are independent."""
        n = self.num_qubits
        while True:
            words = [rng.word() for _ in range(n)]
            rows = [[word >> column & 1 for column in range(n)] for word in words]
            if odd_determinant(rows):
                self.state = [entry for row in rows for entry in row]
                return

    def act(self, action: int) -> None:
        control, target = self.edges[action]
        n = self.num_qubits
        for column in range(n):
            self.state[target * n + column] ^= self.state[control * n + column]

    def solved(self) -> bool:
        n = self.num_qubits
        return all(entry == (index % (n + 1) == 0) for index, entry in enumerate(self.state))

    def observe(self) -> list[int]:
        return [index for index, entry in enumerate(self.state) if entry]


def odd_determinant(rows: list[list[int]]) -> bool:
    """Whether the rows are independent over GF(2): the first column expanded, again and again."""
    if not rows:
        return True
    pivot = next((row for row in rows if row[0]), None)
    if pivot is None:
        return False
    others = [row for row in rows if row is not pivot]
    cleared = [[a ^ (row[0] & b) for a, b in zip(row, pivot, strict=True)] for row in others]
    return odd_determinant([row[1:] for row in cleared])
