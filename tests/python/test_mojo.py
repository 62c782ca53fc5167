"""The built Mojo trainer from outside: faults in one line, files that stay, runs as in Rust."""

import errno
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from twisterl import cli, train, utils
from twisterl.nn import BasicPolicy

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import mojo_tests  # noqa: E402

CONFIG = json.loads((ROOT / "examples" / "es_puzzle8_v1.json").read_text())
LAST = "checkpoint_last.safetensors"

pytestmark = pytest.mark.skipif(shutil.which("mojo") is None, reason="there is no mojo command")


def config(**algorithm):
    found = json.loads(json.dumps(CONFIG))
    found["env"]["difficulty"] = 6
    found["algorithm"]["collecting"].update(num_pairs=4, num_episodes=8)
    found["algorithm"]["training"]["num_generations"] = 2
    found["algorithm"]["learning"]["num_steps"] = 3
    found["algorithm"]["evals"]["uniform"]["num_episodes"] = 20
    found["algorithm"]["logging"] = {"log_freq": 0, "checkpoint_freq": 1}
    for section, values in algorithm.items():
        found["algorithm"].setdefault(section, {}).update(values)
    return found


@pytest.fixture(scope="session")
def trainer():
    os.environ["MODULAR_TELEMETRY_ENABLED"] = "0"
    return mojo_tests.built("train_puzzle")


@pytest.fixture
def run(trainer, tmp_path):
    """Runs the trainer with a config in a file and further options."""

    def run(content=None, *options, **more):
        path = tmp_path / "config.json"
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        command = [str(trainer), "--config", str(path), "--out", str(tmp_path / "run"), *options]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, **more
        )

    return run


def refused(done, *words):
    """One line on standard error that says all of `words`, and a failure."""
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def with_size(side):
    found = config()
    found["env"].update(width=side, height=side)
    return found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["is not JSON", "line 1"]),
        (config(training={"sigmaa": 1}), ["algorithm.training.sigmaa", "did you mean sigma"]),
        (config(training={"sigma": -1}), ["algorithm.training.sigma", "above 0", "-1"]),
        (with_size(7), ["env: expected a board of 2x2, 3x3, 4x4 or 5x5", "7x7"]),
        ("[" * 10_000, ["is not JSON", "nested deeper than 64 levels"]),
        ("", ["is not JSON", "line 1 column 1"]),
        (None, ["config.json", "no such file"]),
    ],
    ids=["no JSON", "unknown key", "range", "size", "deep", "empty", "missing file"],
)
def test_configs_that_are_refused(run, tmp_path, content, words):
    refused(run(content), *words)
    assert not (tmp_path / "run").exists()


def test_a_mark_of_the_byte_order_is_no_part_of_a_config(run):
    """Editors of Windows write one; Python and Rust read past it."""
    done = run("\ufeff" + json.dumps(config(training={"sigma": -1})))
    refused(done, "algorithm.training.sigma")


def test_options_that_are_refused(run):
    refused(run(config(), "--seeds", "1"), "--seeds", "--help")
    refused(run(config(), "--seed", "-1"), "--seed", "9223372036854775807", "-1")
    refused(run(config(), "--seed", str(2**63)), "--seed", "9223372036854775807")
    refused(run(config(), "--seed", "abc"), "--seed", "abc")
    refused(run(config(), "--threads", "-1"), "--threads", "-1")
    refused(run(config(), "--threads"), "--threads", "expected a value")
    refused(run(config(), "--resume", "--threads", "2"), "--resume", "expected a value")
    refused(run(config(), "--config", str(ROOT)), "is not a regular file")
    refused(run(config(), "--out", ""), "--out", "expected a value")
    done = run(config(), "--help")
    assert done.returncode == 0
    for word in ("usage", "--config", "--seed", "--resume", "--out", "examples", "Ctrl-C"):
        assert word in done.stdout


def test_the_largest_seed_is_the_same_in_rust(run, tmp_path):
    found = config()
    found["algorithm"]["seed"] = 2**63 - 1
    assert run(found).returncode == 0
    train.main(tmp_path / "config.json", tmp_path / "rust")
    assert_equal_files(tmp_path / "run" / LAST, tmp_path / "rust" / LAST)


def assert_equal_files(one, other):
    """The same tensors, bit for bit."""
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.array_equal(value, second[name]), name


def test_models_that_are_refused(run, tmp_path):
    assert run(config()).returncode == 0
    good = (tmp_path / "run" / LAST).read_bytes()
    model = tmp_path / "model.safetensors"
    model.write_bytes(good[: len(good) // 2])
    refused(run(config(), "--resume", str(model)), "model.safetensors")
    model.write_bytes(b"not a model at all")
    refused(run(config(), "--resume", str(model)), "model.safetensors")
    save_file({"weight": np.zeros((3, 3), np.float32)}, model)
    refused(run(config(), "--resume", str(model)), "model.safetensors", "does not fit")
    refused(run(config(), "--resume", str(tmp_path / "none")), "no such file")
    assert (tmp_path / "run" / LAST).read_bytes() == good


def test_a_full_disk_leaves_the_model_before(run, tmp_path):
    assert run(config()).returncode == 0
    before = (tmp_path / "run" / LAST).read_bytes()

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    refused(run(config(), "--seed", "5", preexec_fn=small_files), "cannot be written")
    assert (tmp_path / "run" / LAST).read_bytes() == before
    assert not list((tmp_path / "run").glob("*.tmp-*"))


def test_a_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "run").write_text("in the way")
    refused(run(config()), "is a file")
    (tmp_path / "run").unlink()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LAST).mkdir()  # Also root cannot replace a folder by a file.
    refused(run(config()), LAST, "cannot be written")
    if os.geteuid() != 0:
        (tmp_path / "run" / LAST).rmdir()
        (tmp_path / "run").chmod(0o500)
        refused(run(config()), "cannot be written")


