"""Every call of a short training that changes a file fails in turn, as on a full or broken disk.

The method is that of SQLite's tests: the n-th call fails, for n = 1, 2, ... until none does. The
calls are those of the C library, so that TensorBoard's and those of Python's files are met too.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

HERE = Path(__file__).parent
COMPILER = shutil.which("cc")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="preloads a library of C on Linux"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "failing_disk.so"
    source = HERE / "failing_disk.c"
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", source, "-o", path, "-ldl"]
    subprocess.run(command, check=True)
    return path


def test_no_failing_call_tears_or_loses_a_run(small, config_file, library, tmp_path):
    small["algorithm"]["logging"]["checkpoint_freq"] = 1
    small["algorithm"]["collecting"]["num_episodes"] = 4
    small["algorithm"]["evals"]["ppo_1"]["num_episodes"] = 2
    config_file.write_text(json.dumps(small))
    # In the soak every run is finished, and every call fails in both ways.
    step = "1" if os.environ.get("SOAK") else "13"
    command = [sys.executable, HERE / "failing_disk.py", library, config_file, tmp_path, step]
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 60
