"""The ports in Python behave as specs/signature.txt says; rust/tests/all/signature.rs has Rust.

Where they do not, the moves that make test compares are not those of Rust either.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = (ROOT / "specs" / "signature.txt").read_text()


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--bindings"]], ids=["reference", "bindings"])
def test_the_port_has_the_committed_signature(options):
    script = ROOT / "tests" / "parity" / "signature.py"
    command = [sys.executable, script, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == COMMITTED


def test_every_listed_environment_is_in_the_signature():
    from twisterl.twisterl.env import ENVIRONMENTS

    for name in ENVIRONMENTS.values():
        for part in ("", " play", " greedy"):
            assert f"  {name}{part}\n" in COMMITTED
