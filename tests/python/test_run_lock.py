"""One training at a time writes into a run folder."""

import os

import pytest

torch = pytest.importorskip("torch")

from trainings import begun, contents, train, trained  # noqa: E402
from twisterl.runs.errors import RunFolderError  # noqa: E402
from twisterl.runs.folder import LOCK, RunFolder  # noqa: E402
from twisterl.runs.lock import RunLock  # noqa: E402
from twisterl.train import Options, Training  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


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
def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    ready, wait = os.pipe(), os.pipe()
    lock = RunLock(tmp_path)
    with lock:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with lock:
                    pass
            except RunFolderError:
                status = 0
            os.write(ready[1], b".")
            os.read(wait[0], 1)
            os._exit(status)
        os.read(ready[0], 1)
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} ")
    try:
        with RunLock(tmp_path):
            pass
    finally:
        os.write(wait[1], b".")
        _, status = os.waitpid(child, 0)
    assert status == 0


def test_a_run_that_grew_before_it_was_locked_is_kept(small, config_file, tmp_path):
    run = tmp_path / "run"
    trained(config_file, run, num_steps=1)
    again = Training(Options(str(config_file), str(run), num_steps=1, rerun=True))
    trained(config_file, run, num_steps=2, resume=True)
    with pytest.raises(RunFolderError, match="already holds a run"):
        again.start()
    assert RunFolder(run).last_iteration() == 2
