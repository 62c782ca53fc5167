"""Many trainings side by side, each a process with a run folder of its own under one parent."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl.faults import ConfigError, Fault

# At once of one command: each is checked before the first one begins.
MOST = 10_000
# Of a folder's name, of which file systems take 255 bytes.
_LONGEST = 200
# Of what a failed training says.
_LINES = 3


@dataclass(frozen=True)
class Planned:
    """A training: `name` is its folder below the parent's, `pairs` the overrides of its config."""

    name: str
    pairs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Ended:
    """A training that has ended; `said` are its last lines."""

    name: str
    status: int
    said: str


def grid(choices: Sequence[tuple[str, Sequence[Any]]]) -> list[tuple[tuple[str, Any], ...]]:
    """Every combination of one value of each key.

    >>> grid([("a.b", [1, 2]), ("c", [3])])
    [(('a.b', 1), ('c', 3)), (('a.b', 2), ('c', 3))]
    """
    keyed = [[(key, value) for value in values] for key, values in choices]
    return list(itertools.product(*keyed))


def values_of(text: str) -> list[str]:
    """What commas outside of brackets and quotes separate.

    >>> values_of('[64],[64,64],"a,b"')
    ['[64]', '[64,64]', '"a,b"']
    """
    values, depth, is_quoted = [""], 0, False
    for mark in text:
        is_quoted ^= mark == '"'
        if not is_quoted:
            depth += (mark in "[{") - (mark in "]}")
        if mark == "," and not depth and not is_quoted:
            values.append("")
        else:
            values[-1] += mark
    return values


def planned(
    combinations: Sequence[Sequence[tuple[str, Any]]], seeds: Sequence[int]
) -> list[Planned]:
    """Each combination by each seed, if there are any; `ConfigError` for two of one name."""
    runs: dict[str, Planned] = {}
    keys = {key for pairs in combinations for key, _ in pairs}
    chosen: Sequence[int | None] = seeds or (None,)
    for pairs in combinations:
        for seed in chosen:
            whole = [*pairs, *([] if seed is None else [("algorithm.seed", seed)])]
            names = [_named(key, value, keys) for key, value in whole]
            name = ",".join(names) or "run"
            if len(name.encode()) > _LONGEST:
                digest = hashlib.sha256(repr(pairs).encode()).hexdigest()[:16]
                start = name.encode()[: _LONGEST // 2].decode(errors="ignore")
                name = ",".join([f"{start}-{digest}", *names[len(pairs) :]])
            if name in runs:
                raise ConfigError([Fault("", f"two trainings would be {name}")], "command line")
            runs[name] = Planned(name, tuple(whole))
    return list(runs.values())


def _named(key: str, value: Any, keys: set[str]) -> str:
    """A part of a folder's name; by the whole key where its end is that of another one, too."""
    end = key.rpartition(".")[2]
    is_clear = sum(other.rpartition(".")[2] == end for other in keys) < 2
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return re.sub(r"[^\w.+=-]+", "_", f"{end if is_clear else key}={text}")


def run_all(
    commands: Sequence[tuple[str, list[str]]],
    run_one: Callable[[list[str]], tuple[int, str]],
    num_workers: int,
) -> Iterator[Ended]:
    """Runs the named commands, so many at once, and tells of each as it ends.

    Where nobody listens any more, no other one is begun; whoever runs them ends the rest.
    """
    pool = ThreadPoolExecutor(num_workers)
    try:
        asked = {pool.submit(run_one, command): name for name, command in commands}
        for done in as_completed(asked):
            yield Ended(asked[done], *done.result())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Local:
    """Runs commands as processes of this machine."""

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def __call__(self, command: list[str]) -> tuple[int, str]:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # It saves when it is told to, whoever else is.
            start_new_session=True,
        )
        with self._lock:
            self._children.add(child)
        said, _ = child.communicate()
        with self._lock:
            self._children.discard(child)
        return child.returncode, last_lines(said)

    def end(self) -> None:
        """Lets all trainings save and end, and waits for them."""
        with self._lock:
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


class RayNodes:
    """Runs commands on the nodes of a Ray cluster, which share the folders that they name."""

    def __init__(self, address: str | None) -> None:
        from twisterl.machines.on_ray import connected

        self._ray, self._is_ours = connected(address)
        self._run = self._ray.remote(num_cpus=1)(run_here)
        self._asked: set[Any] = set()

    def __call__(self, command: list[str]) -> tuple[int, str]:
        asked = self._run.remote(command)
        self._asked.add(asked)
        try:
            return self._ray.get(asked)
        except self._ray.exceptions.RayError as error:
            return 1, last_lines(str(error))
        finally:
            # Of one that has just ended Ray itself may end this process when it is cancelled.
            self._asked.discard(asked)

    def end(self) -> None:
        """Ends all trainings at once; their last commits go on with --resume."""
        for asked in list(self._asked):
            self._ray.cancel(asked, force=True)
        if self._is_ours:
            self._ray.shutdown()


def run_here(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, last_lines(done.stdout)


def last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LINES:])


def folder_of(parent: Path, run: Planned) -> Path:
    return parent / run.name
