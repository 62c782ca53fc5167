"""Linear-function synthesis, written from specs/envs/linear_function.json."""

from __future__ import annotations

from typing import Any

import numpy as np
from coupling import edges_of

from lanes import episodes
from lanes.lights_out import active
from lanes.streams import Rng, word


class Lanes(episodes.Lanes):
    """`state` [N, n * n]: the matrix row by row."""

    def __init__(
        self, count: int, num_qubits: int, topology: str, edges: Any = None, **episode: int
    ) -> None:
        self.num_qubits = num_qubits
        if edges is None:
            pairs = edges_of(topology, num_qubits)
            edges = [edge for a, b in pairs for edge in ((a, b), (b, a))]
        self.edges = np.array(edges)
        self.num_actions = len(self.edges)
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        identity = np.eye(self.num_qubits, dtype=np.int64).ravel()
        return np.tile(identity, (rng.state.shape[1], 1))

    def moved(self, state: Any, actions: Any) -> Any:
        n = self.num_qubits
        matrix, lanes = state.reshape(-1, n, n).copy(), np.arange(len(state))
        control, target = self.edges[actions].T
        matrix[lanes, target] ^= matrix[lanes, control]
        return matrix.reshape(-1, n * n)

    def uniform(self, rng: Rng) -> Any:
        """A word for each row, its low bits first, until the rows are independent."""
        n = self.num_qubits
        result = np.zeros((rng.state.shape[1], n * n), np.int64)
        left = np.arange(len(result))
        while len(left):
            words = np.stack([rng.words(left) for _ in range(n)], 1)
            bits = words[:, :, None] >> np.arange(n, dtype=np.uint64) & word(1)
            matrices = bits.astype(np.int64)
            result[left] = matrices.reshape(-1, n * n)
            left = left[~invertible(matrices)]
        return result

    def solved(self) -> Any:
        return (self.state == np.eye(self.num_qubits, dtype=np.int64).ravel()).all(1)

    def observe(self) -> Any:
        return active(self.state)


def invertible(matrices: Any) -> Any:
    """Whether the determinant of each matrix of zeros and ones [M, n, n] is odd: [M].

    By elimination over GF(2), of all matrices together.
    """
    left, lanes = matrices.copy(), np.arange(len(matrices))
    found = np.ones(len(matrices), bool)
    for column in range(matrices.shape[1]):
        pivots = column + left[:, column:, column].argmax(1)
        rows = left[lanes, pivots].copy()
        left[lanes, pivots] = left[:, column]
        left[:, column] = rows
        found &= rows[:, column] == 1
        below = left[:, column + 1 :]
        below ^= below[:, :, column : column + 1] & rows[:, None]
    return found
