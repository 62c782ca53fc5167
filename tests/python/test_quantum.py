"""Circuit synthesis for qiskit."""

import io
import math
import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

if os.environ.get("CI") != "true":
    pytest.importorskip("qiskit")

from circuit_cases import EXACT, FORWARD, KINDS, check, check_random, drawn, pairs_of
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Parameter,
    PowerModifier,
)
from qiskit.circuit.library import (
    CXGate,
    LinearFunction,
    PauliEvolutionGate,
    PermutationGate,
    RXGate,
    RZGate,
    SGate,
    XGate,
)
from qiskit.quantum_info import Clifford, Operator, SparsePauliOp
from qiskit.synthesis import LieTrotter
from qiskit.transpiler import CouplingMap
from qiskit.transpiler.passes import HLSConfig
from twisterl.quantum import Budget, Fallback, guides, models, plugins, progress, synthesize
from twisterl.quantum.circuits import is_fitting
from twisterl.quantum.synthesis import exactly, views
from twisterl.quantum.targets import Target
from twisterl.runs.folder import RunFolder
from twisterl.sharing import contents

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TWISTERL_CACHE", str(tmp_path))
    # Models of small targets learn enough from a fifth.
    monkeypatch.setattr(models, "_SAMPLES_AN_ITERATION", 6000)
    models._trained.cache_clear()
    guides._by_ranks.cache_clear()
    return tmp_path


@pytest.mark.filterwarnings("ignore::twisterl.quantum.Fallback")
@pytest.mark.parametrize("kind", KINDS)
def test_random_targets_on_every_map(kind):
    methods = [check_random(kind, seed) for seed in range(75)]
    assert methods.count("exact") >= 50


def test_optima_are_those_of_breadth_first_search():
    # All of GL(3, 2) and the symmetric group of 4 on a line, found anew.
    for n, start in ((3, np.eye(3, dtype=int)), (4, None)):
        first = np.arange(4) if start is None else start
        layer, lengths = [first], {first.tobytes(): 0}
        while layer:
            beyond = []
            for state in layer:
                for a in range(n - 1):
                    for c, t in [(a, a + 1), (a + 1, a)]:
                        image = state.copy()
                        if start is None:
                            image[[c, t]] = image[[t, c]]
                        else:
                            image[t] ^= image[c]
                        if image.tobytes() not in lengths:
                            lengths[image.tobytes()] = lengths[state.tobytes()] + 1
                            beyond.append(image)
            layer = beyond
        assert len(lengths) == {3: 168, 4: 24}[n]
        for key, length in lengths.items():
            state = np.frombuffer(key, first.dtype).reshape(first.shape)
            target = list(state) if start is None else LinearFunction(state.astype(bool))
            circuit = synthesize(target, "line", budget=EXACT)
            assert circuit.num_nonlocal_gates() == length
            assert circuit.metadata["twisterl"] == {"method": "exact", "at_least": length}


@pytest.mark.parametrize("kind", KINDS)
def test_every_view_of_a_target_is_as_long(kind):
    for seed in range(5):
        n = 2 if kind == "pauli_network" else 4
        target = Target.of(drawn(kind, n, seed))
        coupling = models.Coupling.of("line", n)
        lengths = set()
        asked = list(views(target))
        assert len(asked) == (4 if kind == "linear_function" else 2)
        for view, restored in asked:
            circuit, _ = exactly(view, coupling, EXACT)
            circuit = restored(circuit)
            assert target.is_by(circuit) and is_fitting(circuit, coupling)
            lengths.add(circuit.num_nonlocal_gates())
        assert len(lengths) == 1


