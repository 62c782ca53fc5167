"""The ports of ports.toml as processes that answer requests."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomllib
from port import ROOT

LIST = Path(__file__).resolve().parent / "ports.toml"


class PortError(RuntimeError):
    """A port cannot be built or failed on a request; the text says what it printed."""


@dataclass
class Port:
    """One line of ports.toml; `root` is where it is built and run, `known` what it has answered."""

    name: str
    run: str
    tasks: list[str]
    build: str = ""
    needs: str = ""
    environments: list[str] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)
    root: Path = ROOT
    variables: dict[str, str] = field(default_factory=dict)
    known: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    @property
    def is_fast(self) -> bool:
        """Compiled: it plays long runs whole."""
        return bool(self.build)

    def has(self, task: str, board: dict[str, Any] | None) -> bool:
        known = not self.environments or board is None or board["environment"] in self.environments
        return task in self.tasks and known

    def missing(self) -> str | None:
        """The program that this machine lacks, if it lacks one."""
        return self.needs if self.needs and not shutil.which(self.needs) else None

    def prepare(self) -> None:
        if self.build:
            (self.root / "target").mkdir(exist_ok=True)
            self._call(shlex.split(self.build))

    def knowing(self, requests: list[dict[str, Any]]) -> Port:
        """The same port, which knows the answers to `requests`: one process has given them all."""
        answers = self.ask_all(requests) if requests else []
        return replace(self, known=list(zip(requests, answers, strict=True)))

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        known = next((answer for asked, answer in self.known if asked == request), None)
        return self.ask_all([request])[0] if known is None else known

    def ask_all(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers to several requests, by one process."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "requests.json"
            path.write_text(json.dumps(requests))
            text = self._call([*shlex.split(self.run), str(path)])
        try:
            answers = [json.loads(line) for line in text.splitlines()]
        except ValueError as error:
            raise PortError(f"{self.name}: expected JSON lines, got {text[:200]!r}") from error
        if len(answers) != len(requests):
            raise PortError(f"{self.name}: expected {len(requests)} lines, got {len(answers)}")
        return answers

    def _program(self, name: str) -> str:
        """What was built is under `root`, with an ending where the system wants one."""
        return shutil.which(str(self.root / name)) or name

    def _call(self, command: list[str]) -> str:
        program = sys.executable if command[0] == "python" else self._program(command[0])
        # Each check has one processor: several run at the same time.
        found = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        found["PYTHONPATH"] = str(self.root / "python")
        found["MODULAR_TELEMETRY_ENABLED"] = "0"
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.root,
            env=found | self.variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-1500:]
            raise PortError(f"{self.name}: {shlex.join(command)} failed: {said}")
        return done.stdout


def read_list() -> dict[str, Port]:
    return {name: Port(name, **line) for name, line in tomllib.loads(LIST.read_text()).items()}


def open_ports(names: list[str] | None) -> tuple[dict[str, Port], list[str]]:
    """The built ports, the reference always among them, and why others are skipped."""
    ports, skipped = {}, []
    known = read_list()
    for name in names or known:
        if name not in known:
            raise PortError(f"--ports: expected some of {', '.join(known)}, got {name}")
    for name, each in known.items():
        if names and name not in names and name != "reference":
            continue
        if each.platforms and sys.platform not in each.platforms:
            continue
        if each.missing():
            skipped.append(f"{name}: {each.missing()} is not on this machine")
            continue
        each.prepare()
        ports[name] = each
    return ports, skipped
