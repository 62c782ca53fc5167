"""The reference behaves as specs/signature.txt says; rust/tests/signature.rs tests Rust."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_has_the_committed_signature():
    script = ROOT / "tests" / "parity" / "signature.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == (ROOT / "specs" / "signature.txt").read_text()


def test_every_listed_environment_is_in_the_signature():
    from twisterl.twisterl.env import ENVIRONMENTS

    text = (ROOT / "specs" / "signature.txt").read_text()
    for name in ENVIRONMENTS.values():
        assert f"  {name} play\n" in text
        assert f"  {name} greedy\n" in text
