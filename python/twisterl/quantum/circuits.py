"""Circuits of the actions that solve a state."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Clifford
from qiskit.synthesis import synth_clifford_full

from twisterl.quantum.coupling import Coupling
from twisterl.quantum.networks import Network, Rotation, is_single, unsigned
from twisterl.quantum.targets import CLIFFORD, NETWORK, PERMUTATION, Target

# Up to Paulis, what takes a letter to Z and what takes it to X, and back again.
_TO_Z = {"x": ["h"], "y": ["sx"], "z": []}
_TO_X = {"x": [], "y": ["s"], "z": ["h"]}
_BACK = {"h": "h", "s": "sdg", "sx": "sxdg"}


def of_actions(target: Target, names: list[str]) -> QuantumCircuit:
    """Of the names of the actions that solve `target.state()`."""
    gates = []
    for name in names:
        letters, pair = name.rstrip(")").split("(")
        a, b = map(int, re.findall(r"\d+", pair))
        gates.append((letters, a, b))
    if target.kind == CLIFFORD:
        return _of_rotations(Network((), target.object), gates)
    if target.kind == NETWORK:
        return _of_rotations(target.object, gates)
    circuit = QuantumCircuit(target.num_qubits)
    for _, a, b in reversed(gates):
        if target.kind == PERMUTATION:
            circuit.swap(a, b)
        else:
            circuit.cx(a, b)
    return circuit


def _of_rotations(wanted: Network, gates: list[tuple[str, int, int]]) -> QuantumCircuit:
    """`exp(i pi/4 P Q)` for each, each rotation of `wanted` as soon as it can be done, then what is
    left of its Clifford: single-qubit gates."""
    n = wanted.num_qubits
    circuit = QuantumCircuit(n)
    # The same without the rotations.
    frame = QuantumCircuit(n) if wanted.rotations else circuit
    copies = [circuit, frame] if wanted.rotations else [circuit]
    waiting: list[tuple[str, ...]] = [()] * n

    def append(names: tuple[str, ...], qubit: int) -> None:
        for each in copies:
            for name in names:
                getattr(each, name)(qubit)

    def flush(qubit: int) -> None:
        append(_simpler(waiting[qubit]), qubit)
        waiting[qubit] = ()

    left = _done(circuit, wanted.rotations, flush)
    for letters, a, b in gates:
        before = (_TO_Z[letters[0]], _TO_X[letters[1]])
        for qubit, names in zip((a, b), before, strict=True):
            waiting[qubit] += (*names,)
            flush(qubit)
        for each in copies:
            each.cx(a, b)
        waiting[a] = ("s", *(_BACK[name] for name in before[0]))
        waiting[b] = ("sx", *(_BACK[name] for name in before[1]))
        if left:
            moved = [
                unsigned(pauli.evolve(_rotation(letters), [a, b], frame="s"), angle)
                for pauli, angle in left
            ]
            left = _done(circuit, moved, flush)
    rest = Clifford(frame).adjoint().compose(wanted.clifford)
    for qubit in range(n):
        rows, columns = [qubit, n + qubit], [qubit, n + qubit, 2 * n]
        append(_of_tableau(rest.tableau[rows][:, columns].tobytes()), qubit)
    return circuit


@functools.cache
def _simpler(names: tuple[str, ...]) -> tuple[str, ...]:
    """Gates in a row of one qubit, up to a global phase."""
    circuit = QuantumCircuit(1)
    for name in names:
        getattr(circuit, name)(0)
    return _of_tableau(Clifford(circuit).tableau.tobytes())


@functools.cache
def _of_tableau(tableau: bytes) -> tuple[str, ...]:
    """The gates of one qubit that do what the `[2, 3]` booleans say."""
    clifford = Clifford(np.frombuffer(tableau, bool).reshape(2, 3).copy())
    return tuple(each.operation.name for each in synth_clifford_full(clifford).data)


def _done(
    circuit: QuantumCircuit, rotations: Iterable[Rotation], flush: Callable[[int], None]
) -> list[Rotation]:
    """Appends the rotations about one qubit that commute with all before them; the others."""
    left: list[Rotation] = []
    for pauli, angle in rotations:
        if not is_single(pauli) or any(pauli.anticommutes(other) for other, _ in left):
            left.append((pauli, angle))
            continue
        (qubit,) = (pauli.x | pauli.z).nonzero()[0].tolist()
        flush(qubit)
        name = {(True, False): "rx", (True, True): "ry", (False, True): "rz"}
        getattr(circuit, name[bool(pauli.x[qubit]), bool(pauli.z[qubit])])(angle, qubit)
    return left


@functools.cache
def _rotation(letters: str) -> Clifford:
    """`exp(i pi/4 P Q)` of two qubits, up to Paulis."""
    circuit = QuantumCircuit(2)
    before = (_TO_Z[letters[0]], _TO_X[letters[1]])
    for qubit, names in enumerate(before):
        for name in names:
            getattr(circuit, name)(qubit)
    circuit.cx(0, 1)
    for qubit, (turn, names) in enumerate(zip(("s", "sx"), before, strict=True)):
        for name in (turn, *(_BACK[name] for name in names)):
            getattr(circuit, name)(qubit)
    return Clifford(circuit)


def exchanged(circuit: QuantumCircuit) -> QuantumCircuit:
    """With control and target of every CNOT exchanged."""
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        result.append(instruction.operation, instruction.qubits[::-1])
    return result


def turned(circuit: QuantumCircuit, coupling: Coupling) -> QuantumCircuit:
    """The same with CNOTs against the direction of their edge turned by Hadamards."""
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        ends = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.operation.name != "cx" or tuple(ends) in coupling.directed:
            result.append(instruction.operation, ends)
            continue
        result.h(ends)
        result.cx(*reversed(ends))
        result.h(ends)
    return result


def is_fitting(circuit: QuantumCircuit, coupling: Coupling) -> bool:
    """Whether every two-qubit gate is on an edge, the CNOTs in its direction."""
    for instruction in circuit.data:
        ends = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        is_swap = instruction.operation.name == "swap"
        reverse = ends[::-1] in coupling.directed and is_swap
        if len(ends) > 1 and ends not in coupling.directed and not reverse:
            return False
    return True


def cost(circuit: QuantumCircuit) -> int:
    """Its two-qubit gates."""
    return int(circuit.num_nonlocal_gates())
