"""Who may write into a run folder, when a run saves and ends, and what stays of it."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

torch = pytest.importorskip("torch")

from twisterl import cli  # noqa: E402
from twisterl.checkpoint import LOCK, RunFolder, RunFolderError  # noqa: E402
from twisterl.run_lock import RunLock  # noqa: E402
from twisterl.train import Options, Training  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

posix = pytest.mark.skipif(os.name == "nt", reason="signals and links of POSIX")
MODULE = [sys.executable, "-m", "twisterl.train"]


def train(config_file, run, *words):
    return cli.main(["train", "--config", str(config_file), "--run_path", str(run), *words])


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def begun(config_file, run, *words):
    """A training process that has played two iterations of an endless run."""
    child = subprocess.Popen(
        [*MODULE, "--config", str(config_file), "--run_path", str(run), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(2):
        assert child.stdout.readline().startswith("iteration")
    return child


def test_a_second_training_is_refused_and_writes_nothing(config_file, tmp_path, capsys):
    run = tmp_path / "run"
    first = Training(Options(str(config_file), str(run), num_steps=1))
    first.start()
    before = contents(run)
    for words in ([], ["--resume"], ["--overwrite"]):
        assert train(config_file, run, "--num_steps", "2", *words) == 2
        assert f"process {os.getpid()} " in capsys.readouterr().err
    assert contents(run) == before
    first.learn()
    assert train(config_file, run, "--num_steps", "2", "--resume") == 0


def test_two_algorithms_of_one_program_do_not_share_a_folder(small, tmp_path):
    first, second = (prepare_algorithm(small, tmp_path) for _ in range(2))
    with first.lock():
        with first.lock():
            pass
        with pytest.raises(RunFolderError, match=rf"process {os.getpid()} .* is writing here"):
            second.learn(1)
    second.learn(1)
    assert (tmp_path / LOCK).read_bytes() == b""


@posix
def test_a_killed_training_leaves_no_lock(config_file, tmp_path):
    run = tmp_path / "run"
    child = begun(config_file, run)
    with pytest.raises(RunFolderError, match=f"process {child.pid} "), RunLock(run):
        pass
    child.kill()
    child.communicate()
    with RunLock(run):
        pass


@posix
@pytest.mark.parametrize("name", ["metrics.jsonl", "lock", "resume", "base_config.json"])
def test_a_planted_link_is_not_followed(config_file, tmp_path, capsys, name):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    (run / name).symlink_to(outside)
    assert train(config_file, run, "--num_steps", "1") == 2
    assert "is a symbolic link" in capsys.readouterr().err
    assert not outside.exists()
    algorithm = prepare_algorithm(json.loads(config_file.read_text()), run)
    if name != "base_config.json":
        with pytest.raises(OSError):
            algorithm.learn(1)
    assert not outside.exists()


@posix
def test_a_closed_terminal_saves_and_a_signal_of_ones_choice_goes_on(config_file, tmp_path):
    run = tmp_path / "run"
    config = json.loads(config_file.read_text())
    config["algorithm"]["logging"]["checkpoint_freq"] = 0
    config_file.write_text(json.dumps(config))
    # Whoever started the tests may ignore it, as nohup does, and a child goes on so.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    child = begun(config_file, run, "--save-signal", "USR2")
    assert RunFolder(run).last_iteration() is None
    child.send_signal(signal.SIGUSR2)
    for _ in range(3):
        assert child.stdout.readline().startswith("iteration")
    assert RunFolder(run).last_iteration() >= 2
    child.send_signal(signal.SIGHUP)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 129 and "ended by SIGHUP" in out and "Traceback" not in err
    rows = (run / "metrics.jsonl").read_text().splitlines()
    assert RunFolder(run).last_iteration() == len(rows) >= 5


def test_signals_that_end_a_run_cannot_save_it(config_file, tmp_path, capsys):
    if os.name == "nt":
        pytest.skip("signals of POSIX")
    for name in ("TERM", "sigkill", "USR9"):
        assert train(config_file, tmp_path / "run", "--save-signal", name) == 2
        assert f"--save-signal: got '{name}'" in capsys.readouterr().err


@posix
def test_a_removed_folder_is_an_error(small, tmp_path, capsys):
    run = tmp_path / "run"

    def remove():
        while run.exists():  # TensorBoard's thread may put a file into it meanwhile.
            shutil.rmtree(run, ignore_errors=True)

    algorithm = prepare_algorithm(small, run)
    algorithm.subscribe(lambda progress: remove() if progress.iteration == 1 else None)
    with pytest.raises(FileNotFoundError, match=r"removed or replaced .*metrics\.jsonl"):
        algorithm.learn(5)
    assert not run.exists() and algorithm.iteration == 3
    algorithm = prepare_algorithm(small, run)
    algorithm.subscribe(lambda _: remove())
    with pytest.raises(FileNotFoundError):
        algorithm.learn(1)


def test_a_run_stays_where_it_began(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    algorithm = prepare_algorithm(small, "run")
    (tmp_path / "elsewhere").mkdir()
    algorithm.subscribe(lambda _: os.chdir(tmp_path / "elsewhere"))
    algorithm.learn(2)
    assert algorithm.run_path == "run"
    assert RunFolder(tmp_path / "run").last_iteration() == 2
    assert not any((tmp_path / "elsewhere").iterdir())


def shown_steps(run, tag):
    """The steps that TensorBoard's own server shows."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    found = EventAccumulator(str(run))
    found.Reload()
    return [event.step for event in found.Tensors(tag)]


