"""What is synthesized: read from qiskit's objects, compared with circuits."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PauliEvolutionGate, PermutationGate
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, Operator

import twisterl.envs
from twisterl.faults import InputError
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.networks import MOST_ROTATIONS, Network, is_of_another_name

LINEAR, CLIFFORD, PERMUTATION = "linear_function", "clifford", "permutation"
NETWORK = "pauli_network"
# Each kind's environment, and the most qubits that it has.
ENVIRONMENTS = {
    LINEAR: "LinearFunction",
    CLIFFORD: "Clifford",
    PERMUTATION: "Permutation",
    NETWORK: "PauliNetwork",
}
MOST_QUBITS = {LINEAR: 16, CLIFFORD: 16, PERMUTATION: 65, NETWORK: 16}
_KINDS = (
    "Clifford, LinearFunction, PermutationGate, pattern, PauliEvolutionGate, QuantumCircuit or "
    "Operator"
)


@functools.lru_cache(8)
def env_of(kind: str, arguments: str) -> Any:
    """The environment of a kind of targets by its arguments as JSON: shared, to be read alone."""
    return getattr(twisterl.envs, ENVIRONMENTS[kind])(**json.loads(arguments))


@dataclass(frozen=True)
class Target:
    """`object` is qiskit's `LinearFunction`, `Clifford` or `PermutationGate`, or a [Network][], as
    `kind` says; `circuit` is what it was read from, if that has a global phase."""

    kind: str
    object: Any
    num_qubits: int
    circuit: QuantumCircuit | None = None

    @classmethod
    def of(cls, given: Any) -> Target:
        """Circuits of SWAPs are permutations, others of CNOTs too linear functions, of other
        Clifford gates Cliffords, with rotations too Pauli networks.

        Raises `InputError` for what is none of these, has too many qubits or rotations, `TypeError`
        for what is no circuit at all.
        """
        if isinstance(given, Target):
            return given
        kind, thing = _read(given)
        n = thing.num_qubits
        if not 1 <= n <= MOST_QUBITS[kind]:
            expected = f"1 to {MOST_QUBITS[kind]} for a {kind}"
            raise InputError(f"target: got {n} qubits; expected {expected}")
        if kind == NETWORK and len(thing.rotations) > MOST_ROTATIONS:
            got = len(thing.rotations)
            raise InputError(f"target: got {got} rotations; expected at most {MOST_ROTATIONS}")
        return cls(kind, thing, n, _circuit_of(given))

    def clifford(self) -> Clifford:
        return self.object if self.kind == CLIFFORD else Clifford(self.object)

    def arguments(self, coupling: Coupling) -> dict[str, Any]:
        """Of the environment."""
        arguments = coupling.arguments(self.kind == LINEAR)
        if self.kind == NETWORK:
            arguments["num_rotations"] = self.num_places()
        return arguments

    def num_places(self) -> int:
        """For rotations: a power of two, so that circuits of about the same size share a model."""
        return int(max(4, 1 << (len(self.object.rotations) - 1).bit_length()))

    def inverse(self) -> Target:
        if self.kind == NETWORK:
            return Target(self.kind, self.object.inverse(), self.num_qubits)
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
        elif self.kind == CLIFFORD:
            matrix = self.object.adjoint().symplectic_matrix
        else:
            n, rotations = self.num_qubits, self.object.rotations
            rows = np.zeros((2 * n + self.num_places(), 2 * n), int)
            rows[: 2 * n] = self.object.clifford.adjoint().symplectic_matrix
            for row, (pauli, _) in zip(rows[2 * n :], rotations, strict=False):
                row[:] = [*pauli.x, *pauli.z]
            matrix = rows
        return [int(entry) for entry in np.asarray(matrix, int).ravel()]

    def is_by(self, circuit: QuantumCircuit) -> bool:
        """Whether `circuit` does this, signs included, up to a global phase."""
        if self.kind == NETWORK:
            return Network.of(circuit).is_as(self.object)
        return bool(Clifford(circuit) == self.clifford())


def _read(given: Any) -> tuple[str, Any]:
    for kind, cls in (
        (PERMUTATION, PermutationGate),
        (LINEAR, LinearFunction),
        (CLIFFORD, Clifford),
        (NETWORK, Network),
    ):
        if isinstance(given, cls):
            return kind, given
    try:
        if isinstance(given, (list, tuple, np.ndarray)):
            return PERMUTATION, _pattern(given)
        if isinstance(given, QuantumCircuit):
            return _read_circuit(given)
        if isinstance(given, PauliEvolutionGate):
            return NETWORK, Network.of(_circuit_of(given))
        if isinstance(given, Operator):
            if given.num_qubits is None:
                shape = " x ".join(map(str, given.dim))
                raise InputError(f"target: got an Operator of {shape}; expected one of qubits")
            return CLIFFORD, Clifford.from_operator(given)
    except QiskitError as error:
        raise InputError(f"target: {error.message}") from None
    raise TypeError(f"target: got a {type(given).__name__}; expected a {_KINDS}")


def _circuit_of(given: Any) -> QuantumCircuit | None:
    """With the global phase of `given`; None if that is zero, as of CNOTs, or told by nothing."""
    if isinstance(given, QuantumCircuit):
        return given
    if isinstance(given, Clifford):
        # The phase of `Operator(given)`.
        return given.to_circuit()
    circuit = None
    if isinstance(given, PauliEvolutionGate):
        circuit = QuantumCircuit(given.num_qubits)
        circuit.append(given, circuit.qubits)
    elif isinstance(given, Operator):
        circuit = QuantumCircuit(given.num_qubits)
        circuit.unitary(given, circuit.qubits)
    return circuit


def _pattern(given: Any) -> PermutationGate:
    expected = "expected a pattern, the numbers from 0 on, each once"
    if not isinstance(given, np.ndarray) and any(isinstance(c, QuantumCircuit) for c in given):
        raise InputError(f"target: got a {type(given).__name__} of circuits; expected a single one")
    if np.ndim(given) != 1:
        raise InputError(f"target: got {np.ndim(given)} dimensions; {expected}")
    try:
        return PermutationGate(given)
    except QiskitError:
        raise InputError(f"target: got {list(given)}; {expected}") from None


def _read_circuit(circuit: QuantumCircuit) -> tuple[str, Any]:
    gates = [instruction.operation for instruction in circuit.data]
    names = {"" if is_of_another_name(gate) else gate.name for gate in gates} - {"barrier"}
    if names <= {"swap", "permutation"}:
        return PERMUTATION, PermutationGate(LinearFunction(circuit).permutation_pattern())
    if names <= {"cx", "swap", "permutation", "linear_function"}:
        return LINEAR, LinearFunction(circuit)
    network = Network.of(circuit)
    return (NETWORK, network) if network.rotations else (CLIFFORD, network.clifford)
