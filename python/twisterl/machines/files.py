"""Jobs and parts in files, for batch systems that start a process a range and open no connection.

>>> from twisterl.machines import crew, files
>>> files.write_job(crew.episodes(algorithm, "reset"), "job.bin")  # doctest: +SKIP
>>> # On any machine: python -m twisterl.worker --job job.bin --first 64 --count 64 --out part1.bin
>>> data = files.merge("job.bin", ["part0.bin", "part1.bin"])  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisterl.faults import ConfigError, Fault
from twisterl.machines import computing
from twisterl.machines import job as jobs
from twisterl.machines.computing import Computing
from twisterl.machines.job import Job
from twisterl.runs.files import write_atomic
from twisterl.runs.tensors import opened

Path_ = str | os.PathLike[str]


def write_job(job: Job, path: Path_) -> None:
    """Writes `job` with its weights, whole or not at all."""
    write_atomic(Path(path), job.to_bytes())


def compute(
    job: Path_, out: Path_, first: int, count: int | None, num_cores: int = 1, *, trust: bool
) -> None:
    """Computes a range of the job in a file, to its end without `count`, and writes the part.

    Nothing is written unless it succeeds. `trust`: import classes of other packages that the job
    names, where the job is no file that this user's own training has noted.

    Raises:
        WireError, ConfigError: the file holds no job, or one that this machine must not compute.
        WorkerError: the job failed.
    """
    content, source = _read(job), os.fspath(job)
    told, _ = jobs.read(content, source)
    if count is None:
        count = told.total - first
    if not 0 <= first < first + count <= told.total or num_cores < 1:
        problem = f"expected some of 0..{told.total}, by 1 thread or more"
        raise ConfigError([Fault("--first, --count", f"{problem}, got {first}..{first + count}")])
    computed = Computing(trust=trust, num_cores=num_cores).part(content, bytes, first, count)
    computing.part_of(computed, source)
    write_atomic(Path(out), computed)


def merge(job: Path_, parts: Iterable[Path_]) -> Any:
    """What the parts of the job are together, in any order; equal parts count once.

    Raises `ConfigError` if they are not all of the job, naming what is missing.
    """
    content = _read(job)
    told, _ = jobs.read(content, os.fspath(job))
    jobs.require_same(told, os.fspath(job))
    name = computing.digest(content)
    found: dict[int, Any] = {}
    for path in parts:
        part = computing.part_of(_read(path), os.fspath(path), name)
        found.setdefault(part[0]["first"], part)
    begin, ordered = 0, []
    while begin in found:
        ordered.append(found[begin])
        begin += found[begin][0]["count"]
    if begin != told.total or len(ordered) != len(found):
        problem = f"expected parts that follow each other to {told.total}; none begins at {begin}"
        raise ConfigError([Fault("", problem)], os.fspath(job))
    return computing.merged(told.kind, [computing.read(told.kind, *part) for part in ordered])


def _read(path: Path_) -> bytes:
    with opened(os.fspath(path)) as file:
        return file.read()