def test_tensorboard_gets_one_folder_and_each_iteration_once(small, tmp_path):
    small["algorithm"]["logging"]["checkpoint_freq"] = 0
    first = prepare_algorithm(small, tmp_path)
    first.learn(2)
    for _ in range(2):
        # What is killed after its commit has told TensorBoard of more.
        lost = prepare_algorithm(small, tmp_path)
        lost.resume()
        lost.save = lambda: None
        lost.learn(3)
        lost.tb_writer.flush()
    last = prepare_algorithm(small, tmp_path)
    last.resume()
    last.learn(3)
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["resume"]
    assert shown_steps(tmp_path, "Benchmark/success") == [0, 1, 2, 3, 4]


def test_writers_end_with_their_algorithms(small, tmp_path):
    before = threading.active_count()
    for number in range(4):
        prepare_algorithm(small, tmp_path / str(number)).learn(1)
        gc.collect()
    assert threading.active_count() <= before + 1


def test_rerun_replaces_what_it_has_made_and_no_more(small, config_file, tmp_path, capsys):
    run = tmp_path / "run"
    small["algorithm"]["learning"]["num_steps"] = 2
    config_file.write_text(json.dumps(small))
    for _ in range(2):
        assert train(config_file, run, "--rerun") == 0
    assert RunFolder(run).last_iteration() == 2
    assert cli.main(["train", "--resume", "--run_path", str(run), "--num_steps", "3"]) == 0
    before = contents(run)
    assert train(config_file, run, "--rerun") == 2
    assert "--resume continues it, --overwrite drops it" in capsys.readouterr().err
    assert contents(run) == before


def test_commits_are_kept_as_asked(small, tmp_path):
    small["algorithm"]["logging"].update(checkpoint_freq=1, keep_last=2, keep_every=3)
    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.learn(8)
    states = [json.loads(path.read_text()) for path in tmp_path.glob("resume/*/state.json")]
    assert sorted(state["iteration"] for state in states) == [3, 6, 7, 8]
    resumed = prepare_algorithm(small, tmp_path)
    resumed.resume()
    assert resumed.iteration == 8


def test_time_ends_a_run_that_goes_on_with_more(small, config_file, tmp_path):
    run = tmp_path / "run"
    assert train(config_file, run, "--num_steps", "50", "--time-budget", "0.000001") == 0
    assert RunFolder(run).last_iteration() == 1
    resume = ["train", "--resume", "--run_path", str(run), "--num_steps", "3"]
    assert cli.main([*resume, "--time-budget", "1000"]) == 0
    assert RunFolder(run).last_iteration() == 3


def test_a_run_without_progress_ends(small, tmp_path):
    small["algorithm"]["learning"].update(patience=3, diff_max=1)
    small["algorithm"]["optimizer"]["lr"] = 1e-12
    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.best_metrics = (10, 1.0, 1.0)
    algorithm.learn(2)
    resumed = prepare_algorithm(small, tmp_path)
    resumed.resume()
    resumed.learn(20)
    assert resumed.iteration == 3
