"""The command line: what it does, what it says, and how it ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from forked import forked  # noqa: E402
from trainings import MODULE, WITHOUT_CURVE  # noqa: E402
from twisterl import cli, envs, plot  # noqa: E402
from twisterl.config.registry import REGISTRY  # noqa: E402
from twisterl.runs import tensors  # noqa: E402
from twisterl.runs.folder import RunFolder  # noqa: E402
from twisterl.train import main  # noqa: E402
from twisterl.twisterl.env import ENVIRONMENTS  # noqa: E402


@pytest.fixture(scope="module")
def trained_dir(tmp_path_factory):
    """A run of three iterations, which no test changes."""
    folder = tmp_path_factory.mktemp("trained")
    config, run = folder / "small.json", folder / "run"
    config.write_text(json.dumps(SMALL))
    words = ["train", "--config", str(config), "--run_path", str(run), "--num_steps", "3"]
    assert cli.main(words) == 0
    return run


@pytest.fixture
def run_dir(trained_dir, tmp_path):
    """A run of three iterations of one's own."""
    return shutil.copytree(trained_dir, tmp_path / "run")


def refused(capsys, *words):
    """The error of a command that must end with status 2 and no traceback."""
    assert cli.main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert err.startswith("error: ")
    return err


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_training_leaves_a_run(config_file, tmp_path, capsys, curves):
    status = cli.main(
        ["train", "--config", str(config_file), "--run_path", str(tmp_path / "run"),
         "--num_steps", "3", "--seed", "4", "algorithm.training.lr=1e-3", "--env.max_depth", "40"]
    )  # fmt: skip
    out = capsys.readouterr().out
    assert status == 0
    assert "iteration 0  difficulty 1  ppo_1" in out and "left" in out and "steps/s" in out
    run = tmp_path / "run"
    assert {
        "base_config.json", "full_algorithm_config.json", "checkpoint_last.safetensors",
        "checkpoint_best.safetensors", "metrics.jsonl", "learning_curve.png",
    } <= set(os.listdir(run))  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in os.listdir(run))
    base = json.loads((run / "base_config.json").read_text())
    full = json.loads((run / "full_algorithm_config.json").read_text())
    assert base["env"]["max_depth"] == 40 and base["algorithm"]["seed"] == 4
    assert full["optimizer"]["lr"] == 1e-3 and full["training"]["clip_ratio"] == 0.1
    assert (run / "learning_curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_documented_calls(config_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(str(config_file), None, None, 2)
    run = tmp_path / "runs" / "small"
    assert (run / "base_config.json").read_bytes() == config_file.read_bytes()
    checkpoint = run / "checkpoint_last.safetensors"
    main(
        config_path=str(config_file),
        run_path="again",
        load_checkpoint_path=str(checkpoint),
        num_steps=0,
    )
    assert (tmp_path / "again" / "checkpoint_last.safetensors").exists()
    done = subprocess.run(
        [*MODULE, "--config", str(config_file), "--run_path", "third", "--num_steps", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "iteration 0" in done.stdout


def test_an_environment_beside_the_config(small, tmp_path, monkeypatch):
    (tmp_path / "own_countdown.py").write_text(
        "class Countdown:\n"
        "    def __init__(self, most=8, left=0): self.most, self.left = most, left\n"
        "    def num_actions(self): return 2\n"
        "    def obs_shape(self): return [self.most + 1]\n"
        "    def reset(self, difficulty): self.left = min(self.most, 1 + difficulty)\n"
        "    def next(self, action): self.left -= action + 1\n"
        "    def masks(self): return [self.left >= 1, self.left >= 2]\n"
        "    def is_final(self): return self.left == 0\n"
        "    def success(self): return self.left == 0\n"
        "    def value(self): return 1.0 if self.left == 0 else -0.1\n"
        "    def observe(self): return [self.left]\n"
        "    def set_state(self, state): self.left = state[0]\n"
        "    def copy(self): return Countdown(self.most, self.left)\n"
    )
    small["env_cls"] = "twisterl.envs.PyEnv"
    small["env"] = {"pyenv_cls": "own_countdown.Countdown", "most": 6}
    config = tmp_path / "countdown.json"
    config.write_text(json.dumps(small))
    monkeypatch.chdir(tmp_path)
    words = ["train", "--config", "countdown.json", "--run_path", "run", "--num_steps", "2"]
    assert cli.main(words) == 0
    assert cli.main(["eval", "run", "--num_episodes", "10"]) == 0
    assert cli.main(["solve", "run", "5", "--json"]) == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(7)", "SystemExit: 7"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(
    small, tmp_path, monkeypatch, capsys, code, said
):
    name = f"broken_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(f"# The second line fails.\n{code}\n")
    small["env_cls"] = f"{name}.Env"
    config = tmp_path / "broken.json"
    config.write_text(json.dumps(small))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path, str(tmp_path)])
    error = refused(capsys, "train", "--config", config)
    assert "env_cls: importing" in error and said in error and f"{name}.py, line 2)" in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("raised", ["ValueError('mine')", "OSError(2, 'mine')"])
