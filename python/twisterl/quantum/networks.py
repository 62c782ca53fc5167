"""Pauli networks: rotations about Paulis and a Clifford after them, read from circuits."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, Operation
from qiskit.circuit.library import (
    LinearFunction,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, Pauli
from qiskit.synthesis import ProductFormula
from qiskit.transpiler.passes import HighLevelSynthesis

from twisterl.faults import InputError

MOST_ROTATIONS = 32
Rotation = tuple[Pauli, Any]
# Rotations by name, the Pauli of the last qubit first, as qiskit writes them.
_AXES = {
    "rx": "X", "ry": "Y", "rz": "Z", "p": "Z", "u1": "Z",
    "rxx": "XX", "ryy": "YY", "rzz": "ZZ", "rzx": "XZ",
}  # fmt: skip
_ANGLES = {"t": math.pi / 4, "tdg": -math.pi / 4}
# Of them those that leave a qubit's zero as it is.
_TURNING = ("p", "u1")
# qiskit's gates by name, with which readers tell them apart.
_STANDARD = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}
_CLASSES = _STANDARD | {
    "clifford": Clifford,
    "linear_function": LinearFunction,
    "pauli": PauliGate,
    "permutation": PermutationGate,
}


@dataclass(frozen=True)
class Network:
    """`exp(-i angle/2 P)` for each of `rotations` (P, angle) in turn, then `clifford`.

    No P has a phase; an angle is a number or a qiskit expression.
    """

    rotations: tuple[Rotation, ...]
    clifford: Clifford

    @property
    def num_qubits(self) -> int:
        return int(self.clifford.num_qubits)

    @classmethod
    def of(cls, circuit: QuantumCircuit) -> Network:
        """Of a circuit of Clifford gates, rotations, and what is defined by them.

        A rotation about no qubit is a global phase, which a network has none of, one by zero is
        nothing. Raises `InputError`, which names the gate, for any other.
        """
        n = circuit.num_qubits
        before = Clifford(np.eye(2 * n, dtype=bool))
        rotations = []
        for piece, qubits in _pieces(circuit, list(range(n))):
            if isinstance(piece, Clifford):
                before = before.compose(piece, qubits)
                continue
            label, angle = piece
            if not set(label) - {"I"} or _is_same(angle, 0):
                continue
            pauli = _spread(label, qubits, n).evolve(before, frame="h")
            rotations.append(unsigned(pauli, angle))
        return cls(tuple(rotations), before)

    def inverse(self) -> Network:
        """Of the inverse: what came last comes first, with the Clifford pulled through it."""
        pulled = [
            unsigned(pauli.evolve(self.clifford, frame="s"), -angle)
            for pauli, angle in reversed(self.rotations)
        ]
        return Network(tuple(pulled), self.clifford.adjoint())

    def is_as(self, other: Network) -> bool:
        """Whether they are the same but for the order of rotations that commute."""
        left = list(other.rotations)
        for pauli, angle in self.rotations:
            for at, (wanted, its) in enumerate(left):
                if wanted == pauli and _is_same(angle, its):
                    del left[at]
                    break
                if wanted.anticommutes(pauli):
                    return False
            else:
                return False
        return not left and bool(self.clifford == other.clifford)


def is_of_another_name(gate: Operation) -> bool:
    """Whether `gate`, or one that it is defined by, has a name of qiskit's and is not that gate."""
    if gate.name in _CLASSES:
        return not isinstance(gate, _CLASSES[gate.name])
    definition = getattr(gate, "definition", None)
    return definition is not None and any(is_of_another_name(i.operation) for i in definition.data)


def phase_of(circuit: QuantumCircuit) -> Any:
    """The part of the global phase that parameters may change, and more that none does.

    Raises as `Network.of` does.
    """
    pieces = (piece for piece, _ in _pieces(circuit, list(range(circuit.num_qubits))))
    rotations = (piece for piece in pieces if not isinstance(piece, Clifford))
    return sum((-angle / 2 for label, angle in rotations if not set(label) - {"I"}), 0)


