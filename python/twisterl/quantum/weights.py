"""What two-qubit gates cost, edge by edge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from qiskit import QuantumCircuit

from twisterl.faults import InputError
from twisterl.quantum.coupling import Coupling

# Of those that leave out the dearest edges.
_MOST_MAPS = 3


@dataclass(frozen=True)
class Weights:
    """The cost of a gate by its first and second qubit."""

    costs: Mapping[tuple[int, int], float]

    @classmethod
    def of(cls, given: Any, coupling: Coupling) -> Weights:
        """1 for each gate where `given` is None or leaves it out; a pair counts for its reverse
        too, unless that is given.

        Raises `InputError` for a pair that is no edge or a cost that is no positive number,
        `TypeError` for what is no mapping.
        """
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise TypeError(f"weights: got a {type(given).__name__}; expected costs by pairs")
        found: dict[tuple[int, int], float] = {}
        for pair, cost in given.items():
            edge = tuple(pair) if isinstance(pair, (tuple, list)) else (pair,)
            if edge not in coupling.edges and edge[::-1] not in coupling.edges:
                raise InputError(f"weights: got {pair!r}; expected an edge of the coupling map")
            if isinstance(cost, bool) or not isinstance(cost, (int, float)):
                raise TypeError(f"weights: got {cost!r} for {pair!r}; expected a number")
            if not (math.isfinite(cost) and cost > 0):
                raise InputError(f"weights: got {cost!r} for {pair!r}; expected a positive number")
            found[edge] = float(cost)
        for a, b in list(found):
            found.setdefault((b, a), found[a, b])
        both = [pair for a, b in coupling.edges for pair in ((a, b), (b, a))]
        return cls({pair: found.get(pair, 1.0) for pair in both})

    def cost(self, circuit: QuantumCircuit) -> float:
        """Of its two-qubit gates."""
        pairs = ([circuit.find_bit(q).index for q in gate.qubits] for gate in circuit.data)
        return sum(self.costs[pair[0], pair[1]] for pair in pairs if len(pair) == 2)

    def least(self) -> float:
        """Of one gate."""
        return min(self.costs.values(), default=1.0)

    def cheaper(self, coupling: Coupling) -> Iterator[Coupling]:
        """The maps without the dearest edges that are connected, the fewest left out first."""
        price = {edge: min(self.costs[edge], self.costs[edge[::-1]]) for edge in coupling.edges}
        for bound in sorted(set(price.values()), reverse=True)[:_MOST_MAPS]:
            edges = tuple(edge for edge in coupling.edges if price[edge] < bound)
            try:
                Coupling.of(edges, coupling.num_qubits)
            except InputError:
                return
            kept = {pair for a, b in edges for pair in ((a, b), (b, a))}
            yield replace(coupling, edges=edges, directed=coupling.directed & kept)