def test_an_environment_that_raises_keeps_its_traceback(small, tmp_path, monkeypatch, raised):
    (tmp_path / "raising.py").write_text(
        "class Env:\n"
        "    def num_actions(self): return 2\n"
        "    def obs_shape(self): return [4]\n"
        f"    def reset(self, difficulty): raise {raised}\n"
        "    next = masks = is_final = success = value = observe = set_state = reset\n"
        "    def copy(self): return Env()\n"
    )
    small["env_cls"] = "twisterl.envs.PyEnv"
    small["env"] = {"pyenv_cls": "raising.Env"}
    (tmp_path / "config.json").write_text(json.dumps(small))
    monkeypatch.chdir(tmp_path)
    done = forked(["train", "--config", "config.json", "--num_steps", "1"])
    assert done.returncode == 1
    assert b'raising.py", line 4, in reset' in done.stderr and b"mine" in done.stderr


def test_a_dry_run_writes_nothing(config_file, tmp_path, capsys):
    before = files(tmp_path)
    run = tmp_path / "run"
    words = ["train", "--config", str(config_file), "--run_path", str(run), "--dry-run"]
    assert cli.main([*words, "algorithm.training.num_epochs=7"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["algorithm"]["training"]["num_epochs"] == 7
    assert shown["algorithm"]["collecting"]["gamma"] == 0.995
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["algorithm.training.lr_=1e-3"], "lr_: unknown key; did you mean algorithm.training.lr?"),
        (["algoritm.seed=1"], "did you mean algorithm.seed?"),
        (["algorithm.collecting.num_episodes=0"], "algorithm.collecting.num_episodes: got 0"),
        (["algorithm.collecting.num_episodes=-1"], "num_episodes: got -1"),
        (["algorithm.collecting.num_episodes=1000000000"], "num_episodes: got 1000000000"),
        (["env.width=1000000000"], "env.width: got 1000000000; expected less than or equal to 16"),
        (["policy.embedding_size=1e9"], "policy.embedding_size: got 1000000000.0"),
        (["--num_stepz", "3"], "unknown option --num_stepz; did you mean --num_steps?"),
        (["--num_steps", "-1"], "--num_steps: got -1"),
        (["--num_steps", str(10**20)], "--num_steps: got 100000000000000000000; expected a count"),
        (["--num_steps", "many"], "invalid int value: 'many'"),
        (["--seed", "-1"], "algorithm.seed: got -1"),
        (["--resume"], "holds no run to resume"),
        (["--resume", "--overwrite"], "give one"),
        (["--load_checkpoint_path", "nothing.safetensors"], "nothing.safetensors: no such file"),
        (["env_cls=os.system"], "env_cls: 'os.system' is no class"),
        (["env_cls=no.such.Env"], "No module named 'no'"),
        (
            ["algorithm_cls=twisterl.rl.AZ", "algorithm.training.replay_size=-1"],
            "algorithm.training.replay_size: got -1",
        ),
        (["env=3"], "env: got 3; expected a valid object"),
    ],
)  # fmt: skip
def test_wrong_input_ends_before_the_work(config_file, tmp_path, capsys, words, said):
    before = files(tmp_path)
    run = tmp_path / "run"
    arguments = ["train", "--config", str(config_file), "--run_path", str(run), *words]
    try:
        err = refused(capsys, *arguments)
    except SystemExit as ended:
        assert ended.code == 2
        err = capsys.readouterr().err
    assert said in err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("env", "entry", "said"),
    [
        ("CartPole", {"strategy": "optimal"}, "an environment that can be put into its goal"),
        ("CartPole", {"strategy": "patterns"}, "which has no pattern databases"),
        ("CartPole", {"num_mcts_searches": 2, "transpositions": True}, "transpositions: expected"),
        ("CartPole", {"strategy": "beam", "goal_table_bytes": 99}, "whose moves one action each"),
        ("GridWorld", {"num_mcts_searches": 2, "goal_table_bytes": 99}, "with several"),
        ("Pendulum", {"strategy": "beam"}, "discrete actions (for a beam search)"),
        ("Pendulum", {"num_mcts_searches": 2}, "discrete actions (for a tree search)"),
        (
            "Puzzle",
            {"strategy": "patterns", "pattern_bytes": 9},
            "pattern_bytes: expected at least",
        ),
    ],
)
def test_what_cannot_be_played_is_told_before_a_run(tmp_path, capsys, env, entry, said):
    config = {
        **SMALL,
        "env_cls": f"twisterl.envs.{env}",
        "env": SMALL["env"] if env == "Puzzle" else {},
    }
    # The first time that it would be played.
    evals = {"late": {**entry, "freq": 100}}
    config["algorithm"] = {**SMALL["algorithm"], "evals": evals, "learning": {"diff_metric": None}}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    err = refused(capsys, "train", "--config", path, "--run_path", tmp_path / "run")
    assert "algorithm.evals.late: " in err and said in err
    assert os.listdir(tmp_path) == ["config.json"]


