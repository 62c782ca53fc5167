"""A run as it can be read from its folder, while it trains or afterwards, without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisterl.config.json import read_json
from twisterl.faults import ConfigError
from twisterl.runs import lock
from twisterl.runs.errors import RunFolderError
from twisterl.runs.folder import BASE_CONFIG, FULL_CONFIG, MACHINE, METRICS, RunFolder

Rows = list[dict[str, Any]]
# Of the iterations that say how fast a run is now.
_RECENT = 10


@dataclass
class History:
    """What the run in `folder` has left so far; `update` reads what is new.

    Attributes:
        rows: the lines of `metrics.jsonl`, without what is none of an iteration.
        config: the run config, as it was given.
        algorithm: its section `algorithm`, with every default.
        machine: what it was made on; empty for a run that another program made.
        is_running: whether a training writes into the folder.
        planned: the iterations that it is to have, None if nothing says.
        started_from: the file of the weights that it began with, None for those of its seed.
    """

    folder: Path
    rows: Rows = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    algorithm: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    is_running: bool = False
    planned: int | None = None
    started_from: str | None = None
    _read: int = 0

    def update(self) -> None:
        """Raises `RunFolderError` where there is no run."""
        folder = RunFolder(self.folder)
        if not folder.holds_run():
            raise RunFolderError(f"{self.folder}: holds no run")
        self.config = _object(self.folder / BASE_CONFIG)
        self.algorithm = _object(self.folder / FULL_CONFIG) or _section(self.config, "algorithm")
        self.machine = _object(self.folder / MACHINE)
        self.is_running = lock.is_held(self.folder)
        state = folder.commits.last_state()
        started_from = state.get("started_from")
        self.started_from = started_from if isinstance(started_from, str) else None
        planned = state.get("num_iterations")
        if planned is None:
            planned = _section(self.algorithm, "learning").get("num_steps")
        self.planned = planned if type(planned) is int else None
        self._read_rows()

    def _read_rows(self) -> None:
        path = self.folder / METRICS
        size = path.stat().st_size if path.is_file() else 0
        if size < self._read:
            # A run that was resumed or begun anew has dropped lines.
            self.rows, self._read = [], 0
        if size == 0:
            return
        with path.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        # The last line may be half written.
        whole, _, _ = content.rpartition(b"\n")
        self._read += len(whole) + bool(whole)
        for line in whole.splitlines():
            row = _row(line)
            if row is not None:
                self.rows.append(row)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def iterations(self) -> int:
        return self.rows[-1]["iteration"] + 1 if self.rows else 0

    @property
    def has_difficulty(self) -> bool:
        """Whether its environment is more than a task, as far as its name tells."""
        from twisterl.config.registry import GYMNASIUM
        from twisterl.twisterl import env

        path = str(self.config.get("env_cls", ""))
        return path.rpartition(".")[2] not in env.TASKS and not path.startswith(GYMNASIUM)

    @property
    def steps_per_second(self) -> float | None:
        """Of the last iterations, None where they do not say."""
        speeds = [speed for _, speed in speeds_of(self.rows[-_RECENT:])]
        return sum(speeds) / len(speeds) if speeds else None

    def seconds_left(self) -> float | None:
        """A guess at them from the last iterations; None where nothing says when the run ends."""
        if self.planned is None or len(self.rows) < 2:
            return None
        recent = self.rows[-_RECENT:]
        done = recent[-1]["iteration"] - recent[0]["iteration"]
        seconds = recent[-1]["elapsed_s"] - recent[0]["elapsed_s"]
        return max(0.0, seconds / max(1, done) * (self.planned - self.iterations))


def read(folder: str | Path) -> History:
    """The run in `folder`; `RunFolderError` where there is none."""
    history = History(Path(folder))
    history.update()
    return history


def speeds_of(rows: Rows) -> list[tuple[dict[str, Any], float]]:
    """The rows that tell how long they took, with their steps a second."""
    found = []
    for row in rows:
        times: Any = _section(row, "times")
        seconds, steps = times.get("total"), row.get("num_steps")
        if is_number(seconds) and is_number(steps) and seconds > 0:
            found.append((row, steps / seconds))
    return found


def evaluations_of(rows: Rows) -> list[str]:
    """Their names, in the order in which they came."""
    return list(dict.fromkeys(name for row in rows for name in row["evals"]))


def found_by(rows: Rows, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows with the evaluation `name`, and what it found."""
    for row in rows:
        found = row["evals"].get(name)
        if isinstance(found, dict) and is_number(found.get("success")):
            yield row, found


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _row(line: bytes) -> dict[str, Any] | None:
    """The iteration that a line of the file tells, None for what is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("iteration")) is not int:
        return None
    if not is_number(row.get("elapsed_s")):
        return None
    return {**row, "evals": _section(row, "evals"), "losses": _section(row, "losses")}


def _section(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty where there is none that can be read."""
    try:
        found = read_json(path)
    except ConfigError:
        return {}
    return found if isinstance(found, dict) else {}