def test_cliffords_by_classes_are_as_short_as_is_known():
    budget = Budget(node_limit=0, table_classes=300, beam_width=64, num_iterations=3)
    known = (ROOT / "tests/fixtures/clifford6_optimal.txt").read_text().splitlines()
    shortest = [line.split() for line in known if int(line.split()[0]) <= 6]
    for least, *rows in shortest[::9]:
        tableau = np.zeros((12, 13), bool)
        tableau[:, :12] = [[bit == "1" for bit in f"{int(row, 16):012b}"] for row in rows]
        circuit = synthesize(Clifford(tableau), budget=budget)
        check(circuit, Clifford(tableau))
        assert circuit.num_nonlocal_gates() == int(least)
        assert circuit.metadata["twisterl"]["method"] == "beam"


def test_beams_are_led_by_what_fits():
    for kind, n, on_line, on_all in (
        ("clifford", 8, True, True),
        ("clifford", 9, False, False),
        ("linear_function", 12, True, False),
        ("linear_function", 13, False, False),
        ("permutation", 4, False, False),
    ):
        target = Target.of(drawn(kind, n, 0))
        for name, expected in (("line", on_line), (None, on_all)):
            coupling = models.Coupling.of(name, n)
            assert guides.is_for(target, coupling, Budget()) == expected
            assert not guides.is_for(target, coupling, Budget(guide="network"))


@pytest.mark.parametrize("is_there", [False, True])
def test_learning_goes_on_where_its_bar_cannot_be_shown(is_there, monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed if is_there else None)
    show = progress.bar("learning", "rounds")
    for done in (1, 2):
        show(done, 2)


def test_circuits_by_ranks_are_kept_in_the_cache(cache, capsys):
    budget = Budget(node_limit=0, beam_width=16, num_iterations=8)
    for kind, rounds in (("clifford", 4), ("linear_function", 8)):
        target = drawn(kind, 4, 1)
        first = synthesize(target, "line", budget=budget)
        check(first, target)
        assert first.metadata["twisterl"]["method"] == "beam"
        (path,) = (cache / "ranks").glob(f"{kind}-4-*.safetensors")
        begun, ended = capsys.readouterr().err.splitlines()
        assert f"learning {kind}-4:" in begun and begun.endswith(f"1 of {rounds} rounds")
        assert ended.endswith(f"[{20 * '#'}] {rounds} of {rounds} rounds")
        whole = path.read_bytes()
        guides._by_ranks.cache_clear()
        assert synthesize(target, "line", budget=budget) == first
        assert capsys.readouterr().err == f"twisterl: loaded {path}\n"
        assert path.read_bytes() == whole
    path.write_bytes(whole[:-4] + b"\0\0\0\1")
    guides._by_ranks.cache_clear()
    with pytest.warns(UserWarning, match=path.name):
        assert synthesize(target, "line", budget=budget) == first
    assert path.read_bytes() == whole


def test_a_directed_map_is_kept():
    one_way = CouplingMap([[1, 0], [1, 2]])
    target = drawn("linear_function", 3, 1)
    circuit = synthesize(target, one_way)
    check(circuit, target)
    assert set(pairs_of(circuit)) <= {(1, 0), (1, 2)}


def test_weights_are_costs_of_edges():
    target = PermutationGate([1, 0, 2, 3])
    # One dear SWAP, or five the other way round the ring.
    for dear, pairs in ((4, 1), (9, 5)):
        circuit = synthesize(target, "ring", budget=EXACT, weights={(1, 0): dear})
        check(circuit, target)
        told = circuit.metadata["twisterl"]
        assert len(pairs_of(circuit)) == pairs
        assert (told["cost"], told["at_least"]) == (min(dear, 5), 1)
    # Of the two directions of a CNOT each has its own.
    cnot = of(("cx", 0, 1))
    for weights, cost in (({(0, 1): 3, (1, 0): 2}, 3), ({(1, 0): 2}, 2), ({}, None)):
        told = synthesize(cnot, "line", budget=EXACT, weights=weights).metadata["twisterl"]
        assert told.get("cost") == cost


