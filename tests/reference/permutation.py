"""Permutation routing in plain Python, written from specs/envs/permutation.json."""

from __future__ import annotations

from coupling import GRAPHS, MORE_GRAPHS, OnGraph
from rng import Rng
from task import Cases


class Permutation(OnGraph):
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


CASES = Cases(
    Permutation,
    [*GRAPHS, {"num_qubits": 4, "edges": [[0, 2], [2, 1], [3, 0]]}, *MORE_GRAPHS],
    [(graph, 100) for graph in GRAPHS if graph["num_qubits"] <= 6],
)