def test_a_policy_of_other_observations_is_named(tmp_path, capsys):
    section = {"evals": {}, "learning": {"diff_metric": None, "num_steps": 1}}
    names = {"env_cls": "twisterl.envs.CartPole", "policy_cls": "twisterl.nn.Conv1dPolicy"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**SMALL, **names, "env": {}, "algorithm": section}))
    err = refused(capsys, "train", "--config", path, "--run_path", tmp_path / "run")
    assert "policy_cls: Conv1dPolicy sees features; got an environment of float32" in err


@pytest.mark.parametrize(
    ("env", "algorithm", "collecting", "said"),
    [
        ("Pendulum", "AZ", {}, "discrete actions"),
        ("CartPole", "AZ", {"transpositions": True}, "transpositions: expected false"),
        ("TwoWalkers", "ES", {"player": "value"}, "discrete actions (for looking ahead by values)"),
    ],
)
def test_what_cannot_be_collected_is_told_before_a_run(
    tmp_path, capsys, env, algorithm, collecting, said
):
    section = {"collecting": collecting, "evals": {}, "learning": {"diff_metric": None}}
    names = {"env_cls": f"twisterl.envs.{env}", "algorithm_cls": f"twisterl.rl.{algorithm}"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**SMALL, **names, "env": {}, "algorithm": section}))
    err = refused(capsys, "train", "--config", path, "--run_path", tmp_path / "run")
    assert "algorithm.collecting: " in err and said in err
    assert os.listdir(tmp_path) == ["config.json"]


def test_what_cannot_be_collected_of_gymnasium_is_told_before_a_run(tmp_path, capsys):
    pytest.importorskip("gymnasium")
    section = {"evals": {}, "learning": {"diff_metric": None}}
    names = {"env_cls": "gymnasium:Pendulum-v1", "algorithm_cls": "twisterl.rl.AZ"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**SMALL, **names, "env": {}, "algorithm": section}))
    err = refused(capsys, "train", "--config", path, "--run_path", tmp_path / "run")
    assert "algorithm.collecting: " in err and "discrete actions" in err
    assert os.listdir(tmp_path) == ["config.json"]