@pytest.mark.parametrize(
    ("weights", "error", "text"),
    [
        ({(0, 2): 1}, ValueError, r"weights: got \(0, 2\); expected an edge"),
        ({(0, 1): 0}, ValueError, "expected a positive number"),
        ({(0, 1): float("nan")}, ValueError, "expected a positive number"),
        ({(0, 1): "1"}, TypeError, "expected a number"),
        ([1], TypeError, "weights: got a list; expected costs by pairs"),
    ],
)
def test_bad_weights_are_named(weights, error, text):
    with pytest.raises(error, match=text):
        synthesize([1, 0, 2], "line", weights=weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_is_verified_and_its_model_kept(kind, cache, capsys):
    n = {"linear_function": 4, "permutation": 12, "clifford": 4, "pauli_network": 4}[kind]
    budget = Budget(node_limit=0, num_iterations=3, beam_width=256, guide="network")
    target = drawn(kind, n, 3)
    first = synthesize(target, "ring", budget=budget)
    check(first, target)
    assert first.metadata["twisterl"]["method"] == "beam"
    assert "3 of 3 iterations" in capsys.readouterr().err
    (path,) = (cache / "models").glob("*/checkpoint_best.safetensors")
    os.utime(path, (1000, 1000))
    written = path.stat().st_ino
    models._trained.cache_clear()
    assert synthesize(target, "ring", budget=budget) == first
    assert not capsys.readouterr().err and path.stat().st_ino == written
    # Which `twisterl cache list` tells.
    assert path.stat().st_mtime > 1000
    # What the cache has is a run, which may come from elsewhere.
    given = Budget(node_limit=0, num_iterations=0, beam_width=256, model=str(path.parent))
    assert synthesize(target, "ring", budget=given) == first
    with pytest.raises(ValueError, match=r"budget\.model: got a model of .*; expected one of"):
        synthesize(target, "line", budget=given)
    with pytest.raises(ValueError, match=r"budget\.model: .*base_config\.json"):
        synthesize(target, "ring", budget=Budget(node_limit=0, model=str(cache)))
    assert contents(RunFolder(path.parent)).keys() > {"base_config.json", path.name}


def test_permutations_need_no_model(cache):
    budget = Budget(node_limit=0, num_iterations=0, beam_width=32)
    for name, n in (("heavy_hex", 16), ("tokyo", 20), ("hummingbird_65", 65)):
        target = drawn("permutation", n, 1)
        circuit = synthesize(target, name, budget=budget)
        check(circuit, target)
        # Theirs is there too: it is longer.
        assert circuit.metadata["twisterl"]["method"] == "beam"
    assert not list(cache.iterdir())
    with pytest.warns(Fallback, match="permutation of 16 qubits by qiskit: the budget allows no"):
        synthesize(drawn("permutation", 16, 1), "heavy_hex", budget=Budget(0, 0, 0))


def test_a_corrupt_cache_file_is_named_and_made_again(cache, capsys):
    budget = Budget(node_limit=0, num_iterations=1, beam_width=64, guide="network")
    target = drawn("permutation", 8, 0)
    first = synthesize(target, budget=budget)
    (path,) = (cache / "models").glob("*/checkpoint_best.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + b"\0\0\0\1")
    models._trained.cache_clear()
    with pytest.warns(UserWarning, match=path.name):
        assert synthesize(target, budget=budget) == first
    assert path.read_bytes() == whole


def test_without_a_model_qiskit_serves():
    target = drawn("clifford", 7, 0)
    with pytest.warns(Fallback, match="clifford of 7 qubits by qiskit: the budget allows no model"):
        circuit = synthesize(target, "line", budget=Budget(node_limit=0, num_iterations=0))
    check(circuit, target)
    assert circuit.metadata["twisterl"]["method"] == "qiskit"
    assert all(abs(a - b) == 1 for a, b in pairs_of(circuit))


def of(*gates):
    circuit = QuantumCircuit(3)
    for name, *qubits in gates:
        getattr(circuit, name)(*qubits)
    return circuit


def test_circuits_are_read():
    assert set(synthesize(of(("swap", 0, 2)), "line").count_ops()) == {"swap"}
    assert set(synthesize(of(("cx", 0, 2)), "line").count_ops()) == {"cx"}
    circuit = of(("h", 0), ("cx", 0, 1), ("s", 1), ("y", 2))
    check(synthesize(circuit), circuit)
    check(synthesize(Operator(circuit)), circuit)
    check(synthesize(QuantumCircuit(1)), QuantumCircuit(1))
    # What turns nothing is no rotation.
    assert synthesize(of(("rz", 0, 0), ("u", 0, 0, 0.5, 1), ("rxx", 0.0, 0, 1))).size() == 1
    with pytest.warns(Fallback, match="pauli_network of 3 qubits"):
        check(synthesize(of(("ccx", 0, 1, 2)), "line", budget=FORWARD), of(("ccx", 0, 1, 2)))


def test_terms_about_no_qubit_are_global_phases():
    gate = PauliEvolutionGate(SparsePauliOp(["XXI", "YYZ", "III"], [0.1, 0.2, 0.3]), time=0.7)
    for target in (gate, PauliEvolutionGate(SparsePauliOp("II"), time=0.7)):
        circuit = QuantumCircuit(target.num_qubits)
        circuit.append(target, circuit.qubits)
        # What the terms of qiskit's product formula do in turn.
        assert Operator(synthesize(target)).equiv(Operator(target.definition))
        assert Operator(synthesize(circuit)).equiv(Operator(target.definition))


def test_global_phases_are_kept():
    a, b = Parameter("a"), Parameter("b")
    evolution = PauliEvolutionGate(SparsePauliOp(["XXI", "YYI", "III"], [0.1, 0.2, 0.3]), time=a)
    circuits = [of(("p", a, 0), ("cp", 0.3, 0, 1), ("h", 1)), of(("cx", 0, 1), ("swap", 1, 2))]
    circuits += [of(("s", 0), ("h", 1), ("y", 2)), of(("rx", a + b, 0), ("sx", 1))]
    circuits.append(of(("append", evolution, [0, 2, 1])))
    circuits += [of(("u", a, 0.2, b, 0), ("cx", 0, 1)), of(("r", 0.4, 1.3, 2), ("cp", a, 0, 1))]
    circuits += [of(("cu", 0.1, 0.2, 0.3, 0.4, 0, 1)), of(("unitary", RXGate(0.3).to_matrix(), 0))]
    for circuit in circuits:
        circuit.global_phase += 0.4 + 2 * b
        values = {a: -2.3, b: 0.7} if a in circuit.parameters else {b: 0.7}
        for coupling_map in (None, CouplingMap([[1, 0], [1, 2]])):
            found = synthesize(circuit, coupling_map, budget=FORWARD).assign_parameters(values)
            assert Operator(found) == Operator(circuit.assign_parameters(values))
    for seed in range(5):
        clifford = drawn("clifford", 1 + seed % 3, seed)
        assert Operator(synthesize(clifford)) == Operator(clifford)
        assert Operator(synthesize(Operator(clifford))) == Operator(clifford)
    swaps = QuantumCircuit(40, global_phase=0.3)
    swaps.swap(0, 39)
    assert synthesize(swaps, budget=FORWARD).global_phase == 0.3


def test_controlled_gates_have_the_phase_of_what_they_control():
    evolution = PauliEvolutionGate(SparsePauliOp(["YZ", "XX"], [0.3, 0.2]), time=2.1)
    config = HLSConfig(**{kind: [(plugin(), {})] for kind, plugin in PLUGINS.items()})
    for base in (evolution, *(drawn("clifford", 2, seed) for seed in range(3))):
        circuit = QuantumCircuit(3)
        circuit.append(AnnotatedOperation(base, [ControlModifier(1)]), [0, 1, 2])
        done = transpile(circuit, hls_config=config, basis_gates=["cx", "rz", "sx", "x"])
        assert Operator(done).equiv(Operator(circuit))


@pytest.mark.parametrize("name", ["t", "swap", "cx", "permutation"])
def test_a_gate_that_has_the_name_of_another_is_what_defines_it(name):
    one = Gate(name, 2, [])
    one.definition = QuantumCircuit(2)
    one.definition.h(0)
    one.definition.cx(0, 1)
    outer = QuantumCircuit(2, name="outer")
    outer.append(one, [1, 0])
    circuit = QuantumCircuit(2)
    circuit.append(one, [0, 1])
    circuit.append(outer.to_gate(), [0, 1])
    flat = of(("h", 0), ("cx", 0, 1), ("h", 1), ("cx", 1, 0))
    wanted = Operator(QuantumCircuit.from_instructions(flat, qubits=flat.qubits[:2]))
    assert Operator(synthesize(circuit)).equiv(wanted)
    with pytest.raises(ValueError, match=f"target: got '{name}'; expected Clifford gates"):
        circuit = QuantumCircuit(2)
        circuit.append(Gate(name, 2, []), [0, 1])
        synthesize(circuit)


def test_annotated_gates_are_read():
    for base, modifier, num_qubits in (
        (SGate(), ControlModifier(1), 2),
        (XGate(), ControlModifier(1), 2),
        (CXGate(), InverseModifier(), 2),
        (RZGate(0.3), PowerModifier(2), 1),
    ):
        circuit = QuantumCircuit(num_qubits)
        circuit.append(AnnotatedOperation(base, [modifier]), circuit.qubits)
        check(synthesize(circuit, budget=FORWARD), circuit)


MEASURED, INITIALIZED, TURNED = QuantumCircuit(2, 1), QuantumCircuit(1), QuantumCircuit(2)
MEASURED.measure(0, 0)
INITIALIZED.initialize([1, 0])
for _ in range(33):
    TURNED.t(0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((INITIALIZED,), ValueError, "target: got 'reset'; expected Clifford gates"),
        ((TURNED,), ValueError, "target: got 33 rotations; expected at most 32"),
        ((MEASURED,), ValueError, "target: "),
        (([0, 0],), ValueError, r"target: got \[0, 0\]; expected a pattern"),
        (([0.5, 1],), ValueError, r"target: got \[0.5, 1\]; expected a pattern"),
        ((np.eye(2),), ValueError, "target: got 2 dimensions; expected a pattern"),
        (([QuantumCircuit(2)] * 2,), ValueError, "target: got a list of circuits; expected"),
        ((Operator(np.eye(3)),), ValueError, "target: got an Operator of 3 x 3; expected one of"),
        ((of(("rz", math.nan, 0)),), ValueError, "target: got the angle nan of 'rz'"),
        ((of(("rzz", math.inf, 0, 1)),), ValueError, "target: got the angle inf of 'rzz'"),
        ((of(("u", 0, math.nan, 0, 0)),), ValueError, "target: got the angle nan of 'u'"),
        ((3,), TypeError, "target: got a int; expected a Clifford"),
        ((QuantumCircuit(0),), ValueError, "target: got 0 qubits"),
        ((QuantumCircuit(66),), ValueError, "target: got 66 qubits; expected 1 to 65"),
        (([1, 0, 2], [[0, 1]]), ValueError, "coupling_map: edges: expected a connected graph"),
        (([1, 0, 2], [[0, 3]]), ValueError, r"coupling_map: got \[0, 3\]"),
        (([1, 0, 2], [(0.5, 1), (1, 2)]), TypeError, r"coupling_map: got \[\(0.5, 1\)"),
        (([1, 0, 2], ["01", "12"]), TypeError, r"coupling_map: got \['01', '12'\]"),
        (([1, 0, 2], "lime"), ValueError, "did you mean line"),
        (([1, 0, 2], "falcon_5"), ValueError, "coupling_map: num_qubits"),
        (([1, 0, 2], CouplingMap.from_line(4)), ValueError, "coupling_map: got 4 qubits"),
        (([1, 0, 2], 5), TypeError, "coupling_map: got 5"),
    ],
)
def test_bad_input_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        synthesize(*arguments)


def test_bad_budgets_are_named():
    with pytest.raises(TypeError, match="budget: got a float"):
        synthesize([1, 0], budget=1.5)
    with pytest.raises(ValueError, match=r"budget.beam_width: got -1"):
        Budget(beam_width=-1)
    with pytest.raises(TypeError, match=r"budget.node_limit: got 0.5"):
        Budget(node_limit=0.5)
    with pytest.raises(ValueError, match=r"budget.guide: .*did you mean pairs"):
        Budget(guide="pair")


PLUGINS = {
    "clifford": plugins.CliffordPlugin,
    "linear_function": plugins.LinearFunctionPlugin,
    "permutation": plugins.PermutationPlugin,
    "PauliEvolution": plugins.PauliEvolutionPlugin,
}


def test_transpile_takes_the_plugins():
    circuit = QuantumCircuit(4)
    circuit.append(drawn("linear_function", 4, 1), [3, 1, 0, 2])
    circuit.append(drawn("permutation", 3, 2), [0, 2, 3])
    circuit.append(drawn("clifford", 3, 3).to_instruction(), [0, 1, 2])
    # They commute, so that their product is the evolution itself.
    operator = SparsePauliOp(["XXZ", "YYZ", "ZZI"], [0.3, -0.7, 1.1])
    circuit.append(PauliEvolutionGate(operator, time=0.4), [1, 2, 3])
    options = {"num_iterations": 0, "node_limit": 2000}
    config = HLSConfig(**{kind: [(plugin(), options)] for kind, plugin in PLUGINS.items()})
    for coupling_map in (None, CouplingMap.from_line(4)):
        done = transpile(
            circuit, coupling_map=coupling_map, hls_config=config, initial_layout=[0, 1, 2, 3],
            seed_transpiler=0, basis_gates=["cx", "rz", "sx", "x"],
        )  # fmt: skip
        assert Operator.from_circuit(done).equiv(Operator(circuit))
    many = PauliEvolutionGate(SparsePauliOp(["XX", "ZZ", "YX"]), synthesis=LieTrotter(reps=11))
    with pytest.warns(Fallback, match="PauliEvolution by qiskit: .* 33 rotations"):
        assert plugins.PauliEvolutionPlugin().run(many) is None
    with pytest.raises(ValueError, match="beam_widht: unknown option; did you mean beam_width"):
        plugins.PermutationPlugin().run(PermutationGate([1, 0]), beam_widht=3)
    # The first qubit of a target is the first that is named.
    qubits = [2, 0, 1]
    for seed in range(3):
        target = drawn("linear_function", 3, seed)
        found = plugins.LinearFunctionPlugin().run(target, CouplingMap.from_line(3), None, qubits)
        assert {abs(qubits[a] - qubits[b]) for a, b in pairs_of(found)} == {1}
    apart = CouplingMap([[0, 1], [2, 3]])
    with pytest.warns(Fallback, match="not connected"):
        assert plugins.PermutationPlugin().run(PermutationGate([1, 0]), apart, None, [0, 2]) is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with 3.11")
@pytest.mark.parametrize("folder", ["", "python"])
def test_the_entry_points_name_the_plugins(folder):
    import tomllib

    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    found = project["entry-points"]["qiskit.synthesis"]
    for kind, plugin in PLUGINS.items():
        module, _, name = found.pop(f"{kind}.twisterl").partition(":")
        assert getattr(import_module(module), name) is plugin
    assert not found
