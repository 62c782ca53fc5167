"""Random targets of every kind, and whether a circuit does what they say."""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.quantum_info import Clifford, Operator, random_clifford
from qiskit.synthesis.linear import random_invertible_binary_matrix
from twisterl.quantum import Budget, models, synthesize
from twisterl.quantum.networks import Network

EXACT = Budget(num_iterations=0, table_classes=100_000)
# Of networks, whose search goes forward alone: most of those below have their optimum within it.
FORWARD = Budget(num_iterations=0, node_limit=2000)
KINDS = ["linear_function", "permutation", "clifford", "pauli_network"]
MAPS = [None, "line", "ring", "star", "grid", "heavy_hex"]


def drawn(kind, n, seed):
    if kind == "clifford":
        return random_clifford(n, seed=seed)
    if kind == "pauli_network":
        return network(n, np.random.default_rng(seed))
    if kind == "linear_function":
        return LinearFunction(random_invertible_binary_matrix(n, seed=seed))
    return PermutationGate(np.random.default_rng(seed).permutation(n))


def network(n, rng):
    """Rotations of one and two qubits between Clifford gates."""
    circuit = QuantumCircuit(n)
    for name in rng.choice(["rz", "rx", "t", "ryy", "rzx", "p"], rng.integers(1, 5)):
        ends = [int(q) for q in rng.choice(n, 2, replace=False)]
        circuit.h(ends[0])
        circuit.cx(*ends)
        angle = [] if name == "t" else [float(rng.normal())]
        getattr(circuit, name)(*angle, *ends[: 2 if name in ("ryy", "rzx") else 1])
    return circuit


def pairs_of(circuit):
    ends = [[circuit.find_bit(q).index for q in gate.qubits] for gate in circuit.data]
    return [tuple(pair) for pair in ends if len(pair) > 1]


def check(circuit, target):
    if isinstance(target, QuantumCircuit):
        assert Network.of(circuit).is_as(Network.of(target))
    else:
        assert Clifford(circuit) == (target if isinstance(target, Clifford) else Clifford(target))
    if circuit.num_qubits <= 4:
        assert Operator(circuit).equiv(Operator(target))


def check_random(kind, seed):
    """Synthesizes a small target on the map of this seed: an optimal circuit, of known gates."""
    most = {"linear_function": 5, "permutation": 8, "clifford": 4, "pauli_network": 3}[kind]
    target = drawn(kind, 2 + seed % (most - 1), seed)
    n, name = target.num_qubits, MAPS[seed % len(MAPS)]
    circuit = synthesize(target, name, budget=FORWARD if kind == "pauli_network" else EXACT)
    check(circuit, target)
    edges = models.Coupling.of(name, n).directed
    assert set(pairs_of(circuit)) <= edges, (seed, name)
    known = {"swap" if kind == "permutation" else "cx"}
    if kind in ("clifford", "pauli_network"):
        known |= {*"hsxyz", "sdg", "sx", "sxdg"}
    if kind == "pauli_network":
        known |= {"rx", "ry", "rz"}
    assert set(circuit.count_ops()) <= known
    told = circuit.metadata["twisterl"]
    assert told["at_least"] <= circuit.num_nonlocal_gates()
    # All but the largest are in the table.
    assert told["method"] == "exact" or kind == "pauli_network"
    return told["method"]
