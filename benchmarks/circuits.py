"""Circuits of `twisterl.quantum` beside others: `linear`, `cliffords`, `routing`, `couplings`.

Each trains its models here, from nothing. A target is then searched alone, by both processors, or
beside IBM's models by one; what it is compared with is measured in the same run.
"""

from __future__ import annotations

import argparse
import atexit
import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from peers import peer
from results import row
from sides import OURS, PEER, MeasurementError, UnavailableError, Worker, spread

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "fixtures"
TARGETS = 40
# Of the training, of each kind.
CLIFFORD_ITERATIONS, LINEAR_ITERATIONS, ROUTING_ITERATIONS, COUPLING_ITERATIONS = 200, 60, 60, 100
# About as long as IBM's models take.
COUPLING_WIDTH = 24
IBM = "ibm-models"
# Of IBM's maps, those of seven and eight qubits: optima of smaller ones are not 8 % fewer.
MAPS = ("7qF", "7qH", "7qL", "7qT", "7qY", "8qF", "8qJ", "8qL", "8qT1", "8qT2", "8qY")
ROUTED = (8, 12, 16, 20, 27)
# Mean CNOTs of IBM's models for Cliffords of eight qubits on a line, as was measured once.
IBM_LINE = 50.62


def linear(_options: argparse.Namespace) -> list[dict[str, Any]]:
    """Linear functions of four to six qubits with known optima, and of eight, beside qiskit's."""
    quantum = imported()
    rows = []
    for column, topology in enumerate(("all_to_all", "line"), start=1):
        for n in (4, 5, 6):
            optima, targets = few_qubits(quantum, n, column)
            name = f"linear functions of {n} qubits, {topology.replace('_', '-')}"
            pmh = by(functools.partial(quantum.by_qiskit, coupling_map=topology), targets)
            if (n, topology) != (6, "line"):
                found = proven(quantum, targets, topology)
            else:
                found = searched(quantum, targets, topology, LINEAR_ITERATIONS, width=64)
            rows += found.rows(name, at_most_ms=5)
            share = both(100 * np.mean(found.costs == optima), 100 * np.mean(pmh.costs == optima))
            goal: dict[str, float] = {"at_least": 100} if topology == "all_to_all" else {}
            rows.append(row(f"{name}: optimal", "%", share, **goal))
            goal = {"at_most": 23.9} if (n, topology) == (6, "line") else {}
            rows.append(row(f"{name}: mean", "CNOTs", both(found.mean, pmh.mean), **goal))
    drawn = [
        quantum.LinearFunction(quantum.random_matrix(8, seed=8000 + i)) for i in range(TARGETS)
    ]
    for topology, width, most, in_ms in (("all_to_all", 256, 17.0, None), ("line", 64, 48.75, 50)):
        name = f"linear functions of 8 qubits, {topology.replace('_', '-')}"
        found = searched(quantum, drawn, topology, COUPLING_ITERATIONS, width)
        rows += found.rows(name, at_most_ms=in_ms)
        pmh = by(functools.partial(quantum.by_qiskit, coupling_map=topology), drawn)
        mean = both(found.mean, pmh.mean)
        rows.append(row(f"{name}: mean", "CNOTs", mean, at_most=most))
    return rows