def flat(circuit: QuantumCircuit) -> QuantumCircuit:
    """`circuit` by qiskit's gates and matrices.

    A product formula as a matrix would be what the formula comes near to.
    """
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        gate = instruction.operation
        if isinstance(gate, UnitaryGate) or isinstance(gate, _STANDARD.get(gate.name, ())):
            result.append(instruction)
        elif gate.name != "barrier":
            inner = flat(_definition(gate))
            result.compose(inner, instruction.qubits, inplace=True)
    return result


def _definition(gate: Operation) -> QuantumCircuit | None:
    if isinstance(gate, Clifford):
        return gate.to_circuit()
    if not isinstance(gate, AnnotatedOperation):
        return getattr(gate, "definition", None)
    alone = QuantumCircuit(gate.num_qubits)
    alone.append(gate, alone.qubits)
    return HighLevelSynthesis()(alone)


def is_single(pauli: Pauli) -> bool:
    return int((pauli.x | pauli.z).sum()) == 1


def unsigned(pauli: Pauli, angle: Any) -> Rotation:
    # A phase of 2 is -1: a turn the other way.
    return Pauli((pauli.z, pauli.x)), -angle if pauli.phase == 2 else angle


def _is_same(one: Any, other: Any) -> bool:
    difference = one - other
    try:
        return abs(float(difference)) < 1e-9
    except TypeError:  # parameters without values
        return bool(one == other)


def _spread(label: str, qubits: list[int], n: int) -> Pauli:
    letters = ["I"] * n
    for letter, qubit in zip(reversed(label), qubits, strict=True):
        letters[n - 1 - qubit] = letter
    return Pauli("".join(letters))


def _pieces(circuit: QuantumCircuit, qubits: list[int]) -> Iterator[tuple[Any, list[int]]]:
    """Cliffords, and labels and angles of rotations, with the qubits of each.

    What parameters do to the global phase are rotations about no qubit.
    """
    yield ("", -2 * circuit.global_phase), []
    for instruction in circuit.data:
        gate = instruction.operation
        at = [qubits[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
        if gate.name == "barrier":
            continue
        if is_of_another_name(gate) or isinstance(gate, AnnotatedOperation):
            yield from _defined(gate, at)
        elif gate.name in _AXES:
            yield (_AXES[gate.name], _angle(gate.name, gate.params[0])), at
            if gate.name in _TURNING:
                yield ("", -gate.params[0]), []
        elif gate.name == "global_phase":
            yield ("", -2 * gate.params[0]), []
        elif gate.name in _ANGLES:
            yield ("Z", _ANGLES[gate.name]), at
        elif isinstance(gate, PauliEvolutionGate) and isinstance(gate.synthesis, ProductFormula):
            for label, ends, angle in gate.synthesis.expand(gate):
                if set(label) - set("IXYZ"):
                    raise InputError(f"target: got the term {label!r}; expected Paulis")
                # Here the first letter is that of the first qubit.
                yield (label[::-1], _angle(label, angle)), [at[end] for end in ends]
        else:
            try:
                yield Clifford(gate), at
            except QiskitError:
                yield from _turns(gate, at) if gate.name == "u" else _defined(gate, at)


def _turns(gate: Operation, at: list[int]) -> Iterator[tuple[Any, list[int]]]:
    """Those of the Euler angles of a `UGate`, which no other gate defines."""
    theta, phi, lam = (_angle(gate.name, angle) for angle in gate.params)
    for axis, angle in (("Z", lam), ("Y", theta), ("Z", phi)):
        yield (axis, angle), at
    yield ("", -phi - lam), []


def _angle(name: str, given: Any) -> Any:
    """`given`, a real number or an expression of parameters, of the gate or term `name`."""
    try:
        number = complex(given)
    except TypeError:  # parameters without values
        return given
    if number.imag or not cmath.isfinite(number):
        raise InputError(f"target: got the angle {given} of {name!r}; expected a finite number")
    return given


def _defined(gate: Operation, qubits: list[int]) -> Iterator[tuple[Any, list[int]]]:
    definition = _definition(gate)
    if definition is None or not qubits:
        expected = "Clifford gates, rotations and what is defined by them"
        raise InputError(f"target: got {gate.name!r}; expected {expected}")
    yield from _pieces(definition, qubits)
