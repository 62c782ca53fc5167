"""Pauli networks in plain Python, written from specs/envs/pauli_network.json."""

from __future__ import annotations

from typing import Any

from clifford import Clifford
from rng import Rng
from task import Cases


class PauliNetwork(Clifford):
    """The state of the Clifford, then a row for each rotation."""

    def __init__(self, num_qubits: int, num_rotations: int = 4, **parameters: Any) -> None:
        self.num_rotations = num_rotations
        super().__init__(num_qubits, **parameters)

    def rotations(self) -> list[int]:
        n = self.num_qubits
        rows = self.state[4 * n * n :]
        paulis = [
            sum(bit << at for at, bit in enumerate(rows[2 * n * row : 2 * n * (row + 1)]))
            for row in range(self.num_rotations)
        ]
        return [pauli for pauli in paulis if pauli]

    def put_all(self, planes: list[tuple[int, int]], rotations: list[int]) -> None:
        """Takes out what can be done."""
        n = self.num_qubits
        left: list[int] = []
        for pauli in rotations:
            qubits = [q for q in range(n) if pauli >> q & 1 or pauli >> (n + q) & 1]
            if len(qubits) > 1 or any(self.anticommute(pauli, before) for before in left):
                left.append(pauli)
        left += [0] * (self.num_rotations - len(left))
        self.put(planes)
        self.state += [pauli >> bit & 1 for pauli in left for bit in range(2 * n)]

    def obs_shape(self) -> list[int]:
        rows, width = super().obs_shape()
        return [rows * width + 3 * self.num_qubits * self.num_rotations]

    def goal(self, rng: Rng) -> None:
        super().goal(rng)
        self.put_all(self.planes(), [])

    def uniform(self, rng: Rng) -> None:
        super().uniform(rng)
        planes, rotations = self.planes(), []
        for _ in range(self.num_rotations):
            pauli = 0
            while not pauli:
                pauli = rng.word() & (2 ** (2 * self.num_qubits) - 1)
            rotations.append(pauli)
        self.put_all(planes, rotations)

    def turned(self, pauli: int, action: int) -> int:
        _, axis = self.axes()[action]
        return pauli ^ axis * self.anticommute(pauli, axis)

    def act(self, action: int) -> None:
        planes = [(self.turned(a, action), self.turned(b, action)) for a, b in self.planes()]
        self.put_all(planes, [self.turned(pauli, action) for pauli in self.rotations()])

    def act_away(self, action: int, rng: Rng) -> None:
        rotations = self.rotations()
        if len(rotations) < self.num_rotations and rng.below(2) == 1:
            end, which = rng.below(2), rng.below(2)
            qubit, own = self.edges[action // 9][end], [action % 9 // 3, action % 3][end]
            first = self.letter("xyz"[(own + 1 + which) % 3], qubit)
            # Put as it is: it could be taken out before the action.
            rows = [first, *rotations]
            rows += [0] * (self.num_rotations - len(rows))
            n = self.num_qubits
            self.state[4 * n * n :] = [row >> bit & 1 for row in rows for bit in range(2 * n)]
        self.act(action)

    def masks(self) -> list[bool]:
        turns = [
            any(self.anticommute(pauli, axis) for pauli in self.rotations())
            for _, axis in self.axes()
        ]
        return [legal or turn for legal, turn in zip(super().masks(), turns, strict=True)]

    def solved(self) -> bool:
        return not self.rotations() and super().solved()

    def observe(self) -> list[int]:
        n, first = self.num_qubits, len(self.planes()) * super().obs_shape()[1]
        active = super().observe()
        for row, pauli in enumerate(self.rotations()):
            for qubit in range(n):
                x, z = pauli >> qubit & 1, pauli >> (n + qubit) & 1
                if x or z:
                    letter = {(1, 0): 0, (1, 1): 1, (0, 1): 2}[x, z]
                    active.append(first + 3 * (n * row + qubit) + letter)
        return active


CASES = Cases(
    PauliNetwork,
    [
        {"num_qubits": 2, "topology": "line", "num_rotations": 1},
        {"num_qubits": 3, "topology": "ring", "num_rotations": 4},
        {"num_qubits": 4, "topology": "all_to_all", "num_rotations": 3},
        {"num_qubits": 5, "topology": "falcon_5", "num_rotations": 8},
        {"num_qubits": 4, "edges": [[0, 2], [2, 1], [3, 0]], "num_rotations": 2},
    ],
    [({"num_qubits": 2}, 100)],
)
