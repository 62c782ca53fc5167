"""Clifford synthesis, written from specs/envs/clifford.json."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
from coupling import edges_of

from lanes import episodes
from lanes.lights_out import active
from lanes.streams import Rng

LETTERS = [(1, 0), (1, 1), (0, 1)]


class Lanes(episodes.Lanes):
    """`state` [N, 2, n]: the first and second Pauli of each qubit, as numbers."""

    def __init__(
        self, count: int, num_qubits: int, topology: str, edges: Any = None, **episode: int
    ) -> None:
        self.num_qubits = num_qubits
        self.edges = edges_of(topology, num_qubits) if edges is None else edges
        letters = list(product(range(3), repeat=2))
        axes = [self.at(p, a) | self.at(q, b) for a, b in self.edges for p, q in letters]
        self.axes, self.num_actions = np.array(axes), len(axes)
        pairs = [
            (self.at(p, r), self.at(q, s))
            for r, s in combinations(range(num_qubits), 2)
            for p, q in letters
        ]
        pairs += [(self.at(0, r), self.at(2, r)) for r in range(num_qubits)]
        self.asked = np.array(pairs)
        super().__init__(count, **episode)

    def at(self, letter: int, qubit: int) -> int:
        x, z = LETTERS[letter]
        return x << qubit | z << (self.num_qubits + qubit)

    def odd(self, a: Any, b: Any) -> Any:
        """Whether Paulis anticommute."""
        n = self.num_qubits
        swapped = (b >> n) | (b & ((1 << n) - 1)) << n
        return (np.bitwise_count(a & swapped) & 1).astype(bool)

    def goal(self, rng: Rng) -> Any:
        own = [[self.at(letter, q) for q in range(self.num_qubits)] for letter in (0, 2)]
        return np.tile(np.array(own), (rng.state.shape[1], 1, 1))

    def moved(self, state: Any, actions: Any) -> Any:
        axes = self.axes[actions][:, None, None]
        return smallest(state ^ axes * self.odd(state, axes))

    def uniform(self, rng: Rng) -> Any:
        n = self.num_qubits
        state = np.zeros((rng.state.shape[1], 2, n), np.int64)
        for q in range(n):
            left = np.arange(len(state))
            while len(left):
                pair = np.stack([self.commuting(rng, left, state[left, :, :q]) for _ in "ab"], 1)
                state[left, :, q] = smallest(pair[:, :, None])[:, :, 0]
                left = left[~self.odd(pair[:, 0], pair[:, 1])]
        return state

    def commuting(self, rng: Rng, which: Any, planes: Any) -> Any:
        low = np.uint64((1 << (2 * self.num_qubits)) - 1)
        drawn = (rng.words(which) & low).astype(np.int64)
        odd = self.odd(planes, drawn[:, None, None])
        return drawn ^ np.bitwise_xor.reduce(planes[:, ::-1] * odd, axis=(1, 2))

    def solved(self) -> Any:
        return (self.state == self.goal(Rng(np.zeros(1, np.uint64)))).all((1, 2))

    def masks(self) -> Any:
        own = np.concatenate([self.state, self.state[:, :1] ^ self.state[:, 1:]], 1)
        own = own.reshape(len(own), -1)
        return (own[:, :, None] != self.axes).all(1)

    def observe(self) -> Any:
        return active(self.features(self.state))

    def features(self, planes: Any) -> Any:
        """Whether each is active [N, F]."""
        one, other = self.asked.T
        a, b = planes[:, 0, :, None], planes[:, 1, :, None]
        odd = self.odd(a, one) & self.odd(b, other) ^ self.odd(b, one) & self.odd(a, other)
        return odd.reshape(len(odd), -1)


def smallest(state: Any) -> Any:
    """Of two Paulis [M, 2, n] and their product the two smallest, in order."""
    three = np.concatenate([state, state[:, :1] ^ state[:, 1:]], 1)
    return np.sort(three, axis=1)[:, :2]
