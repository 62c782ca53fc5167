"""Qiskit's own circuits, to compare with and to fall back on."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit.library import PermutationGate
from qiskit.synthesis import (
    synth_clifford_full,
    synth_cnot_count_full_pmh,
    synth_pauli_network_rustiq,
)
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import SabreSwap
from qiskit.transpiler.passes.synthesis.hls_plugins import TokenSwapperSynthesisPermutation

from twisterl.quantum.coupling import Coupling
from twisterl.quantum.networks import Network
from twisterl.quantum.targets import CLIFFORD, NETWORK, PERMUTATION, Target


def synthesized(target: Target, coupling: Coupling) -> QuantumCircuit:
    """By token swapping, Patel-Markov-Hayes, greedily or Rustiq, and by Sabre where it must be."""
    if target.kind == PERMUTATION:
        return _swaps(target.object, coupling)
    if target.kind == NETWORK:
        circuit = _network(target.object)
    elif target.kind == CLIFFORD:
        circuit = synth_clifford_full(target.object)
    else:
        sections = range(1, max(2, target.num_qubits // 2 + 1))
        circuits = [synth_cnot_count_full_pmh(target.object.linear, s) for s in sections]
        circuit = min(circuits, key=QuantumCircuit.size)
    return _as_cnots(_routed(circuit, coupling))


def _network(network: Network) -> QuantumCircuit:
    """By Rustiq up to a Clifford, which is made that of the network."""
    labels = [(pauli.to_label()[::-1], angle) for pauli, angle in network.rotations]
    sparse = [(label, list(range(network.num_qubits)), angle) for label, angle in labels]
    circuit = synth_pauli_network_rustiq(
        network.num_qubits, sparse, preserve_order=True, upto_clifford=True
    )
    rest = Network.of(circuit).clifford.adjoint().compose(network.clifford)
    return circuit.compose(synth_clifford_full(rest))


def _swaps(permutation: PermutationGate, coupling: Coupling) -> QuantumCircuit:
    qubits = list(range(coupling.num_qubits))
    swapper = TokenSwapperSynthesisPermutation()
    return swapper.run(permutation, coupling_map=coupling.to_qiskit(), qubits=qubits, trials=5)


def _routed(circuit: QuantumCircuit, coupling: Coupling) -> QuantumCircuit:
    if coupling.is_complete:
        return circuit
    passes = PassManager([SabreSwap(coupling.to_qiskit(), "decay", seed=0)])
    routed = passes.run(circuit)
    final = passes.property_set["final_layout"]
    if final is not None:
        back = PermutationGate([final[qubit] for qubit in routed.qubits])
        routed.compose(_swaps(back, coupling), inplace=True)
    return routed


def _as_cnots(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same with three CNOTs for each SWAP, and a CNOT for each CZ."""
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        ends = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        name = instruction.operation.name
        if name == "swap":
            a, b = ends
            for pair in ((a, b), (b, a), (a, b)):
                result.cx(*pair)
        elif name == "cz":
            result.h(ends[1])
            result.cx(*ends)
            result.h(ends[1])
        else:
            result.append(instruction.operation, ends)
    return result
