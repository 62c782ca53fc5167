"""Short slices of `make soak`: the same kills and configs every time."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="forks, and reads /proc"
)
HERE = Path(__file__).resolve().parent


def soak(*words):
    # A process of its own: what forks must not have threads.
    command = [sys.executable, HERE / words[0], *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_runs_end_as_if_nothing_had_been():
    assert "0 torn, 0 lost, all equal" in soak(
        "kills.py", "--count", "12", "--processes-every", "0"
    )


def test_mutated_configs_are_refused_or_train():
    assert "150 configs: " in soak("configs.py", "--count", "150", "--train-every", "4")