def cliffords(_options: argparse.Namespace) -> list[dict[str, Any]]:
    """Six qubits with known optima, eight all-to-all and on a line, beside qiskit's greedy."""
    quantum = imported()
    optima, known = six_qubits()
    rows = []
    found = searched(quantum, known, "all_to_all", CLIFFORD_ITERATIONS, width=256)
    name = f"Cliffords of 6 qubits, {len(known)} with known optima"
    rows += found.rows(name, at_most_ms=50)
    greedy = by(quantum.greedy, known)
    rows += [
        row(f"{name}: optimal", "%",
            both(100 * np.mean(found.costs == optima), 100 * np.mean(greedy.costs == optima)),
            at_least=99.5),
        row(f"{name}: mean", "CNOTs", both(found.mean, greedy.mean), at_most=float(optima.mean())),
    ]  # fmt: skip
    drawn = [quantum.random_clifford(8, seed=8000 + 2 * i) for i in range(TARGETS)]
    name = "Cliffords of 8 qubits, all-to-all"
    found = searched(quantum, drawn, "all_to_all", CLIFFORD_ITERATIONS, width=64)
    greedy = by(quantum.greedy, drawn)
    rows += found.rows(name, at_most_ms=100)
    rows.append(row(f"{name}: mean", "CNOTs", both(found.mean, greedy.mean)))
    share = 100 * found.mean / greedy.mean
    rows.append(row(f"{name}: share of qiskit's greedy", "%", ours(share), at_most=60))
    name = "Cliffords of 8 qubits, line"
    found = searched(quantum, drawn, "line", CLIFFORD_ITERATIONS, width=32)
    rows += found.rows(name, at_most_ms=100)
    rows.append(row(f"{name}: mean", "CNOTs", both(found.mean, IBM_LINE), at_most=46))
    return rows


def routing(_options: argparse.Namespace) -> list[dict[str, Any]]:
    """Random permutations on heavy-hex, beside qiskit's token swapper and beams of a network."""
    quantum = imported()
    rows = []
    for n in ROUTED:
        random = np.random.default_rng(n)
        drawn = [quantum.PermutationGate(random.permutation(n)) for _ in range(TARGETS)]
        found = searched(quantum, drawn, "heavy_hex", 0, width=512)
        swapper = by(functools.partial(quantum.by_qiskit, coupling_map="heavy_hex"), drawn)
        name = f"permutations of {n} qubits, heavy-hex"
        rows += found.rows(name, at_most_ms=50)
        rows.append(row(f"{name}: mean", "SWAPs", both(found.mean, swapper.mean)))
        share = 100 * (1 - found.mean / swapper.mean)
        rows.append(row(f"{name}: fewer than qiskit's", "%", ours(share), at_least=10))
        guided = searched(
            quantum, drawn, "heavy_hex", ROUTING_ITERATIONS, width=256, guide="network"
        )
        name = f"{name}, led by a network"
        rows += [*guided.rows(name), row(f"{name}: mean", "SWAPs", ours(guided.mean))]
    return rows


