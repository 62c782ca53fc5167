"""Signals save a run, end it, or both; and are a program's own again afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from trainings import begun, train  # noqa: E402
from twisterl.runs import dashboard  # noqa: E402
from twisterl.runs.folder import RunFolder  # noqa: E402
from twisterl.runs.metrics import Metrics  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@posix
def test_a_closed_terminal_saves_and_a_signal_of_ones_choice_goes_on(config_file, tmp_path):
    run = tmp_path / "run"
    config = json.loads(config_file.read_text())
    config["algorithm"]["logging"]["checkpoint_freq"] = 0
    config_file.write_text(json.dumps(config))
    # Whoever started the tests may ignore it, as nohup does, and a child goes on so.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    child = begun(config_file, run, "--save-signal", "USR2")
    signal.signal(signal.SIGHUP, before)
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


def test_a_program_that_calls_a_command_keeps_its_handlers(config_file, tmp_path):
    names = ("SIGINT", "SIGHUP", "SIGXCPU", "SIGUSR1")
    numbers = [getattr(signal, name, signal.SIGINT) for name in names]
    before = [signal.getsignal(number) for number in numbers]
    assert train(config_file, tmp_path / "run", "--dry-run") == 0
    assert [signal.getsignal(number) for number in numbers] == before


def test_an_interrupted_run_that_cannot_be_saved_says_so(small, tmp_path):
    small["algorithm"]["logging"]["checkpoint_freq"] = 0
    algorithm = prepare_algorithm(small, tmp_path)

    def interrupt(_):
        (tmp_path / "metrics.jsonl").unlink()
        raise KeyboardInterrupt

    algorithm.subscribe(interrupt)
    with pytest.raises(FileNotFoundError):
        algorithm.learn(3)


@pytest.mark.parametrize("moment", ["before its line", "after its line"])
def test_an_iteration_that_counts_has_its_line(small, tmp_path, monkeypatch, moment):
    """Wherever the interruption comes between the two; and the best weights."""
    algorithm = prepare_algorithm(small, tmp_path)
    write = Metrics.write

    def interrupted(metrics, progress):
        is_third = progress.iteration == 2
        if not is_third or moment == "after its line":
            write(metrics, progress)
        if is_third:
            monkeypatch.setattr(Metrics, "write", write)
            raise KeyboardInterrupt

    monkeypatch.setattr(Metrics, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        algorithm.learn(9)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [0, 1, 2]
    assert RunFolder(tmp_path).last_iteration() == 3
    algorithm.learn(1)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


@posix
def test_an_ignored_signal_stays_so_and_a_cpu_limit_saves(config_file, tmp_path):
    run = tmp_path / "run"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    child = begun(config_file, run)
    signal.signal(signal.SIGHUP, before)
    child.send_signal(signal.SIGHUP)
    for _ in range(2):
        assert child.stdout.readline().startswith("iteration")
    child.send_signal(signal.SIGXCPU)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 128 + signal.SIGXCPU and "ended by SIGXCPU" in out
    assert RunFolder(run).last_iteration() == len((run / "metrics.jsonl").read_text().splitlines())


@posix
def test_a_signal_after_the_end_ends_a_command_at_once():
    kill = "atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))"
    code = f"import atexit, os, signal; from twisterl import cli; {kill}; cli.entry(['--version'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGTERM


class Ended(KeyboardInterrupt):
    pass


def queue_of(writer):
    """That of torch's writer, through which its thread is told; None of ours."""
    found = getattr(writer, "file_writer", None)
    return found and found.event_writer._async_writer._byte_queue


def ended(number, frame):
    raise Ended


@pytest.fixture(params=[True, False], ids=["torch's", "ours"])
def dashboard_of_run(request, tmp_path, monkeypatch):
    monkeypatch.setattr(dashboard, "_FLUSH_S", 0.2)
    owner = dashboard.Dashboard()
    owner.give(dashboard._make_writer(tmp_path, 0, owner, request.param))
    owner.flush()
    return owner


def test_a_signal_among_the_figures_comes_after_them(dashboard_of_run, tmp_path):
    writer = dashboard_of_run.made
    # Torch's has a queue, which a signal in the middle of it would break.
    queue = queue_of(writer)
    owner, name = (queue, "_put") if queue else (writer, "add_scalar")
    go_on = getattr(owner, name)

    def interrupted(*told, **options):
        setattr(owner, name, go_on)
        go_on(*told, **options)
        signal.raise_signal(signal.SIGTERM)

    setattr(owner, name, interrupted)
    losses, times = {"total": 1.0, "policy": 2.0}, {"total": 3.0, "last": 4.0}
    figures = SimpleNamespace(iteration=0, losses=losses, times=times, evaluations={})
    vars(figures).update(difficulty=1, success=0.5, reward=0.5)
    before = signal.signal(signal.SIGTERM, ended)
    try:
        with pytest.raises(Ended):
            dashboard.write_scalars(writer, figures)
        assert signal.getsignal(signal.SIGTERM) is ended
    finally:
        signal.signal(signal.SIGTERM, before)
    dashboard_of_run.flush()
    assert b"Times/last" in next(tmp_path.iterdir()).read_bytes()


@pytest.mark.parametrize("dashboard_of_run", [True], indirect=True)
def test_what_the_writing_thread_was_not_told_of_hangs_no_flush(dashboard_of_run):
    """Somebody else's figure, cut off."""
    writer = dashboard_of_run.made
    queue = queue_of(writer)
    with queue.mutex:
        queue.queue.append(b"cut off")
        queue.unfinished_tasks += 1
    begin = time.monotonic()
    dashboard_of_run.flush()
    assert time.monotonic() - begin < 5
    writer.close()
