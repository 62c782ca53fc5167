"""Every write, flush and rename of a short training fails in turn, as a full or broken disk would.

The method is that of SQLite's tests: the n-th call fails, for n = 1, 2, ... until none does.
"""

import errno
import itertools
import json
import os

import pytest

torch = pytest.importorskip("torch")

from twisterl import tensors  # noqa: E402
from twisterl.checkpoint import LAST, RunFolder, RunFolderError  # noqa: E402
from twisterl.train import Options, Training  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

CALLS = ("open", "fsync", "replace", "rename", "mkdir")


class Disk:
    """The calls of `os` that change a disk; the one with the number `failing` raises."""

    def __init__(self, monkeypatch, failing, code):
        self.count = 0
        for name in CALLS:
            monkeypatch.setattr(os, name, self.counted(getattr(os, name), failing, code))

    def counted(self, call, failing, code):
        def counting(path, *rest, **options):
            if call is REAL_OPEN:
                changes = bool(rest[0] & (os.O_WRONLY | os.O_RDWR))
            else:
                # Making a folder that is there changes nothing.
                changes = call is not REAL_MKDIR or not os.path.isdir(path)
            if changes:
                self.count += 1
                if self.count == failing:
                    raise OSError(code, os.strerror(code))
            # Waiting for the disk is not what is tested.
            return None if call is REAL_FSYNC else call(path, *rest, **options)

        return counting


REAL_OPEN, REAL_MKDIR, REAL_FSYNC = os.open, os.mkdir, os.fsync


def train(config_file, run):
    training = Training(Options(str(config_file), str(run), num_steps=2))
    training.start()
    training.learn()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_no_failing_call_tears_or_loses_a_run(small, config_file, tmp_path, code):
    small["algorithm"]["logging"].update(log_freq=0, checkpoint_freq=1)
    small["algorithm"]["collecting"]["num_episodes"] = 4
    small["algorithm"]["evals"]["ppo_1"]["num_episodes"] = 2
    config_file.write_text(json.dumps(small))
    for number in itertools.count(1):
        run = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as monkeypatch:
            disk = Disk(monkeypatch, number, code)
            try:
                train(config_file, run)
                failed = None
            except OSError as error:
                failed = error
        if disk.count < number:
            assert failed is None and RunFolder(run).last_iteration() == 2
            break
        assert failed is not None and failed.errno == code, f"call {number} failed unnoticed"
        left = [path.name for path in run.rglob("*.tmp-*")] if run.exists() else []
        assert not left, f"call {number}"
        if (run / LAST).exists():
            tensors.read(run / LAST)
        resumed = prepare_algorithm(small, run)
        try:
            resumed.resume()
        except RunFolderError:
            assert RunFolder(run).last_iteration() is None, f"call {number} lost a commit"
            continue
        assert resumed.iteration in (1, 2)
    assert number > 30
