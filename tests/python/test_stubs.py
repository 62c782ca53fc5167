"""The types written down are those that are there, and enough for a user who checks strictly."""

import os
import subprocess
import sys

import pytest
import tomllib


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


OLDEST_PYTHON = "3.10"


def test_a_strictly_typed_program_passes_and_runs(request, tmp_path):
    pytest.importorskip("mypy")
    pytest.importorskip("torch")
    program = request.config.rootpath / "tests" / "fixtures" / "typed_program.py"
    strict = ["-m", "mypy", "--strict", "--config-file=", "--python-version", OLDEST_PYTHON]
    for arguments in (strict, []):
        done = subprocess.run(
            [sys.executable, *arguments, program],
            cwd=tmp_path,
            env=dict(os.environ, MYPY_CACHE_DIR=str(tmp_path)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_statement_of_the_oldest_python_agrees(request):
    root = request.config.rootpath
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert settings["project"]["requires-python"] == f">={OLDEST_PYTHON}"
    short = OLDEST_PYTHON.replace(".", "")
    assert settings["tool"]["mypy"]["python_version"] == OLDEST_PYTHON
    assert settings["tool"]["ruff"]["target-version"] == f"py{short}"
    extension = tomllib.loads((root / "rust" / "extension" / "Cargo.toml").read_text("utf-8"))
    assert f"abi3-py{short}" in extension["dependencies"]["pyo3"]["features"]
