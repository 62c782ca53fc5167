"""The types written down are those that are there, and enough for a user who checks strictly."""

import os
import shutil
import subprocess
import sys

import pytest
import tomllib
import yaml
from twisterl.envs import PyEnv, PythonEnvironment


def test_stubs_match_the_compiled_module(request, tmp_path):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "twisterl.twisterl"]
    root = request.config.rootpath
    # Without the package in Python, which imports torch: that takes ten times as long to read.
    (tmp_path / "twisterl").mkdir()
    (tmp_path / "twisterl" / "__init__.pyi").touch()
    shutil.copytree(root / "python/twisterl/twisterl", tmp_path / "twisterl" / "twisterl")
    environment = dict(os.environ, MYPYPATH=str(tmp_path))
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
OTHERS = ("torch", "IPython", "matplotlib", "prompt_toolkit", "rich", "wasmtime")


def test_a_strictly_typed_program_passes_and_runs(request, tmp_path):
    pytest.importorskip("mypy")
    pytest.importorskip("torch")
    program = request.config.rootpath / "tests" / "fixtures" / "typed_program.py"
    cache = request.config.rootpath / ".mypy_cache" / "strict"
    # As `mypy --strict`, but for types of packages that ours are not made of: torch's alone take
    # three times as long to read as ours, the others' as long as ours.
    others = ",".join(f"{name}.*" for name in OTHERS)
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = True\n[mypy-{others}]\nfollow_imports = skip\n")
    strict = ["-m", "mypy", "--config-file", str(settings), "--python-version", OLDEST_PYTHON]
    for arguments in (strict, []):
        done = subprocess.run(
            [sys.executable, *arguments, program],
            cwd=tmp_path,
            # Types are read once, not in every run of the tests.
            env=dict(os.environ, MYPY_CACHE_DIR=str(cache)),
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
    ci = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    oldest = [step.get("with", {}).get("python-version") for step in ci["jobs"]["oldest"]["steps"]]
    assert OLDEST_PYTHON in oldest
    assert f"on Python {OLDEST_PYTHON} or newer" in (root / "README.md").read_text("utf-8")
    extension = tomllib.loads((root / "rust" / "extension" / "Cargo.toml").read_text("utf-8"))
    assert f"abi3-py{short}" in extension["dependencies"]["pyo3"]["features"]


def test_the_protocol_asks_for_what_the_engine_asks_for():
    methods = {name for name in vars(PythonEnvironment) if not name.startswith("_")}
    assert methods == set(PyEnv.METHODS)
