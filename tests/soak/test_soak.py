"""Short slices of `make soak`: the same kills and configs every time."""

import re
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
    assert "0 torn, 0 lost, all equal" in soak("kills.py", "--count", "6", "--processes-every", "0")


def test_mutated_configs_are_refused_or_train():
    assert "75 configs: " in soak("configs.py", "--count", "75", "--train-every", "4")


def test_what_is_asked_of_rusts_tests_is_there():
    """A filter that fits no test runs none, and ends well."""
    root = HERE.parents[1]
    asking = [
        *HERE.glob("*.py"),
        root / "scripts" / "tasks.py",
        root / "tests/mutations/tests.toml",
    ]
    text = "\n".join(path.read_text() for path in asking)
    folder = root / "rust" / "tests"
    programs = set(re.findall(r"--test[\", ]+([a-z]\w*)", text))
    assert programs == {path.parent.name for path in folder.glob("*/main.rs")} and programs
    modules = {path.stem for path in folder.rglob("*.rs")}
    modules |= {path.stem for path in (root / "rust" / "src").rglob("*.rs")}
    modules |= {path.name for path in (root / "rust" / "src").rglob("*") if path.is_dir()}
    asked = set(re.findall(r"(?<![./\w])([a-z]\w*)::[\w ]*\"", text))
    assert len(asked) > 10 and asked <= modules, asked - modules
