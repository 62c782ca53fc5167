"""What is synthesized: read from qiskit's objects, compared with circuits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, Operator

from twisterl.faults import InputError

LINEAR, CLIFFORD, PERMUTATION = "linear_function", "clifford", "permutation"
# Each kind's environment, and the most qubits that it has.
ENVIRONMENTS = {LINEAR: "LinearFunction", CLIFFORD: "Clifford", PERMUTATION: "Permutation"}
MOST_QUBITS = {LINEAR: 16, CLIFFORD: 16, PERMUTATION: 65}
_KINDS = "Clifford, LinearFunction, PermutationGate, pattern, QuantumCircuit or Operator"


@dataclass(frozen=True)
class Target:
    """`object` is qiskit's: a `LinearFunction`, `Clifford` or `PermutationGate`, as `kind` says."""

    kind: str
    object: Any
    num_qubits: int

    @classmethod
    def of(cls, given: Any) -> Target:
        """Circuits of SWAPs are permutations, others of CNOTs too linear functions, else Cliffords.

        Raises `InputError` for what is none of the three or has too many qubits, `TypeError` for
        what is no circuit at all.
        """
        kind, thing = _read(given)
        n = thing.num_qubits
        if not 1 <= n <= MOST_QUBITS[kind]:
            expected = f"1 to {MOST_QUBITS[kind]} for a {kind}"
            raise InputError(f"target: got {n} qubits; expected {expected}")
        return cls(kind, thing, n)

    def clifford(self) -> Clifford:
        return self.object if self.kind == CLIFFORD else Clifford(self.object)

    def inverse(self) -> Target:
        if self.kind == CLIFFORD:
            return Target(self.kind, self.object.adjoint(), self.num_qubits)
        if self.kind == PERMUTATION:
            inverse = PermutationGate(np.argsort(self.object.pattern))
            return Target(self.kind, inverse, self.num_qubits)
        symplectic = Clifford(self.object).adjoint().destab_x
        # Rows of a tableau are images, columns of the matrix are.
        return Target(self.kind, LinearFunction(symplectic.T), self.num_qubits)

    def exchanged(self) -> Target:
        """What a circuit of CNOTs becomes if control and target of each are exchanged."""
        return Target(self.kind, LinearFunction(self.inverse().object.linear.T), self.num_qubits)

    def state(self) -> list[int]:
        """Of the environment."""
        if self.kind == PERMUTATION:
            return [int(qubit) for qubit in self.object.pattern]
        if self.kind == LINEAR:
            matrix = self.object.linear
        else:
            matrix = self.object.adjoint().symplectic_matrix
        return [int(entry) for entry in np.asarray(matrix, int).ravel()]

    def is_by(self, circuit: QuantumCircuit) -> bool:
        """Whether `circuit` does this, signs included, up to a global phase."""
        return bool(Clifford(circuit) == self.clifford())


def _read(given: Any) -> tuple[str, Any]:
    for kind, cls in (
        (PERMUTATION, PermutationGate),
        (LINEAR, LinearFunction),
        (CLIFFORD, Clifford),
    ):
        if isinstance(given, cls):
            return kind, given
    try:
        if isinstance(given, (list, tuple, np.ndarray)):
            return PERMUTATION, PermutationGate(given)
        if isinstance(given, QuantumCircuit):
            return _read_circuit(given)
        if isinstance(given, Operator):
            return CLIFFORD, Clifford.from_operator(given)
    except QiskitError as error:
        raise InputError(f"target: {error.message}") from None
    raise TypeError(f"target: got a {type(given).__name__}; expected a {_KINDS}")


def _read_circuit(circuit: QuantumCircuit) -> tuple[str, Any]:
    names = set(circuit.count_ops()) - {"barrier"}
    if names <= {"swap", "permutation"}:
        return PERMUTATION, PermutationGate(LinearFunction(circuit).permutation_pattern())
    if names <= {"cx", "swap", "permutation", "linear_function"}:
        return LINEAR, LinearFunction(circuit)
    return CLIFFORD, Clifford(circuit)
