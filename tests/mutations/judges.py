"""What notices a fault: the parity check, a test of Rust, or tests of Python."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from faults import ROOT, Fault

sys.path.append(str(ROOT / "tests" / "parity"))

import compare
from ports import Port, PortError, read_list

# Faults show early; a board of these transitions takes a second.
TRANSITIONS = 2**15
# A fault may make a test hang: for each test that is named.
MOST_SECONDS = 300
OPTIONS = ["-q", "-x", "-rfE", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
# What tests import that no fault is in, slow ones first.
IMPORTED = ("torch", "pydantic", "rich.console", "safetensors.torch")
# Quick to build, the same results: floating point in Rust does not depend on optimization.
PROFILE = {
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
    "PYO3_BUILD_EXTENSION_MODULE": "1",
    "PYO3_PYTHON": sys.executable,
}
BUILD_BINDINGS = "cargo build --quiet --release -p twisterl-extension"
EXTENSION = ("target/release/libtwisterl_extension.so", "python/twisterl/twisterl.abi3.so")


class Judges:
    """Judges the tree at `root`, a copy of ours with or without a fault."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Whether what is built there has a fault that is no longer planted.
        self._is_stale = False
        self._prepared: set[str] = set()

    def complaint(self, fault: Fault) -> str | None:
        """What the judge of `fault` says of the tree as it is; None if all is well."""
        if fault.pytest:
            return self.pytest(fault, fault.pytest)
        return self.cargo(fault.cargo) if fault.cargo else self.parity(fault)

    def pytest(self, fault: Fault, tests: str) -> str | None:
        """What the first of `tests` that fails says; builds what they import."""
        if fault.is_rust:
            self._build(self._moved("bindings"))
            self._is_stale = True
        elif self._is_stale:
            self._build(self._moved("bindings"))
            self._is_stale = False
        named = shlex.split(tests)
        most_seconds = MOST_SECONDS * len(named)
        code, said = _in_a_fork(self._root, named, most_seconds)
        if code is None:
            return f"ran longer than {most_seconds} seconds"
        if code == 0:
            return None
        failed = re.search(r"^(?:FAILED|ERROR) (.*)$", said, re.MULTILINE)
        if code != 1 or not failed:
            raise PortError(f"pytest {tests} ended with {code}: {said}")
        return failed[1]

    def cargo(self, test: str) -> str | None:
        """What the first test that fails says of those that `cargo test` with `test` runs."""
        target, *names = shlex.split(test)
        build = f"cargo test --quiet -p twisterl --no-run {target}"
        if target == "--test":
            build, target, names = f"{build} {names[0]}", f"{target} {names[0]}", names[1:]
        port = self._moved("rust")
        port = replace(port, variables={**port.variables, **PROFILE})
        replace(port, build=build).prepare()
        command = ["cargo", "test", "--quiet", "-p", "twisterl", *target.split(), "--"]
        code, said = _in_time([*command, "--nocapture", *names], self._root, port.variables)
        if code is None:
            return f"ran longer than {MOST_SECONDS} seconds"
        if not re.search(r"^running [1-9]", said, re.MULTILINE):
            raise PortError(f"cargo test {test}: no test is called so: {said[-500:]}")
        if code == 0:
            return None
        panic = re.search(r"thread '([^']+)'.* panicked at (\S+):\n(.*)", said)
        return ", ".join(panic.groups()) if panic else said[-200:]

    def parity(self, fault: Fault) -> str | None:
        """The first difference between the faulty port and the reference."""
        known = read_list()
        judged = known["rust" if fault.port == "reference" else fault.port]
        faulty = {fault.port: self._moved(fault.port)}
        if fault.port != "reference":
            self._build(faulty[fault.port])
        elif fault.port not in self._prepared:
            judged.prepare()
            self._prepared.add(fault.port)
        ports = {"reference": known["reference"], judged.name: judged, **faulty}
        try:
            return _first_difference(ports, fault)
        except PortError as error:
            # A port that stops is no port that agrees.
            return f"stopped: {str(error).split('failed: ')[-1][:200]}"

    def _moved(self, name: str) -> Port:
        variables = {"CARGO_TERM_COLOR": "never"}
        return replace(read_list()[name], root=self._root, variables=variables)

    def _build(self, port: Port) -> None:
        command = BUILD_BINDINGS if port.name == "bindings" else port.build
        if not command:
            return
        replace(port, build=command, variables={**port.variables, **PROFILE}).prepare()
        if port.name == "bindings":
            built, imported = (self._root / name for name in EXTENSION)
            # A new file, because the old one may be mapped by a process that still runs.
            shutil.copyfile(built, imported.with_suffix(".new"))
            os.replace(imported.with_suffix(".new"), imported)


def _in_time(command: list[str], folder: Path, variables: dict[str, str]) -> tuple[int | None, str]:
    """What `command` ends with, None if not in `MOST_SECONDS`, and what it says."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(os.environ) | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[0]
    return process.returncode, said


def _in_a_fork(root: Path, tests: list[str], most_seconds: float) -> tuple[int | None, str]:
    """What `pytest` at `root` ends with, None if not in `most_seconds`, and what it says.

    In a copy of this process, which has imported torch already; that takes longer than most tests.
    """
    for name in IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        child = os.fork()
        if child == 0:
            code = 3
            try:
                os.setsid()
                for stream in (1, 2):
                    os.dup2(output.fileno(), stream)
                os.chdir(root)
                sys.path[:0] = [str(root / "python")]
                # A compiled file may be taken for that of another text of the same size and second.
                sys.dont_write_bytecode = True
                os.environ.update(PYTHONPATH=sys.path[0], PYTHONDONTWRITEBYTECODE="1")
                code = int(pytest.main([*OPTIONS, *tests]))
                sys.stdout.flush()
            finally:
                os._exit(code)
        deadline = time.monotonic() + most_seconds
        ended, status = os.waitpid(child, os.WNOHANG)
        while not ended and time.monotonic() < deadline:
            time.sleep(0.02)
            ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        output.seek(0)
        return (os.waitstatus_to_exitcode(status) if ended else None), output.read()


def _first_difference(ports: dict[str, Port], fault: Fault) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        boards = compare.boards([fault.environment])
        for check in compare.checks(ports, boards, TRANSITIONS, Path(folder)):
            found = [difference for _, differences in check() for difference in differences]
            if found:
                return found[0].what
        return None