def test_ctrl_c_leaves_a_model(trainer, run, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(learning={"num_steps": 10_000_000})))
    command = [str(trainer), "--config", str(path), "--out", str(tmp_path / "run")]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (tmp_path / "run" / LAST).exists() and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    BasicPolicy([9, 9], 4, 32, []).load_state_dict(utils.load_checkpoint(tmp_path / "run" / LAST))
    assert run(config(), "--resume", str(tmp_path / "run" / LAST)).returncode == 0


def test_mojo_rust_and_python_hand_a_model_round(run, tmp_path):
    """Equal runs give equal models, and each language begins with the model of the other."""
    assert run(config()).returncode == 0
    train.main(tmp_path / "config.json", tmp_path / "rust")
    assert_equal_files(tmp_path / "run" / LAST, tmp_path / "rust" / LAST)
    path = tmp_path / "from_python.safetensors"
    shutil.copy(tmp_path / "rust" / LAST, path)
    path_in_mojo = tmp_path / "run" / LAST
    more = config(learning={"num_steps": 2})
    assert run(more, "--resume", str(path)).returncode == 0
    algorithm = utils.prepare_algorithm(more, None, str(path))
    algorithm.learn(2)
    for name, value in load_file(path_in_mojo).items():
        assert np.array_equal(value, algorithm.policy.state_dict()[name].numpy()), name


def closing(*descriptors):
    """For `preexec_fn`: the process begins with these closed, as `>&-` of a shell does."""

    def close():
        for descriptor in descriptors:
            os.close(descriptor)

    return close


def test_streams_that_take_nothing(trainer, tmp_path):
    """A run is made and saved, wherever what it prints goes."""
    path, folder = tmp_path / "config.json", tmp_path / "run"
    path.write_text(json.dumps(config(logging={"log_freq": 1, "checkpoint_freq": 0})))
    command = [str(trainer), "--config", str(path), "--out", str(folder)]

    def trained(said=b"", **streams):
        pipe = {} if "preexec_fn" in streams else {"stderr": subprocess.PIPE}
        done = subprocess.run(command, check=False, timeout=120, **pipe, **streams)
        assert (done.returncode, done.stderr or b"") == (0, said), streams
        assert (folder / LAST).exists() and (folder / "metrics.jsonl").exists(), streams
        # No file of the run has got the number of a stream.
        assert all(b"generation" not in file.read_bytes()[:10] for file in folder.iterdir())
        shutil.rmtree(folder)

    trained(preexec_fn=closing(1))
    trained(preexec_fn=closing(0, 1, 2))
    ours, theirs = os.pipe()
    os.close(ours)
    trained(stdout=theirs)
    os.close(theirs)
    if os.path.exists("/dev/full"):
        lost = f"standard output: {os.strerror(errno.ENOSPC)}"
        with open("/dev/full", "w") as full:
            trained(f"{lost}; the run goes on without it\n".encode(), stdout=full)
            helped = subprocess.run(
                [str(trainer), "--help"], check=False, stdout=full, stderr=subprocess.PIPE
            )
        assert (helped.returncode, helped.stderr.decode()) == (1, f"error: {lost}\n")
    # What is wrong has its status, though nobody hears of it.
    wrong = [str(trainer), "--nonsense"]
    done = subprocess.run(wrong, check=False, preexec_fn=closing(1, 2), timeout=120)
    assert done.returncode == 1


def test_the_example_is_saved_where_the_next_command_looks(trainer, tmp_path, monkeypatch, capsys):
    for folder in ("examples", "mojo"):
        (tmp_path / folder).mkdir()
    (tmp_path / "examples" / "es_puzzle8_v1.json").write_text(json.dumps(config()))
    (tmp_path / "mojo" / "train_puzzle.mojo").write_text("")
    for started_in in (tmp_path, tmp_path / "mojo"):
        done = subprocess.run(
            [str(trainer)], cwd=started_in, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "runs" / "es_puzzle8_v1" / LAST).exists()
        assert not (tmp_path / "mojo" / "runs").exists()
        # The command that it prints is tried where it is printed.
        words = shlex.split(done.stdout.splitlines()[-1].partition("; try: ")[2])
        assert words[:2] == ["twisterl", "eval"]
        monkeypatch.chdir(started_in)
        assert cli.main([*words[1:], "--num_episodes", "5", "--optimum_time_s", "0"]) == 0
        assert "solved" in capsys.readouterr().out
        shutil.rmtree(tmp_path / "runs")


def test_printed_commands_are_quoted(trainer, run, tmp_path):
    folder = tmp_path / "it's a run of $5; & more"
    done = run(config(), "--out", str(folder))
    assert done.returncode == 0, done.stderr
    command = done.stdout.splitlines()[-1].partition("; try: ")[2]
    assert shlex.split(command) == ["twisterl", "eval", str(folder)]
    plain = run(config()).stdout.splitlines()[-1]
    assert plain.endswith(f"; try: twisterl eval {tmp_path / 'run'}")
