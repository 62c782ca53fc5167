"""The fixture with the exact optimum of every 8-puzzle board."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]
GOLDEN = TESTS.parent / "specs" / "golden" / "puzzle.json"


@pytest.fixture(scope="module")
def optimum():
    spec = importlib.util.spec_from_file_location("optimum", TESTS / "reference" / "optimum.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_layers_are_those_of_the_puzzle(optimum):
    """The Rust puzzle replays the same golden layers; they are sequence A089473 of the OEIS."""
    layers = json.loads(GOLDEN.read_text())["layers"]
    boards = next(x["states"] for x in layers if x["config"] == {"width": 3, "height": 3})
    assert np.bincount(optimum.load()).tolist() == boards
    assert sum(boards) == optimum.NUM_BOARDS


def test_fixture_is_what_the_search_finds(optimum):
    assert np.array_equal(optimum.load(), optimum.search())


def test_known_boards(optimum):
    assert optimum.optimal_length(range(9)) == 0
    assert optimum.optimal_length([1, 0, 2, 3, 4, 5, 6, 7, 8]) == 1
    deepest = [[8, 0, 6, 5, 4, 7, 2, 3, 1], [8, 7, 6, 0, 4, 1, 2, 5, 3]]
    assert optimum.optimal_lengths(deepest).tolist() == [31, 31]


def test_what_is_no_board_is_refused(optimum):
    for bad in [[0, 1, 2], [0, 1, 2, 3, 4, 5, 6, 7, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]]:
        with pytest.raises(ValueError, match="boards"):
            optimum.optimal_length(bad)
