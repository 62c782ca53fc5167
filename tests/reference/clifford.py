"""Clifford synthesis in plain Python, written from specs/envs/clifford.json.

A Pauli is a number: bit q is X at qubit q, bit n + q is Z.
"""

from __future__ import annotations

from itertools import combinations, product

from coupling import GRAPHS, MORE_GRAPHS, OnGraph
from rng import Rng
from task import Cases


class Clifford(OnGraph):
    def letter(self, letter: str, qubit: int) -> int:
        x, z = 1 << qubit, 1 << (self.num_qubits + qubit)
        return {"x": x, "y": x | z, "z": z}[letter]

    def anticommute(self, a: int, b: int) -> bool:
        n = self.num_qubits
        shared = [(a >> q & b >> (n + q)) ^ (a >> (n + q) & b >> q) for q in range(n)]
        return sum(both & 1 for both in shared) % 2 == 1

    def put(self, planes: list[tuple[int, int]]) -> None:
        """Takes two Paulis of each qubit, and keeps the two smallest of their three."""
        n = self.num_qubits
        kept = [sorted([a, b, a ^ b])[:2] for a, b in planes]
        rows = [kept[q][which] for which in (0, 1) for q in range(n)]
        self.state = [row >> bit & 1 for row in rows for bit in range(2 * n)]

    def planes(self) -> list[tuple[int, int]]:
        n = self.num_qubits
        rows = [
            sum(bit << at for at, bit in enumerate(self.state[2 * n * row : 2 * n * (row + 1)]))
            for row in range(2 * n)
        ]
        return [(rows[q], rows[n + q]) for q in range(n)]

    def axes(self) -> list[tuple[str, int]]:
        return [
            (f"{p}{q}({a},{b})", self.letter(p, a) | self.letter(q, b))
            for a, b in self.edges
            for p, q in product("xyz", repeat=2)
        ]

    def action_names(self) -> list[str]:
        return [name for name, _ in self.axes()]

    def obs_shape(self) -> list[int]:
        n = self.num_qubits
        return [n, 9 * n * (n - 1) // 2 + n]

    def goal(self, rng: Rng) -> None:
        self.put([(self.letter("x", q), self.letter("z", q)) for q in range(self.num_qubits)])

    def uniform(self, rng: Rng) -> None:
        planes: list[tuple[int, int]] = []
        while len(planes) < self.num_qubits:
            a, b = self.commuting(rng, planes), self.commuting(rng, planes)
            if self.anticommute(a, b):
                planes.append((min(a, b, a ^ b), sorted([a, b, a ^ b])[1]))
        self.put(planes)

    def commuting(self, rng: Rng, planes: list[tuple[int, int]]) -> int:
        drawn = rng.word() & (2 ** (2 * self.num_qubits) - 1)
        pauli = drawn
        for first, second in planes:
            pauli ^= second * self.anticommute(drawn, first)
            pauli ^= first * self.anticommute(drawn, second)
        return pauli

    def act(self, action: int) -> None:
        _, axis = self.axes()[action]
        turned = [
            tuple(pauli ^ axis * self.anticommute(pauli, axis) for pauli in plane)
            for plane in self.planes()
        ]
        self.put([(a, b) for a, b in turned])

    def masks(self) -> list[bool]:
        own = {pauli for a, b in self.planes() for pauli in (a, b, a ^ b)}
        return [axis not in own for _, axis in self.axes()]

    def solved(self) -> bool:
        wanted = [(self.letter("x", q), self.letter("z", q)) for q in range(self.num_qubits)]
        return self.planes() == wanted

    def observe(self) -> list[int]:
        n = self.num_qubits
        pairs = list(combinations(range(n), 2))
        letters = list(product("xyz", repeat=2))
        active = []
        for q, (a, b) in enumerate(self.planes()):
            asked = [
                *((self.letter(p, r), self.letter(o, s)) for r, s in pairs for p, o in letters),
                *((self.letter("x", r), self.letter("z", r)) for r in range(n)),
            ]
            for index, (first, second) in enumerate(asked):
                forth = self.anticommute(a, first) and self.anticommute(b, second)
                back = self.anticommute(b, first) and self.anticommute(a, second)
                if forth != back:
                    active.append(q * len(asked) + index)
        return active


CASES = Cases(
    Clifford,
    [
        *(graph for graph in [*GRAPHS, *MORE_GRAPHS] if graph["num_qubits"] in (2, 4, 5)),
        {"num_qubits": 6, "topology": "ring"},
        {"num_qubits": 4, "edges": [[0, 2], [2, 1], [3, 0]]},
    ],
    [
        ({"num_qubits": 2}, 100),
        ({"num_qubits": 3}, 2),
    ],
)
