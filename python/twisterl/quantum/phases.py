"""Global phases of circuits, which tableaus do not tell, and which a control makes felt."""

from __future__ import annotations

import cmath
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from twisterl.quantum.networks import flat, phase_of
from twisterl.quantum.targets import LINEAR, PERMUTATION, Target


def keep(circuit: QuantumCircuit, target: Target) -> None:
    """Gives `circuit`, which does `target` up to a global phase, that of `target`.

    The phase is read off the images of the state of zeros. What parameters add to it is what
    rotations about no qubit do, at whatever values the images are compared.
    """
    wanted = target.circuit
    if wanted is None:
        return
    if target.kind in (LINEAR, PERMUTATION):
        # Their gates take zeros to zeros, and there may be too many qubits for a state.
        circuit.global_phase = wanted.global_phase
        return
    phase: Any = 0
    pair = (circuit, wanted)
    if wanted.parameters:
        values = dict.fromkeys(wanted.parameters, 0.5)
        bound = tuple(each.assign_parameters(values, strict=False) for each in pair)
        phase = _difference(pair) - _difference(bound)
        pair = bound
    images = [_image(flat(each)) for each in pair]
    circuit.global_phase += phase + cmath.phase(np.vdot(*images))


def _difference(pair: tuple[QuantumCircuit, QuantumCircuit]) -> Any:
    return phase_of(pair[1]) - phase_of(pair[0])


def _image(circuit: QuantumCircuit) -> NDArray[np.complex128]:
    """Of the state of zeros, the first qubit the least digit of the index."""
    n = circuit.num_qubits
    state = np.zeros(1 << n, np.complex128)
    state[0] = cmath.exp(1j * float(circuit.global_phase))
    for instruction in circuit.data:
        ends = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        ordered = sorted(ends, reverse=True)
        # Qubits in between are one axis: numpy is slow with many.
        borders = [n, *ordered]
        shape = [1 << (a - b - 1) for a, b in itertools.pairwise(borders)]
        shape = [*itertools.chain(*((gap, 2) for gap in shape)), 1 << borders[-1]]
        axes = [1 + 2 * ordered.index(end) for end in reversed(ends)]
        here = state.reshape(shape)
        state = np.zeros_like(here)
        # Most gates have few entries, and BLAS is slow at products this narrow.
        for (to, out_of), entry in np.ndenumerate(Operator(instruction.operation).data):
            if entry:
                state[_at(axes, to)] += entry * here[_at(axes, out_of)]
    return state.ravel()


def _at(axes: list[int], digits: int) -> tuple[Any, ...]:
    """The index of the part where the last of `axes` has the least of the binary `digits`."""
    index: list[Any] = [slice(None)] * (2 * len(axes) + 1)
    for place, axis in enumerate(reversed(axes)):
        index[axis] = digits >> place & 1
    return tuple(index)