def test_files_that_cannot_be_written_are_told_before_the_work(config_file, tmp_path, capsys):
    run, taken = tmp_path / "run", tmp_path / "taken"
    words = ["train", "--config", str(config_file), "--run_path", str(run), "--num_steps", "1"]
    assert cli.main(words) == 0
    taken.write_text("")
    capsys.readouterr()
    before = files(tmp_path)
    for words in (
        ["export", run, "--onnx"],
        ["export", run, "--safetensors"],
        ["web", run, "--output"],
        ["compare", run, "--html"],
        ["watch", run, "--once", "--html"],
        ["solve", run, "1 2 3 4 5 6 7 8 0", "--html"],
    ):
        for path in (run, tmp_path / "nowhere" / "file"):
            said = refused(capsys, *words, path)
            assert f"{words[-1]}: got '{path}'; expected a file in a folder that exists" in said
    twice = refused(
        capsys, "export", run, "--onnx", tmp_path / "a", "--safetensors", tmp_path / "a"
    )
    assert "--safetensors: got " in twice and "as --onnx; expected another file" in twice
    for more in (["sweep"], ["train", "--seeds", "2"]):
        said = refused(capsys, *more, "--config", config_file, "--run_path", taken)
        assert f"--run_path: {taken} is a file; expected a folder for the runs" in said
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[]", b"3", b'{"a": 1, "a": 2}', b'{"env_cls": NaN}']
)
def test_broken_config_files(tmp_path, capsys, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    said = refused(capsys, "train", "--config", path, "--run_path", tmp_path / "run")
    assert str(path) in said
    if content == b"[]":
        assert "got a JSON list; expected a JSON object" in said
    assert os.listdir(tmp_path) == ["broken.json"]


def test_no_traceback_from_the_process(tmp_path):
    done = subprocess.run(
        [*MODULE, "--config", str(tmp_path / "none.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "No such file" in done.stderr


@pytest.mark.parametrize("kind", ["truncated", "nan", "shape"])
def test_bad_checkpoints(config_file, run_dir, tmp_path, capsys, kind):
    good = (run_dir / "checkpoint_last.safetensors").read_bytes()
    state, _ = tensors.read(run_dir / "checkpoint_last.safetensors")
    if kind == "truncated":
        content, said = good[:-100], "cut off"
    elif kind == "shape":
        content = tensors.encode({**state, "value.0.bias": torch.zeros(2)})
        said = "value.0.bias has shape [2]; expected [1]"
    else:
        content = tensors.encode({**state, "value.0.bias": torch.tensor([float("nan")])})
        said = "tensor value.0.bias has 1 of 1 values"
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(content)
    run = tmp_path / "new"
    err = refused(
        capsys, "train", "--config", config_file, "--run_path", run, "--load_checkpoint_path", bad
    )
    assert str(bad) in err and said in err
    assert not run.exists()
    assert said in refused(capsys, "eval", run_dir, "--checkpoint", bad)


def test_a_run_is_kept_unless_asked(config_file, run_dir, tmp_path, capsys):
    before = {name: (run_dir / name).read_bytes() for name in ("metrics.jsonl", "base_config.json")}
    arguments = ["train", "--config", config_file, "--run_path", run_dir, "--num_steps", "1"]
    assert "already holds a run; --resume" in refused(capsys, *arguments)
    (run_dir / "resume").rename(tmp_path / "resume")
    assert "already holds a run; --overwrite" in refused(capsys, *arguments)
    (tmp_path / "resume").rename(run_dir / "resume")
    refused(capsys, *arguments, "--overwrite", "env.width=99")
    assert before == {name: (run_dir / name).read_bytes() for name in before}
    assert cli.main([str(word) for word in [*arguments, "--overwrite"]]) == 0
    assert len((run_dir / "metrics.jsonl").read_text().splitlines()) == 1


def test_resume_goes_on_to_the_total(config_file, run_dir, tmp_path, capsys):
    assert cli.main(["train", "--resume", "--run_path", str(run_dir), "--num_steps", "5"]) == 0
    assert "iteration 3 " in capsys.readouterr().out
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3, 4]
    whole = tmp_path / "whole"
    assert (
        cli.main(
            ["train", "--config", str(config_file), "--run_path", str(whole), "--num_steps", "5"]
        )
        == 0
    )
    weights = [(run / "checkpoint_last.safetensors").read_bytes() for run in (run_dir, whole)]
    assert weights[0] == weights[1]
    # Nothing is left to do, and nothing is harmed.
    assert cli.main(["train", "--resume", "--run_path", str(run_dir), "--num_steps", "2"]) == 0
    assert (run_dir / "checkpoint_last.safetensors").read_bytes() == weights[0]


def test_resume_of_a_damaged_run(run_dir, capsys):
    (path,) = (run_dir / "resume").glob("*/optimizer.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert "SHA-256" in refused(
        capsys, "train", "--resume", "--run_path", run_dir, "--num_steps", "9"
    )


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_end(small, tmp_path, number, status):
    small["env"].update(width=3, height=3, difficulty=8)
    small["algorithm"]["collecting"]["num_episodes"] = 256
    config = tmp_path / "endless.json"
    config.write_text(json.dumps(small))
    run = tmp_path / "run"
    command = MODULE if number == signal.SIGINT else WITHOUT_CURVE
    child = subprocess.Popen(
        [*command, "--config", str(config), "--run_path", str(run)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(3):
        assert child.stdout.readline().startswith("iteration")
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert child.returncode == status, err
    assert "saved in" in out and "Traceback" not in err
    commit = RunFolder(run).load_commit()
    assert commit.state["iteration"] >= 3
    assert not [name for name in os.listdir(run) if ".tmp-" in name]


def test_a_signal_that_comes_where_nothing_can_be_raised_is_not_lost(monkeypatch):
    from twisterl.cli.signals import Interrupted, interruptible

    class Deleted:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    deleted = [Deleted(), Deleted()]
    with interruptible() as signals:
        with pytest.raises(Interrupted) as caught:
            del deleted[:1]
            time.sleep(5)
        assert (caught.value.exit_status, signals.name, ended) == (143, "SIGTERM", [])
    # One that is told too late is not told to whoever comes afterwards.
    with interruptible():
        del deleted[:]
    time.sleep(0.1)
    assert ended == []


def test_a_second_signal_ends_at_once(monkeypatch):
    from twisterl.cli.signals import Interrupted, interruptible

    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with interruptible() as signals:
        with pytest.raises(Interrupted):
            signals.handle(signal.SIGTERM, None)
        assert (signals.exit_status, signals.name, ended) == (143, "SIGTERM", [])
        signals.number = signal.SIGTERM
        try:
            signals.handle(signal.SIGINT, None)
        except Interrupted:
            pass
        assert ended == [130]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_run_ends_as_if_it_had_not_been(small, tmp_path):
    small["algorithm"]["logging"]["checkpoint_freq"] = 1
    config = tmp_path / "endless.json"
    config.write_text(json.dumps(small))
    run = tmp_path / "run"
    command = [*MODULE, "--config", str(config), "--run_path", str(run)]
    for attempt in range(2):
        resume = ["--resume"] if attempt else []
        child = subprocess.Popen([*command, *resume], stdout=subprocess.PIPE, text=True)
        for _ in range(4):
            child.stdout.readline()
        child.kill()
        child.communicate()
        before = RunFolder(run).load_commit().state["iteration"]
        assert before >= 4 * (attempt + 1) - 1
    total = str(before + 3)
    assert cli.main(["train", "--resume", "--run_path", str(run), "--num_steps", total]) == 0
    whole = ["train", "--config", str(config), "--run_path", str(tmp_path / "whole")]
    assert cli.main([*whole, "--num_steps", total]) == 0
    folders = [run, tmp_path / "whole"]
    contents = [(folder / "checkpoint_last.safetensors").read_bytes() for folder in folders]
    assert contents[0] == contents[1]
    rows = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["iteration"] for row in rows] == list(range(before + 3))


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_closed_stdout(config_file, tmp_path):
    run = tmp_path / "run"
    child = subprocess.Popen(
        [*WITHOUT_CURVE, "--config", str(config_file), "--run_path", str(run), "--num_steps", "20"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    child.stdout.close()
    err = child.stderr.read()
    child.wait(60)
    assert child.returncode == 0 and err == ""
    assert RunFolder(run).load_commit().state["iteration"] == 20


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_full_disk_is_said_and_harms_nothing(run_dir):
    import resource

    before = (run_dir / "checkpoint_last.safetensors").read_bytes()
    done = subprocess.run(
        [*MODULE, "--resume", "--run_path", str(run_dir), "--num_steps", "9"],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "File too large" in done.stderr and str(run_dir) in done.stderr
    assert "Traceback" not in done.stderr
    assert (run_dir / "checkpoint_last.safetensors").read_bytes() == before
    assert RunFolder(run_dir).load_commit().state["iteration"] == 3


def test_a_folder_that_cannot_be_written(config_file, tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    err = refused(capsys, "train", "--config", config_file, "--run_path", blocker)
    assert "is a file; expected a folder" in err
    assert (
        cli.main(["train", "--config", str(config_file), "--run_path", str(blocker / "run")]) == 1
    )
    assert str(blocker / "run") in capsys.readouterr().err


def test_eval(run_dir, capsys):
    assert cli.main(["eval", str(run_dir), "--num_episodes", "50", "--num_searches", "10"]) == 0
    out = capsys.readouterr().out
    assert "solved" in out and "95 %" in out and "shortest" in out
    assert "50, all solvable boards" in out
    assert cli.main(["eval", str(run_dir), "--num_episodes", "2", "--start", "reset"]) == 0
    assert f"scrambled at difficulty {SMALL['env']['difficulty']}\n" in capsys.readouterr().out
    words = ["eval", str(run_dir), "--num_episodes", "50", "--start", "reset", "--difficulty", "3"]
    assert cli.main([*words, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert cli.main([*words, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    del first["seconds"], again["seconds"]
    assert first == again
    assert first["difficulty"] == 3 and first["interval"][0] <= first["success"]
    assert first["proven"] == 1.0 and first["length_over_optimum"] >= 1.0


def test_eval_compares_strategies(run_dir, capsys):
    words = ["eval", str(run_dir), "--num_episodes", "50", "--strategy", "greedy,sample"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-3].startswith("play") and out[-2].startswith("greedy")
    assert cli.main([*words, "--json"]) == 0
    greedy, sample = json.loads(capsys.readouterr().out)
    assert (greedy["strategy"], sample["strategy"]) == ("greedy", "sample")
    assert sample["optimal"] <= 1.0 <= sample["length_over_optimum"]
    assert cli.main([*words, "--json", "--optimum_time_s", "0"]) == 0
    assert "proven" not in json.loads(capsys.readouterr().out)[0]


def test_who_waits_is_told_how_far_the_lessons_are(monkeypatch, capsys):
    monkeypatch.setattr("twisterl.cli.waiting.FIRST_S", 0.01)
    board = ["--env", "Puzzle", "width=3", "height=3", "8 7 5 3 2 0 4 6 1"]
    words = ["solve", "--strategy", "patterns", "--pattern_bytes", "4096"]
    assert cli.main([*words, "--pattern_boards", "100", *board]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("solved in ")
    assert re.search(r"^preparing lessons of boards: \d+%$", err, re.MULTILINE)


def test_play_without_a_run(capsys):
    board = ["--env", "Puzzle", "width=2", "height=3"]
    both = ["--strategy", "optimal,patterns", "--num_episodes", "10", "--json"]
    assert cli.main(["eval", *board, *both]) == 0
    for report in json.loads(capsys.readouterr().out):
        assert report["success"] == report["optimal"] == 1.0 and report["checkpoint"] is None
    assert cli.main(["solve", "--strategy", "patterns", *board, "5 4 2 1 3 0"]) == 0
    assert "times that" not in capsys.readouterr().out
    assert "expected patterns or optimal" in refused(capsys, "eval", *board)
    assert "RUN_DIR: is missing" in refused(capsys, "eval", "--strategy", "optimal")
    both = ["--strategy", "optimal", "--workers", "2"]
    assert "--workers: play a run" in refused(capsys, "eval", *board, *both)
    lamps = ["--strategy", "patterns", "--env", "LightsOut", "width=2", "height=2"]
    assert "no pattern databases" in refused(capsys, "solve", *lamps, "1 1 1 1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--num_episodes", "0"], "--num_episodes: got 0"),
        (["--num_searches", "-1"], "--num_searches: got -1"),
        (["--num_episodes", "1000000000"], "--num_episodes: got 1000000000"),
        (["--optimum_time_s", "nan"], "--optimum_time_s: got nan"),
        (["--difficulty", "3"], "belongs to --start reset"),
        (["--checkpoint", "none.safetensors"], "none.safetensors: no such file"),
    ],
)
def test_wrong_eval(run_dir, capsys, words, said):
    assert said in refused(capsys, "eval", run_dir, *words)


def test_commands_need_a_run(tmp_path, capsys):
    for words in (["eval", tmp_path], ["solve", tmp_path, "1 0 2 3"], ["play", tmp_path]):
        assert "base_config.json" in refused(capsys, *words)


def test_a_curve_is_drawn_of_a_run(run_dir, tmp_path, capsys, monkeypatch):
    for folder, status, said in ((run_dir, 0, "learning_curve.png"), (tmp_path, 2, "no such file")):
        monkeypatch.setattr(sys, "argv", ["plot", str(folder)])
        assert plot.main() == status
        out, err = capsys.readouterr()
        assert said in (out + err).lower() and (out + err).count("\n") == 1


def test_solve(run_dir, capsys):
    words = ["solve", str(run_dir), "1 0 2 3"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "solved in 1 move of the blank" in out and "the shortest solution has 1" in out
    assert cli.main([*words, "--show"]) == 0
    assert "│   │ 1 │" in capsys.readouterr().out
    assert cli.main(["solve", str(run_dir), "1", "0", "2", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["solved"] is True
    assert cli.main(["solve", str(run_dir), "0 1 2 3"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_solve_optimally(run_dir, capsys):
    hard = ["--env", "Puzzle", "width=4", "height=4"]
    board = "14 13 15 7 11 12 9 5 6 0 2 1 4 8 10 3"
    assert cli.main(["solve", "--optimal", *hard, board]) == 0
    out = capsys.readouterr().out
    assert "solved in 57 moves" in out and "no solution is shorter" in out
    lamps = "1 1 0 0 0 1" + 19 * " 0"
    assert cli.main(["solve", "--env", "LightsOut", lamps, "--optimal", "--json"]) == 0
    lamps = json.loads(capsys.readouterr().out)
    assert lamps["solved"] and lamps["optimum"] == len(lamps["actions"])
    assert cli.main(["solve", str(run_dir), "--optimal", "3", "2", "1", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["optimum"] == 6
    cut = ["solve", "--optimal", *hard, "--node_limit", "1000", board]
    assert cli.main(cut) == 1
    bound = int(re.search(r"at least (\d+) moves", capsys.readouterr().err)[1])
    # Its Manhattan distance is 41.
    assert 41 <= bound <= 57


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--env", "Pzzle", "--optimal", "1 0"], "did you mean Puzzle?"),
        (["--env", "Puzzle", "1 0 2 3"], "belongs to --optimal"),
        (["--env", "Puzzle", "width=0", "--optimal", "1 0"], "width: got 0"),
        (["--env", "Puzzle", "widht=2", "--optimal", "1 0"], "did you mean width?"),
        (["--env", "Puzzle", "--optimal"], "required"),
        (["--env", "Puzzle", "width=2", "--optimal"], "BOARD: is missing"),
        (["--env", "LightsOut", "--optimal", "1 0"], "state"),
        (["--env", "Puzzle", "--optimal", "--node_limit", "0", "1 0"], "--node_limit: got 0"),
        (
            ["--env", "Puzzle", "width=2", "height=2", "--optimal", "3 2 1 0", "--beam_width", "9"],
            "--beam_width: is for play by a policy",
        ),
    ],
)
def test_wrong_solve(capsys, words, said):
    if said == "required":
        with pytest.raises(SystemExit):
            cli.main(["solve", *words])
        assert said in capsys.readouterr().err
    else:
        assert said in refused(capsys, "solve", *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategy", "nonsense"], "--strategy: got"),
        (["--strategy", "beam,mcts"], "--strategy: got"),
        (["--strategy", "mcts", "--num_mcts_searches", "0"], "num_mcts_searches: expected"),
        (["--strategy", "beam", "--beam_width", "0"], "--beam_width: got 0"),
        (["--strategy", "beam", "--beam_width", "100000000"], "--beam_width: got 100000000"),
        (["--node_limit", "-5"], "--node_limit: got -5"),
        (["--time_limit_s", "nan"], "--time_limit_s: got NaN"),
        (["--num_searches", "0"], "--num_searches: got 0"),
        (["--delay", "nan"], "--delay: got nan"),
    ],
)
def test_wrong_searches(run_dir, capsys, words, said):
    assert said in refused(capsys, "solve", run_dir, "1 0 2 3", *words)


@pytest.mark.parametrize(
    ("board", "said"),
    [
        ("0 2 1 3", "parity"),
        ("0 1 2", "got 3 numbers; expected 4"),
        ("0 1 2 2", "2 more than once"),
        ("0 1 2 4", "got 4; expected the numbers 0 to 3"),
        ("a b c d", "expected integers"),
    ],
)
def test_wrong_boards(run_dir, capsys, board, said):
    assert said in refused(capsys, "solve", run_dir, board)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_is_trained_judged_and_solved(name, small, tmp_path, capsys):
    small["env_cls"] = name
    small["env"] = {"max_depth": 40}
    path, run = tmp_path / "config.json", str(tmp_path / "run")
    path.write_text(json.dumps(small))
    assert cli.main(["train", "--config", str(path), "--run_path", run, "--num_steps", "1"]) == 0
    words = ["--num_episodes", "20", "--optimum_time_s", "0"]
    assert cli.main(["eval", run, *words]) == 0
    assert "20, all solvable" in capsys.readouterr().out
    env = getattr(envs, name)(**REGISTRY["env_cls"][name][1]().model_dump())
    for seed in range(20):
        env.reset(seed=seed)
        if not env.success():
            break
    state = " ".join(map(str, env.get_state()))
    assert cli.main(["solve", run, state, "--num_searches", "1000", "--show"]) == 0
    out = capsys.readouterr().out
    assert "solved in" in out and any(f"{label}\n" in out for label in env.action_names())
    assert cli.main(["solve", run, state, "--num_searches", "1000", "--json"]) == 0
    for action in json.loads(capsys.readouterr().out)["actions"]:
        env.step(action)
    assert env.success()


def test_bench(capsys):
    words = ["bench", "--width", "2", "--height", "2", "--num_episodes", "16", "--difficulty", "2"]
    assert cli.main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"step_us", "solve_greedy_us", "train_sample_epochs_per_second"} <= set(figures)
    assert all(value > 0 for value in figures.values())
    assert "--width: got 99" in refused(capsys, "bench", "--width", "99")


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"twisterl {command or 'train'} " in out


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["trian"])
    assert ended.value.code == 2
    assert "did you mean train?" in capsys.readouterr().err
