"""Permutation routing, written from specs/envs/permutation.json."""

from __future__ import annotations

from typing import Any

import numpy as np
from coupling import edges_of

from lanes import episodes
from lanes.streams import Rng


class Lanes(episodes.Lanes):
    def __init__(
        self, count: int, num_qubits: int, topology: str, edges: Any = None, **episode: int
    ) -> None:
        self.num_qubits = num_qubits
        self.edges = np.array(edges_of(topology, num_qubits) if edges is None else edges)
        self.num_actions = len(self.edges)
        super().__init__(count, **episode)

    def goal(self, rng: Rng) -> Any:
        return np.tile(np.arange(self.num_qubits), (rng.state.shape[1], 1))

    def moved(self, state: Any, actions: Any) -> Any:
        rows = np.arange(len(state))[:, None]
        pairs = self.edges[actions]
        state[rows, pairs] = state[rows, pairs[:, ::-1]]
        return state

    def uniform(self, rng: Rng) -> Any:
        return rng.shuffle(self.num_qubits)

    def solved(self) -> Any:
        return (self.state == np.arange(self.num_qubits)).all(1)

    def observe(self) -> Any:
        return np.arange(self.num_qubits) * self.num_qubits + self.state
