"""examples/python_env.py: both forms of it are the same puzzle, and it trains."""

import importlib.util
import runpy
from pathlib import Path

import pytest
from small_policy import collector, everything, small_policy
from twisterl import twisterl
from twisterl.envs import PyEnv

PATH = Path(__file__).resolve().parents[2] / "examples" / "python_env.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("python_env", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_forms_play_the_same(example):
    runs = set()
    for form in (example.Pancakes, example.BatchedPancakes):
        env = PyEnv(form, size=5)
        env.difficulty = 3
        runs.add(everything(collector(num_cores=2).collect(env, small_policy(env))))
    assert len(runs) == 1


def test_a_flip_sorts(example):
    env = PyEnv(example.BatchedPancakes, size=4)
    env.set_state([2, 1, 0, 3])
    (success, _), actions = twisterl.collector.solve(env, small_policy(env), False, 50)
    assert success and list(actions) == [1]


@pytest.mark.parametrize("options", [[], ["--plain"]])
def test_it_runs(options, monkeypatch, capsys):
    pytest.importorskip("torch")
    # In this process, which has imported torch.
    monkeypatch.setattr("sys.argv", [str(PATH), "--steps", "2", *options])
    runpy.run_path(str(PATH), run_name="__main__")
    assert "stack [3, 0, 5, 1, 4, 2]" in capsys.readouterr().out
