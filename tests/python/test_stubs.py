"""The types written down for the compiled module are those it has."""

import os
import subprocess
import sys

import pytest


def test_stubs_match_the_compiled_module(request, tmp_path):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "twisterl.twisterl"]
    root = request.config.rootpath
    environment = dict(os.environ, MYPYPATH=str(root / "python"), MYPY_CACHE_DIR=str(tmp_path))
    done = subprocess.run(
        [*command, "--concise", "--ignore-disjoint-bases"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
