"""Standard streams of every kind: what is done is not lost to them, and the status is right."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from forked import forked
from trainings import NO_CURVE

pytest.importorskip("torch")

from twisterl.runs.folder import RunFolder

POSIX = pytest.mark.skipif(os.name == "nt", reason="descriptors of POSIX")
BOARD = "3 2 1 0"
SOLVE = ["solve", "--optimal", "--env", "Puzzle", "width=2", "height=2", BOARD]


def run(*words, module="twisterl", unbuffered=False, environment=(), **streams):
    """The finished process of a command; stdout and stderr are read unless they are given."""
    environment = {"PYTHONUNBUFFERED": "1" if unbuffered else "", **dict(environment)}
    return forked(words, module=module, environment=environment, **streams)


def started(*words, closed=(), environment=(), **streams):
    """As `run`, by Python from the start: with descriptors that are closed, as by `>&-` of a shell,
    or with an encoding.
    """

    def close():
        for descriptor in closed:
            os.close(descriptor)

    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    environment = {**os.environ, **dict(environment)}
    return subprocess.run(
        [sys.executable, "-m", "twisterl", *map(str, words)],
        env=environment, check=False, timeout=120, stdin=subprocess.DEVNULL, preexec_fn=close,
        **streams,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "ascii:strict", "cp437"])
def test_boards_in_every_encoding(encoding):
    begin = started if encoding == "cp437" else run
    done = begin(*SOLVE, "--show", environment={"PYTHONIOENCODING": encoding, "LC_ALL": "C"})
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode(encoding.partition(":")[0])
    assert "solved in 6 moves" in shown
    if encoding in ("utf-8", "cp437"):
        assert "│ 3 │ 2 │" in shown
    else:
        assert "+---+---+\n| 3 | 2 |\n+---+---+" in shown.replace(os.linesep, "\n")


def test_names_that_an_encoding_lacks(config_file, tmp_path):
    folder = tmp_path / "läuft ▁ 日本"
    environment = {"PYTHONIOENCODING": "ascii"}
    words = ["train", "--config", config_file, "--run_path", folder, "--num_steps", "1"]
    done = run(*words, environment=environment, before=NO_CURVE)
    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode("ascii")
    assert "iteration 0" in said and "saved in" in said and r"\u65e5\u672c" in said
    # Also of what is wrong, and by the other programs.
    done = run("eval", tmp_path / "日本", environment=environment)
    assert done.returncode == 2 and done.stderr.startswith(b"error: ")
    assert b"Traceback" not in done.stderr
    done = run(folder, module="twisterl.plot", environment=environment)
    assert done.returncode == 0 and b"learning_curve.png" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_a_name_that_is_no_text(config_file, tmp_path):
    """It is printed byte by byte; a run's folder may not have one, which TensorBoard refuses."""
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    done = run("--config", config_file, "--run_path", name, module="twisterl.train")
    assert done.returncode == 2 and b"--run_path: got " in done.stderr
    assert os.listdir(tmp_path) == [config_file.name]
    done = run("eval", name)
    assert done.returncode == 2 and done.stderr.startswith(b"error: " + os.fsencode(name))


NO_RUN = ["eval", "none"]
PLAY = ["play", "--width", "2", "--height", "2"]
# What is printed there, and what goes to the other.
CLOSED = {
    (1,): [
        (SOLVE, 0),
        (PLAY, 0),
        (["--help"], 0),
        (NO_RUN, 2),
    ],
    (2,): [(SOLVE, 0), (["train", "--nonsense"], 2), (NO_RUN, 2)],
    (0, 1, 2): [(SOLVE, 0), (["train", "--nonsense"], 2), (NO_RUN, 2)],
}


