"""Configs that the package brings, and the command that shows and begins configs."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from twisterl import cli
from twisterl.cli.numbers import duration
from twisterl.cli.train import with_preset
from twisterl.config.json import read_json
from twisterl.config.registry import ENVIRONMENTS, registered
from twisterl.config.schema import text
from twisterl.config.validation import check_run
from twisterl.presets import ABOUT, preset

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "python" / "twisterl" / "presets"


def shown(capsys, *words, status=0):
    assert cli.main(list(words)) == status
    return getattr(capsys.readouterr(), "err" if status else "out")


def test_presets_are_the_examples():
    assert {path.stem for path in FOLDER.glob("*.json")} == {*ABOUT, "measured"}
    examples = {path.read_bytes(): path.name for path in (ROOT / "examples").glob("*.json")}
    for name in ABOUT:
        path = preset(name).path
        # A link would be a text in a wheel that is made on Windows.
        assert path.read_bytes() in examples and not path.is_symlink()
        check_run(read_json(path))


def test_the_list_says_what_was_measured(capsys):
    listed = json.loads(shown(capsys, "presets", "--json"))
    assert [one["name"] for one in listed] == list(ABOUT)
    measured = json.loads((FOLDER / "measured.json").read_text())
    assert {one["name"]: one["result"] for one in listed if one["result"]} == {
        name: one["result"] for name, one in measured.items()
    }
    text = shown(capsys, "presets")
    lasts = duration(measured["puzzle15"]["seconds"])
    assert "puzzle8  " in text and f"{lasts}  100 % solved by beam 256" in text


def test_a_preset_trains_without_a_file(capsys):
    (option, path) = with_preset(["puzzle8"])
    # So a run without --run_path goes to runs/puzzle8.
    assert option == "--config" and Path(path).stem == "puzzle8"
    dry = json.loads(shown(capsys, "train", "puzzle8", "--dry-run", "env.width=2"))
    whole = read_json(ROOT / "examples" / "ppo_puzzle8_v1.json")
    assert dry["env"] == {**whole["env"], "width": 2}
    for words, said in (
        (["puzle8"], "unknown preset; did you mean puzzle8?"),
        (["puzzle8", "--config", "x.json"], "puzzle8: is a preset, which has its config"),
        (["own.json"], "a file is given as --config FILE"),
    ):
        assert said in shown(capsys, "train", *words, status=2)


def test_show_says_where_each_value_comes_from(tmp_path, capsys):
    path = tmp_path / "own.json"
    config = read_json(ROOT / "examples" / "ppo_puzzle8_v1.json")
    config["algorithm"]["evals"] = {"ppo_10": {"seed": 3}}
    config["algorithm"]["learning"]["diff_metric"] = "ppo_10"
    config["algorithm"]["training"]["lr"] = config["algorithm"].pop("optimizer")["lr"]
    path.write_text(json.dumps(config))
    out = shown(capsys, "config", "show", str(path), "env.width=4", "algorithm.seed=7")
    found = {row.split()[0]: row.split()[1:] for row in out.splitlines()}
    assert found["env.width"] == ["4", "command", "line"]
    assert found["env.height"] == ["3", str(path)]
    assert found["env.forbid_undo"] == ["false", "default"]
    assert found["algorithm.seed"] == ["7", "command", "line"]
    assert found["algorithm.evals.ppo_10.num_searches"] == ["10", "ppo_10"]
    assert found["algorithm.evals.ppo_10.seed"] == ["3", str(path)]
    assert found["algorithm.optimizer.lr"] == ["0.003", str(path)]
    whole = json.loads(shown(capsys, "config", "show", str(path), "--json"))
    assert whole == check_run(config).as_dict()


def test_show_takes_presets_and_runs(tmp_path, capsys):
    (tmp_path / "base_config.json").write_bytes(preset("cartpole").path.read_bytes())
    of_run = json.loads(shown(capsys, "config", "show", str(tmp_path), "--json"))
    assert of_run == json.loads(shown(capsys, "config", "show", "cartpole", "--json"))


def test_schema_is_the_committed_one(capsys):
    assert shown(capsys, "config", "schema") == text()


@pytest.mark.parametrize("name", [*ENVIRONMENTS, "gymnasium:CartPole-v1", "own.Own"])
def test_a_config_to_begin_with_is_a_config(name, capsys):
    config = json.loads(shown(capsys, "config", "init", name))
    run = check_run(config)
    assert run.env.name in (registered("env_cls", name), "PyEnv", None)
    assert run.algorithm.get("learning", "diff_metric") in config["algorithm"]["evals"]


def test_a_module_is_named_as_it_is(capsys):
    config = json.loads(shown(capsys, "config", "init", "own/pancakes.wasm"))
    assert (config["env_cls"], config["env"]) == ("own/pancakes.wasm", {})
    assert check_run(config).algorithm.get("learning", "diff_max")


@pytest.mark.parametrize("algorithm", ["PPO", "AZ", "RandomWalk", "ES"])
def test_a_config_to_begin_with_of_each_algorithm(algorithm, tmp_path, capsys):
    path = tmp_path / "first.json"
    out = shown(capsys, "config", "init", "Pancake", "--algorithm", algorithm, "-o", str(path))
    assert json.loads(path.read_text())["algorithm_cls"] == algorithm
    assert "policy.embedding_size" in out and "width of the first layer" in out
    assert "is there already" in shown(
        capsys, "config", "init", "Pancake", "-o", str(path), status=2
    )


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_config_that_a_full_disk_does_not_take_leaves_no_file(tmp_path):
    import resource

    path = tmp_path / "my config.json"
    words = [sys.executable, "-m", "twisterl", "config", "init", "Pancake", "-o", str(path)]
    full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))}
    done = subprocess.run(words, capture_output=True, text=True, check=False, **full)
    assert (done.returncode, done.stderr) == (1, f"error: {path}: File too large\n")
    assert not list(tmp_path.iterdir())
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f"train --config {shlex.quote(str(path))}\n")


def test_what_config_refuses(capsys, tmp_path):
    for words, said in (
        (["show"], "expected PRESET, FILE or RUN_DIR"),
        (["show", "puzle8"], "did you mean puzzle8?"),
        (["show", str(tmp_path / "none.json")], "No such file"),
        (["show", "puzzle8", "env.with=3"], "did you mean env.width?"),
        (["schema", "x"], "takes nothing"),
        (["schema", "--json"], "--json: is of show; leave it out"),
        (["show", "puzzle8", "--algorithm", "AZ"], "--algorithm: is of init; leave it out"),
        (["show", "puzzle8", "-o", "here.json"], "-o: is of init; leave it out"),
        (["init"], "expected ENVIRONMENT"),
        (["init", "LightOut"], "did you mean LightsOut?"),
        (["init", "Puzzle", "--algorithm", "PP0"], "did you mean PPO?"),
        (["init", "Pendulum", "--algorithm", "AZ"], "an environment with discrete actions"),
        (["init", "TMaze", "--algorithm", "RandomWalk"], "whose moves one action each undoes"),
        (["init", "Puzzle", "Cube2"], "takes one environment"),
    ):
        assert said in shown(capsys, "config", *words, status=2)
