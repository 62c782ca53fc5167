"""`make parity` plays every board that an example config has, and all of it in every port."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare
import difference
import moves
import ports
import workloads
from twisterl.twisterl.env import TASKS

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "examples").glob("*.json"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_board_of_an_example_is_played(path):
    config = json.loads(path.read_text())
    class_name = config["env_cls"].rpartition(".")[2]
    if class_name in TASKS:
        pytest.skip("a task has no board")
    sizes = [board.size for board in workloads.boards() if board.class_name == class_name]
    wanted = {k: v for k, v in config["env"].items() if k not in workloads.EPISODE}
    assert any(wanted.items() <= size.items() for size in sizes), wanted


@pytest.mark.parametrize("board", workloads.boards(), ids=lambda board: board.title)
def test_every_port_plays_all_transitions(board):
    known = ports.read_list()
    lanes = moves.request(board, compare.TRANSITIONS)["lanes"]
    answering = {"reference", *difference.answering(known, "digests", board)}
    assert {"rust", "bindings"} <= answering
    for name in answering:
        assert moves.lanes_for(known[name], board, lanes) == lanes, name
