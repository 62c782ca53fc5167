"""Layers of Cliffords around the identity, as the plain enumeration finds them."""

import sys
from pathlib import Path

import pytest
from twisterl.envs import Clifford
from twisterl.twisterl.collector import GuidedSolver, OptimalSolver

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from clifford_classes import group_size, layers
from coupling import edges_of


@pytest.mark.parametrize(
    ("num_qubits", "topology"),
    [
        (2, "line"),
        (3, "line"),
        (3, "all_to_all"),
        # Some minutes, and a gigabyte for all states.
        pytest.param(4, "all_to_all", marks=pytest.mark.long),
    ],
)
def test_layers_are_those_of_the_enumeration(num_qubits, topology):
    found = layers(num_qubits, edges_of(topology, num_qubits))
    sizes = [sum(states) for states in found]
    assert 6**num_qubits * sum(sizes) == group_size(num_qubits)
    env = Clifford(num_qubits=num_qubits, topology=topology)
    solver = OptimalSolver(env, most_states=sum(sizes) + 1)
    assert solver.layer_sizes() == sizes
    classes = [len(states) for states in found]
    guided = GuidedSolver(env, most_classes=10_000, num_walks=1, walk_length=1).layer_sizes()
    if num_qubits < 4:
        assert guided == classes
    else:
        # Hashes by colour refinement are equal for a few classes, which count as the nearer one.
        assert 0.99 * sum(classes) < sum(guided) <= sum(classes)
        assert guided[:6] == classes[:6]


def test_orders_of_the_symplectic_groups():
    assert [group_size(n) for n in (1, 2, 3, 4)] == [6, 720, 1_451_520, 47_377_612_800]
