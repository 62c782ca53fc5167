"""CNOT synthesis in plain Python, written from specs/envs/linear_function.json."""

from __future__ import annotations

from coupling import GRAPHS, MORE_GRAPHS, OnGraph
from rng import Rng
from task import Cases


class LinearFunction(OnGraph):
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


CASES = Cases(
    LinearFunction,
    [
        *GRAPHS,
        {"num_qubits": 3, "edges": [[0, 1], [1, 2], [2, 0]]},
        *(graph for graph in MORE_GRAPHS if graph["num_qubits"] <= 16),
    ],
    [
        ({"num_qubits": 2}, 100),
        ({"num_qubits": 3, "topology": "line"}, 100),
        ({"num_qubits": 3, "edges": [[0, 1], [1, 2], [2, 0]]}, 100),
        ({"num_qubits": 4, "topology": "ring"}, 100),
        ({"num_qubits": 5, "topology": "star"}, 4),
    ],
)