@POSIX
@pytest.mark.parametrize("gone", CLOSED)
def test_closed_streams(gone):
    streams = {name: None for number, name in ((1, "stdout"), (2, "stderr")) if number in gone}
    for words, status in CLOSED[gone]:
        begin = started if words == SOLVE else run
        done = begin(*words, closed=gone, **streams)
        assert done.returncode == status, (words, done)
        # What is wrong goes to stderr or nowhere.
        assert b"error: " not in (done.stdout or b"")
        if 2 not in gone:
            assert b"Traceback" not in done.stderr
            assert done.stderr.startswith(b"error: ") == (status == 2)


@POSIX
def test_training_with_closed_streams(config_file, tmp_path):
    folder = tmp_path / "run"
    words = ["train", "--config", config_file, "--run_path", folder, "--num_steps", "2"]
    done = started(*words, closed=(0, 1, 2), stdout=None, stderr=None)
    assert done.returncode == 0
    assert RunFolder(folder).load_commit().state["iteration"] == 2
    # No file of the run has got the number of a stream, and with it what is printed.
    for path in folder.rglob("*"):
        assert not path.is_file() or b"iteration 0  difficulty" not in path.read_bytes(), path
    done = run(folder, module="twisterl.plot", closed=[1], stdout=None)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def full():
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no device that is always full")
    with open("/dev/full", "w") as device:
        yield device


FULL = os.strerror(errno.ENOSPC).encode()


def test_training_onto_a_full_disk_behind_stdout(config_file, tmp_path, full):
    folder = tmp_path / "run"
    words = ["train", "--config", config_file, "--run_path", folder, "--num_steps", "2"]
    done = run(*words, stdout=full, before=NO_CURVE)
    # What was asked for is the run, which is whole; that its lines are not is said.
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1 and FULL in done.stderr
    assert RunFolder(folder).load_commit().state["iteration"] == 2
    done = run(folder, module="twisterl.plot", stdout=full)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and FULL in done.stderr


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_full_disk_behind_stdout(full, unbuffered):
    for words in (SOLVE, ["--help"], [*SOLVE, "--json"]):
        done = run(*words, unbuffered=unbuffered, stdout=full)
        assert done.returncode == 1 and FULL in done.stderr, words
        assert done.stderr.count(b"\n") == 1, done.stderr
    # An error that nobody hears is one all the same.
    words = ["train", "--nonsense"] if unbuffered else NO_RUN
    assert run(*words, unbuffered=unbuffered, stderr=full).returncode == 2


@POSIX
@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_reader_that_has_left(unbuffered):
    ours, theirs = os.pipe()
    os.close(ours)
    done = run(*SOLVE, unbuffered=unbuffered, stdout=theirs)
    assert (done.returncode, done.stderr) == (0, b"")
    # Whether there is a solution is told by the status, which somebody may read all the same.
    unsolved = [*SOLVE, "--json", "--node_limit", "1"]
    done = run(*unsolved, unbuffered=unbuffered, stdout=theirs)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process waits for")
def test_a_pipe_that_is_full_for_a_moment():
    """Its writer waits, although the pipe was opened not to wait."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = 0
    try:
        while True:
            before += os.write(theirs, b"." * 65536)
    except BlockingIOError:
        pass
    found = []

    def read_all():
        with os.fdopen(ours, "rb") as pipe:
            found.append(pipe.read())

    reader = threading.Thread(target=read_all)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "twisterl", *SOLVE, "--show"], stdout=theirs, env=environment
    )
    os.close(theirs)
    # Nobody reads before it has ended, which it should not, or waits for a reader.
    until = time.monotonic() + 60
    while child.poll() is None and not waits_for_a_reader(child) and time.monotonic() < until:
        time.sleep(0.02)
    reader.start()
    assert child.wait(120) == 0
    reader.join(120)
    assert found[0][before:].decode().startswith("┌") and b"no solution is shorter" in found[0]


def waits_for_a_reader(child):
    try:
        return "pipe" in Path(f"/proc/{child.pid}/wchan").read_text()
    except OSError:
        return False
