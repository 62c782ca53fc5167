"""Replays specs/golden through the Python bindings, as every language does in its own tests."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from twisterl.board import MOVES
from twisterl.config import PuzzleArguments
from twisterl.envs import Puzzle

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "specs" / "golden" / "puzzle.json").read_text())


def name(case):
    return "{width}x{height}-{difficulty}".format_map(case["config"]) + "-" + case["start"]


@pytest.mark.parametrize("case", GOLDEN["traces"], ids=name)
def test_puzzle_trace(case):
    env = Puzzle(**case["config"])
    assert env.num_actions() == 4
    assert list(env.obs_shape()) == [len(case["last_state"])] * 2
    if case["states"] is None:
        env.set_state(case["last_state"])
        assert list(env.observe()) == case["last_observation"]
        return
    env.set_state(case["states"][0])
    # set_state leaves max_depth steps, as a uniform start does; a reset leaves fewer or more.
    same_depth = case["start"] == "uniform"
    for t, state in enumerate(case["states"]):
        assert list(env.get_state()) == state
        assert "".join(str(int(mask)) for mask in env.masks()) == case["masks"][t]
        assert env.solved() == case["success"][t]
        if same_depth:
            assert env.reward() == case["rewards"][t]
            assert env.is_final() == case["final"][t]
        if t < len(case["actions"]):
            env.step(case["actions"][t])
    assert list(env.observe()) == case["last_observation"]


def test_puzzle_spec_is_what_python_accepts():
    spec = json.loads((ROOT / "specs" / "envs" / "puzzle.json").read_text())
    schema = PuzzleArguments.model_json_schema()["properties"]
    assert set(schema) == set(spec["parameters"])
    for key, bounds in spec["parameters"].items():
        found = schema[key]
        limits = (found["minimum"], found["maximum"], found["default"])
        assert limits == (bounds["min"], bounds["max"], bounds["default"]), key
        least = {name: p["min"] for name, p in spec["parameters"].items()}
        with pytest.raises(ValueError, match=key):
            Puzzle(**least | {key: bounds["min"] - 1})
        with pytest.raises(ValueError, match=key):
            Puzzle(**least | {key: bounds["max"] + 1})
    assert list(MOVES) == spec["actions"]
    env = Puzzle(width=3, height=2, difficulty=1, depth_slope=1, max_depth=10)
    assert env.num_actions() == len(spec["actions"])
    rewards = spec["rewards"]
    env.set_state([1, 0, 2, 3, 4, 5])
    assert env.reward() == pytest.approx(rewards["out_of_steps"] / 10, rel=1e-6)
    env.step(0)
    assert env.reward() == rewards["solved"]


def test_golden_files_are_those_of_the_reference():
    script = ROOT / "tests" / "reference" / "write_golden.py"
    result = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
