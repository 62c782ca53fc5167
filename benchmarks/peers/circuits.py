"""qiskit-gym, unmodified, on whichever twisterl its interpreter has: trains, synthesizes, verifies.

Started by sides.py. Each of its four kinds of circuits has small settings here, with which a few
seconds of training solve what is drawn below.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from qiskit import QuantumCircuit
from qiskit.circuit.library import PermutationGate
from qiskit.quantum_info import Clifford, Operator, random_clifford
from qiskit.transpiler import CouplingMap
from qiskit_gym.envs.synthesis import CliffordGym, LinearFunctionGym, PauliGym, PermutationGym
from qiskit_gym.rl import (
    AlphaZeroConfig,
    BasicPolicyConfig,
    Conv1dPolicyConfig,
    PPOConfig,
    RLSynthesis,
)
from qiskit_gym.rl.configs import EvalConfig
from worker import Round, serve

Random = np.random.Generator
# Tries of a circuit: the best of them is taken.
NUM_SEARCHES = 100
ROTATIONS = ("rx", "ry", "rz")


def permutation(qubits: int, random: Random) -> Any:
    return [int(q) for q in random.permutation(qubits)]


def linear_function(qubits: int, random: Random) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for _ in range(4 * qubits):
        circuit.cx(*map(int, random.choice(qubits, 2, replace=False)))
    return circuit


def clifford(qubits: int, random: Random) -> Clifford:
    return random_clifford(qubits, seed=int(random.integers(2**31)))


def pauli_network(qubits: int, random: Random) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for _ in range(2):
        circuit.cx(*map(int, random.choice(qubits, 2, replace=False)))
        circuit.h(int(random.integers(qubits)))
        rotation = getattr(circuit, ROTATIONS[random.integers(len(ROTATIONS))])
        rotation(float(random.normal()), int(random.integers(qubits)))
    return circuit


def is_right(target: Any, circuit: QuantumCircuit) -> bool:
    """Whether `circuit` does what `target` says, up to a global phase."""
    if isinstance(target, Clifford):
        return bool(Clifford(circuit) == target)
    if isinstance(target, list):
        wanted = QuantumCircuit(len(target))
        wanted.append(PermutationGate(target), range(len(target)))
        target = wanted
    return bool(Operator(circuit).equiv(Operator(target)))


BASIC = BasicPolicyConfig(embedding_size=256, common_layers=[128])
CONV = Conv1dPolicyConfig(conv_dim=1, embedding_size=256, common_layers=[128])


@dataclass(frozen=True)
class Kind:
    """What is trained on a line of `qubits`, for `iterations` from difficulty 1 on."""

    gym: Any
    draw: Callable[[int, Random], Any]
    qubits: int
    gates: tuple[str, ...]
    model: Any
    iterations: int
    searches: bool = False

    def made(self) -> RLSynthesis:
        edges = CouplingMap.from_line(self.qubits)
        env = self.gym.from_coupling_map(edges, basis_gates=self.gates)
        evals = {"best_of_10": EvalConfig(deterministic=False, num_searches=10, num_cores=2)}
        shared = {"num_cores": 2, "evals": evals, "diff_metric": "best_of_10", "log_freq": 0}
        if self.searches:
            config = AlphaZeroConfig(num_episodes=64, num_mcts_searches=32, **shared)
        else:
            config = PPOConfig(num_episodes=256, **shared)
        return RLSynthesis(env, config, self.model)


PERMUTATION = Kind(PermutationGym, permutation, 5, ("SWAP",), BASIC, 20)
KINDS = {
    "permutation": PERMUTATION,
    "permutation by AlphaZero": replace(PERMUTATION, searches=True, iterations=10),
    "linear function": Kind(LinearFunctionGym, linear_function, 4, ("CX",), CONV, 40),
    "clifford": Kind(CliffordGym, clifford, 3, ("H", "S", "CX"), BASIC, 40),
    "pauli network": Kind(PauliGym, pauli_network, 3, ("H", "S", "CX"), BASIC, 80),
}
# Of the iterations that are timed.
DIFFICULTY, ITERATIONS = 4, 20
# By kind, made by the first `iterate`.
trained: dict[str, RLSynthesis] = {}


def iterate(kind: str) -> Round:
    """Iterations at one difficulty of what has been trained before; counts them."""
    torch.manual_seed(0)
    synthesis = trained[kind] = KINDS[kind].made()
    synthesis.learn(num_iterations=KINDS[kind].iterations)
    synthesis.algorithm.config["learning"]["diff_max"] = DIFFICULTY
    return lambda: synthesis.learn(DIFFICULTY, ITERATIONS), lambda _: ITERATIONS


def synthesize(kind: str, count: int) -> Round:
    """Circuits of random targets; counts those that are found, and those that are wrong."""
    random = np.random.default_rng(0)
    targets = [KINDS[kind].draw(KINDS[kind].qubits, random) for _ in range(count)]

    def work() -> list[Any]:
        return [trained[kind].synth(target, num_searches=NUM_SEARCHES) for target in targets]

    def judge(circuits: list[Any]) -> dict[str, int]:
        reloaded = again(trained[kind]).synth(targets[0], num_searches=NUM_SEARCHES)
        pairs = [*zip(targets, circuits, strict=True), (targets[0], reloaded)]
        found = [(target, circuit) for target, circuit in pairs if circuit is not None]
        wrong = sum(not is_right(target, circuit) for target, circuit in found)
        return {"count": count, "found": len(found), "asked": len(pairs), "wrong": wrong}

    return work, judge


def again(synthesis: RLSynthesis) -> RLSynthesis:
    """Saved and loaded as the client does it, by a `.pt` file."""
    with tempfile.TemporaryDirectory() as folder:
        config, model = Path(folder) / "config.json", Path(folder) / "model.pt"
        synthesis.save(config, model)
        return RLSynthesis.from_config_json(config, str(model))


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve({"iterate": iterate, "synthesize": synthesize})
