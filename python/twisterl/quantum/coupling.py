"""Coupling maps as the environments take them."""

from __future__ import annotations

import functools
import operator
import re
from dataclasses import dataclass
from typing import Any

from qiskit.transpiler import CouplingMap

from twisterl.envs import Permutation
from twisterl.faults import InputError, unknown
from twisterl.twisterl.env import parameters

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Coupling:
    """Qubits and the pairs that a two-qubit gate may act on.

    `edges` holds each pair once, the smaller qubit first; `directed` the ways round in which a
    CNOT may stand.
    """

    num_qubits: int
    edges: Pairs
    directed: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, given: Any, num_qubits: int) -> Coupling:
        """Of None (all-to-all), a topology's name, a qiskit `CouplingMap` or pairs of qubits.

        A `CouplingMap` is as directed as it says; names and pairs go both ways. Raises
        `InputError` for a map of another size, or one that is not connected.
        """
        if given is None or isinstance(given, str):
            pairs = _named("all_to_all" if given is None else given, num_qubits)
        elif isinstance(given, CouplingMap):
            if given.size() != num_qubits:
                expected = f"{num_qubits}, those of the target"
                raise InputError(f"coupling_map: got {given.size()} qubits; expected {expected}")
            pairs = tuple((int(a), int(b)) for a, b in given.get_edges())
        else:
            pairs = _pairs(given, num_qubits)
        edges = tuple(sorted({(min(pair), max(pair)) for pair in pairs}))
        is_directed = isinstance(given, CouplingMap)
        directed = frozenset(pairs if is_directed else (*edges, *((b, a) for a, b in edges)))
        if num_qubits > 1:
            try:
                Permutation(num_qubits=num_qubits, edges=edges)
            except ValueError as error:
                raise InputError(f"coupling_map: {error}") from None
        return cls(num_qubits, edges, directed)

    @property
    def is_complete(self) -> bool:
        """Whether all qubits are coupled with each other."""
        return len(self.edges) == self.num_qubits * (self.num_qubits - 1) // 2

    def to_qiskit(self) -> CouplingMap:
        """The undirected map."""
        both = [pair for a, b in self.edges for pair in ([a, b], [b, a])]
        coupling_map = CouplingMap(both)
        if not both:
            coupling_map.add_physical_qubit(0)
        return coupling_map

    def mean_distance(self) -> float:
        """Mean number of edges between two qubits."""
        distances = self.to_qiskit().distance_matrix
        return float(distances.sum() / (self.num_qubits * (self.num_qubits - 1)))

    def arguments(self, one_way: bool) -> dict[str, Any]:
        """Of an environment: a topology's name where there is one, for its symmetries.

        `one_way` for an environment to which the two ways round are two edges.
        """
        for name in _topologies():
            if self._is(name):
                return {"num_qubits": self.num_qubits, "topology": name}
        edges = [list(edge) for edge in self.edges]
        if one_way:
            edges += [[b, a] for a, b in self.edges]
        return {"num_qubits": self.num_qubits, "edges": edges}

    def _is(self, name: str) -> bool:
        try:
            pairs = _named(name, self.num_qubits)
        except InputError:
            return False
        return {(min(pair), max(pair)) for pair in pairs} == set(self.edges)


def _topologies() -> list[str]:
    (declared,) = (p for p in parameters("Permutation") if p["name"] == "topology")
    return list(declared["names"])


@functools.lru_cache(1024)
def _named(name: str, num_qubits: int) -> Pairs:
    if name not in _topologies():
        problem = unknown(name, _topologies(), "topology")
        raise InputError(f"coupling_map: got {name!r}: {problem}")
    if num_qubits < 2:
        return ()
    try:
        env = Permutation(num_qubits=num_qubits, topology=name)
    except ValueError as error:
        raise InputError(f"coupling_map: {error}") from None
    pairs = (re.findall(r"\d+", action) for action in env.action_names())
    return tuple((int(a), int(b)) for a, b in pairs)


def _pairs(given: Any, num_qubits: int) -> Pairs:
    expected = f"pairs of two different qubits in 0..{num_qubits}"
    try:
        pairs = [tuple(operator.index(qubit) for qubit in pair) for pair in given]
    except TypeError:
        kinds = "a topology's name, a CouplingMap or pairs of qubits"
        raise TypeError(f"coupling_map: got {given!r}; expected {kinds}") from None
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= q < num_qubits for q in pair):
            raise InputError(f"coupling_map: got {list(pair)}; expected {expected}")
    return tuple((a, b) for a, b in pairs)
