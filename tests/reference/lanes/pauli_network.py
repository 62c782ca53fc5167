"""Pauli networks, written from specs/envs/pauli_network.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes import clifford
from lanes.clifford import smallest
from lanes.streams import Rng


class Lanes(clifford.Lanes):
    """`state` [N, 2 n + num_rotations]: the planes [2, n], then the rotations, 0 where none is."""

    def __init__(
        self,
        count: int,
        num_qubits: int,
        topology: str = "line",
        num_rotations: int = 4,
        **more: Any,
    ) -> None:
        self.num_rotations = num_rotations
        super().__init__(count, num_qubits, topology, **more)
        letters = [(p, q) for p in range(3) for q in range(3)]
        # By action and end: the two letters that are not the action's, as Paulis [A, 2, 2].
        self.others = np.array(
            [
                [[self.at((own + k) % 3, qubit) for k in (1, 2)]
                 for qubit, own in zip(edge, pair, strict=True)]
                for edge in self.edges
                for pair in letters
            ]
        )  # fmt: skip

    def planes(self, state: Any) -> Any:
        return state[:, : 2 * self.num_qubits].reshape(-1, 2, self.num_qubits)

    def rotations(self, state: Any) -> Any:
        return state[:, 2 * self.num_qubits :]

    def finished(self, planes: Any, rotations: Any) -> Any:
        """With what can be done taken out, the others moved up."""
        n, count = self.num_qubits, len(rotations)
        left, places = np.zeros_like(rotations), np.zeros(count, np.int64)
        for pauli in rotations.T:
            qubits = np.bitwise_count((pauli | pauli >> n) & ((1 << n) - 1))
            bound = self.odd(left, pauli[:, None]).any(1)
            (stay,) = np.nonzero((qubits > 1) | ((qubits == 1) & bound))
            left[stay, places[stay]] = pauli[stay]
            places[stay] += 1
        return np.concatenate([planes.reshape(count, 2 * n), left], 1)

    def goal(self, rng: Rng) -> Any:
        planes = super().goal(rng)
        return self.finished(planes, np.zeros((len(planes), self.num_rotations), np.int64))

    def moved(self, state: Any, actions: Any) -> Any:
        axes, rotations = self.axes[actions], self.rotations(state)
        planes = super().moved(self.planes(state), actions)
        return self.finished(planes, rotations ^ axes[:, None] * self.odd(rotations, axes[:, None]))

    def moved_away(self, state: Any, actions: Any, rng: Rng, which: Any) -> Any:
        n, rotations = self.num_qubits, self.rotations(state).copy()
        (room,) = np.nonzero(rotations[:, -1] == 0)
        brings = room[rng.below(2, which[room]) == 1]
        end, other = (rng.below(2, which[brings]) for _ in range(2))
        rotations[brings, 1:] = rotations[brings, :-1]
        rotations[brings, 0] = self.others[actions[brings], end, other]
        return self.moved(np.concatenate([state[:, : 2 * n], rotations], 1), actions)

    def uniform(self, rng: Rng) -> Any:
        planes = super().uniform(rng)
        count = len(planes)
        low = np.uint64((1 << (2 * self.num_qubits)) - 1)
        rotations = np.zeros((count, self.num_rotations), np.int64)
        for row in range(self.num_rotations):
            left = np.arange(count)
            while len(left):
                rotations[left, row] = (rng.words(left) & low).astype(np.int64)
                left = left[rotations[left, row] == 0]
        return self.finished(smallest(planes), rotations)

    def solved(self) -> Any:
        return (self.state == self.goal(Rng(np.zeros(1, np.uint64)))).all(1)

    def masks(self) -> Any:
        planes = self.planes(self.state)
        own = np.concatenate([planes, planes[:, :1] ^ planes[:, 1:]], 1).reshape(len(planes), -1)
        rotations = self.rotations(self.state)
        turns = self.odd(rotations[:, :, None], self.axes).any(1)
        return (own[:, :, None] != self.axes).all(1) | turns

    def observe(self) -> Any:
        features = [super().features(self.planes(self.state))]
        for pauli in self.rotations(self.state).T:
            for qubit in range(self.num_qubits):
                x, z = pauli >> qubit & 1, pauli >> (self.num_qubits + qubit) & 1
                features.append(np.stack([x & ~z & 1, x & z, z & ~x & 1], 1).astype(bool))
        return clifford.active(np.concatenate(features, 1))