def couplings(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Linear functions on eleven of IBM's coupling maps, beside IBM's models and qiskit."""
    quantum = imported()
    if not peer.is_there(options, IBM):
        raise UnavailableError("what is compared with cannot be installed")
    worker = Worker(IBM, 1)
    rows = []
    try:
        known = worker.measure({"task": "maps"})["maps"]
        for name in MAPS:
            pairs = [(a, b) for a, b in known[name]]
            n = int(name[0])
            matrices = [quantum.random_matrix(n, seed=2000 * n + 2 * i) for i in range(TARGETS)]
            rows += of_map(quantum, name, pairs, matrices, worker)
    finally:
        worker.close()
    return rows


def of_map(
    quantum: Any, name: str, pairs: Any, matrices: Sequence[Any], worker: Worker
) -> list[dict[str, Any]]:
    """One map; IBM's circuits are checked as ours are."""
    entries = [matrix.astype(int).ravel().tolist() for matrix in matrices]
    told = worker.measure({"task": "synthesize", "map": name, "matrices": entries})
    for matrix, gates in zip(matrices, told["gates"], strict=True):
        left = np.eye(len(matrix), dtype=int)
        for control, target in gates:
            left[target] ^= left[control]
        if (left != matrix).any():
            raise MeasurementError(f"{name}: a circuit of IBM's models is not its matrix")
    ibm = float(np.mean([len(gates) for gates in told["gates"]]))
    ibm_ms = 1000 * told["cpu_s"] / len(matrices)
    targets = [quantum.LinearFunction(matrix) for matrix in matrices]
    found = searched(
        quantum, targets, pairs, COUPLING_ITERATIONS, width=COUPLING_WIDTH, num_cores=1
    )
    pmh = by(functools.partial(quantum.by_qiskit, coupling_map=pairs), targets)
    label = f"linear functions on IBM's {name}"
    fewer = 100 * (1 - found.mean / ibm)
    return [
        *found.rows(label),
        row(f"{label}: mean", "CNOTs", both(found.mean, ibm)),
        row(f"{label}: mean of qiskit's, routed", "CNOTs", ours(pmh.mean)),
        row(f"{label}: a target", "CPU-ms", both(found.cpu_ms, ibm_ms)),
        row(f"{label}: fewer than IBM's", "%", ours(fewer), at_least=8),
    ]


class Found:
    """Costs of circuits `[N]`, times of a target, what training, or a table, took before, and how
    many of a hundred targets have circuits that are our own."""

    def __init__(
        self, costs: Any, ms: float, cpu_ms: float, before: Any = None, what: str = "training",
        solved: float = 100,
    ) -> None:  # fmt: skip
        self.costs, self.ms, self.cpu_ms = np.array(costs), ms, cpu_ms
        self.before, self.what, self.solved = before, what, solved

    @property
    def mean(self) -> float:
        return float(self.costs.mean())

    def rows(self, name: str, at_most_ms: float | None = None) -> list[dict[str, Any]]:
        goal = {} if at_most_ms is None else {"at_most": at_most_ms}
        rows = [row(f"{name}: a target's search", "ms", ours(self.ms), **goal)]
        if self.before is not None:
            wall, cpu = self.before
            rows.append(row(f"{name}: {self.what}", "s", ours(wall), at_most=300))
            rows.append(row(f"{name}: {self.what}, processors together", "CPU-s", ours(cpu)))
        return rows


def proven(quantum: Any, given: Sequence[Any], coupling_map: Any) -> Found:
    """By the exact search of `synthesize`, once its table is there."""
    targets = [quantum.Target.of(each) for each in given]
    coupling, budget = quantum.Coupling.of(coupling_map, targets[0].num_qubits), quantum.Budget()
    start, cpu = time.perf_counter(), time.process_time()
    quantum.exactly(targets[0], coupling, budget)
    before = (time.perf_counter() - start, time.process_time() - cpu)
    start, cpu = time.perf_counter(), time.process_time()
    solved = [quantum.exactly(target, coupling, budget)[0] for target in targets]
    spent = [time.perf_counter() - start, time.process_time() - cpu]
    if not all(c is not None and t.is_by(c) for c, t in zip(solved, targets, strict=True)):
        raise MeasurementError(f"a {targets[0].kind} is not solved")
    costs = [quantum.cost(circuit) for circuit in solved]
    return Found(costs, *(1000 * each / len(targets) for each in spent), before, "table")


def searched(
    quantum: Any, given: Sequence[Any], coupling_map: Any, iterations: int, width: int,
    num_cores: int = 2, guide: str = "pairs",
) -> Found:  # fmt: skip
    """By a model that is trained now, if for any `iterations`, without the exact search; every
    circuit is verified, and of a target that no beam solves qiskit's counts."""
    budget = quantum.Budget(node_limit=0, beam_width=width, num_iterations=iterations, guide=guide)
    targets = [quantum.Target.of(each) for each in given]
    coupling = quantum.Coupling.of(coupling_map, targets[0].num_qubits)
    start, cpu = time.perf_counter(), time.process_time()
    before = None
    if iterations:
        quantum.prepare(targets[0], coupling, budget)
        before = (time.perf_counter() - start, time.process_time() - cpu)
    quantum.beam(targets[0], coupling, budget, num_cores)
    start, cpu = time.perf_counter(), time.process_time()
    solved = [quantum.beam(target, coupling, budget, num_cores) for target in targets]
    ms, cpu_ms = (
        1000 * spent / len(targets)
        for spent in (time.perf_counter() - start, time.process_time() - cpu)
    )
    costs = []
    share = 100 * sum(circuit is not None for circuit in solved) / len(solved)
    for target, circuit in zip(targets, solved, strict=True):
        # As `synthesize` falls back.
        if circuit is None:
            circuit = quantum.by_qiskit(target, coupling_map)
        if not target.is_by(circuit):
            raise MeasurementError(f"a {target.kind} of {target.num_qubits} qubits is wrong")
        costs.append(quantum.cost(circuit))
    print(f"  {coupling_map}: {np.mean(costs):.2f}, {ms:.1f} ms", file=sys.stderr, flush=True)
    return Found(costs, ms, cpu_ms, before, solved=share)


def by(synthesized: Callable[[Any], Any], targets: Sequence[Any]) -> Found:
    """By another's method: SWAPs of permutations are one gate, of other circuits three CNOTs."""
    start, cpu = time.perf_counter(), time.process_time()
    circuits = [synthesized(target) for target in targets]
    spent = [time.perf_counter() - start, time.process_time() - cpu]
    costs = []
    for circuit in circuits:
        ops = circuit.count_ops()
        extra = 0 if set(ops) <= {"swap"} else 2 * ops.get("swap", 0)
        costs.append(circuit.num_nonlocal_gates() + extra)
    return Found(costs, *(1000 * each / len(targets) for each in spent))


def few_qubits(quantum: Any, n: int, column: int) -> tuple[Any, list[Any]]:
    """The least CNOTs by a column of the fixture, and the linear functions."""
    optima, targets = [], []
    for line in (FIXTURES / "linear_functions_optimal.txt").read_text().splitlines():
        size, *fields = line.split()
        if int(size) == n:
            optima.append(int(fields[column - 1]))
            rows = [[bit == "1" for bit in text] for text in fields[2:]]
            targets.append(quantum.LinearFunction(np.array(rows)))
    return np.array(optima), targets


def six_qubits() -> tuple[Any, list[Any]]:
    """The least CNOTs of each, and the Cliffords; rows in hex, the first column the highest bit."""
    from qiskit.quantum_info import Clifford

    optima, known = [], []
    for line in (FIXTURES / "clifford6_optimal.txt").read_text().splitlines():
        least, *rows = line.split()
        tableau = np.zeros((12, 13), bool)
        tableau[:, :12] = [[bit == "1" for bit in f"{int(row, 16):012b}"] for row in rows]
        optima.append(int(least))
        known.append(Clifford(tableau))
    return np.array(optima), known


def ours(value: float) -> dict[str, Any]:
    return {OURS: spread([float(value)])}


def both(value: float, other: float) -> dict[str, Any]:
    return {**ours(value), PEER: spread([float(other)])}


def imported() -> Any:
    """What is used of qiskit and of `twisterl.quantum`, where qiskit is there."""
    try:
        from qiskit.circuit.library import LinearFunction, PermutationGate
        from qiskit.quantum_info import random_clifford
        from qiskit.synthesis import synth_clifford_greedy
        from qiskit.synthesis.linear import random_invertible_binary_matrix
    except ImportError:
        raise UnavailableError("qiskit: pip install twisterl[quantum]") from None
    # Every model is trained here.
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    os.environ["TWISTERL_CACHE"] = folder.name
    from twisterl.quantum import Budget, by_qiskit, circuits, synthesis
    from twisterl.quantum.coupling import Coupling
    from twisterl.quantum.targets import Target

    def theirs(target: Any, coupling_map: Any) -> Any:
        wanted = Target.of(target)
        return by_qiskit.synthesized(wanted, Coupling.of(coupling_map, wanted.num_qubits))

    return argparse.Namespace(
        Budget=Budget, Coupling=Coupling, Target=Target, LinearFunction=LinearFunction,
        PermutationGate=PermutationGate, random_clifford=random_clifford,
        random_matrix=random_invertible_binary_matrix, greedy=synth_clifford_greedy,
        by_qiskit=theirs, beam=synthesis.by_beam, exactly=synthesis.exactly,
        prepare=synthesis.prepare, cost=circuits.cost,
    )  # fmt: skip
