"""Cuts jobs into ranges, lets workers pull them, and puts their parts together.

A range of a lost worker is asked again, a part that comes twice is dropped, and whatever order they
come in, they are put together in that of their numbers: so the whole has the bytes that one
machine computes.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from twisterl.machines import computing, wire
from twisterl.machines.computing import WorkerError
from twisterl.machines.job import Job
from twisterl.machines.transport import Range, Transport

# Ranges of a worker's share: the slowest worker costs at most one range, and each costs a message.
RANGES_PER_WORKER = 4
# A range that takes so many times as long as most is asked of another worker too, once nothing else
# is left to do.
_SLOW = 2.0
# Losses without one part in between, beyond two of each worker, that end the work.
_LOSSES = 10
_WAIT_S = 0.2


@dataclass
class Counts:
    """What happened since they were last told."""

    workers: int = 0
    ranges: int = 0
    lost: int = 0
    repeated: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    # Of the workers, all of them together; of this process to put parts together.
    seconds: float = 0.0
    merge_s: float = 0.0


class Coordinator:
    """Computes jobs by the workers of a `transport`.

    Args:
        num_workers: how many are to be expected, which sizes the ranges.
        timeout_s: a worker that keeps a range so long is taken for lost; likewise there must be a
            worker within that time.
    """

    def __init__(self, transport: Transport, num_workers: int, timeout_s: float = 600.0) -> None:
        self.transport = transport
        self._num_workers, self._timeout_s = num_workers, timeout_s
        self._counts = Counts()
        # Ranges of this job, or of one before: (worker -> range, since when).
        self._running: dict[int, tuple[str, Range, float]] = {}
        self._is_started = False

    def start(self) -> None:
        """Brings the workers up, if they are not; raises `ConfigError` if it cannot."""
        if not self._is_started:
            self.transport.start()
            self._is_started = True

    def end(self) -> None:
        self.transport.end()
        self._running.clear()
        self._is_started = False

    def counts(self) -> dict[str, Any]:
        """What happened since the last call."""
        counts, self._counts = self._counts, Counts()
        counts.workers = self.transport.num_workers()
        return asdict(counts)

    def ranges(self, total: int) -> list[Range]:
        """`0..total` in ranges smaller than a worker's share."""
        workers = max(self._num_workers, self.transport.num_workers())
        size = max(1, -(-total // (workers * RANGES_PER_WORKER)))
        return [Range(first, min(size, total - first)) for first in range(0, total, size)]

    def compute(self, job: Job, ranges: list[Range] | None = None) -> Any:
        """The whole of `job`, as its kind puts it together.

        Raises:
            ConfigError: a worker refused the job, or there is none.
            WorkerError: the job failed on a worker, or workers were lost again and again.
        """
        self.start()
        parts = self._parts(job, self.ranges(job.total) if ranges is None else ranges)
        begun = time.perf_counter()
        whole = computing.merged(job.kind, parts)
        self._counts.merge_s += time.perf_counter() - begun
        return whole

    def _parts(self, job: Job, ranges: list[Range]) -> list[tuple[Any, Any]]:
        packed = job.packed()
        name = computing.digest(packed.job)
        left = deque(ranges)
        done: dict[int, tuple[Any, Any]] = {}
        durations: list[float] = []
        losses, seen = 0, time.monotonic()
        while len(done) < len(ranges):
            for worker in self.transport.idle():
                part = left.popleft() if left else self._slow(name, done, durations)
                if part is None:
                    break
                self._counts.bytes_sent += len(packed.job)
                self._running[worker] = name, part, time.monotonic()
                self.transport.ask(worker, packed, part)
            for answer in self.transport.wait(_WAIT_S):
                if answer.part is None:
                    losses += 1
                    self._lose(self._running.pop(answer.worker, None), name, done, left)
                    if losses > _LOSSES + 2 * self._num_workers:
                        raise WorkerError(f"{losses} workers were lost in a row: {answer.why}")
                else:
                    losses = 0
                    durations += self._take(answer.worker, answer.part, name, done)
            for worker in self._overdue():
                self.transport.drop(worker, f"no part within {self._timeout_s} s")
                self._lose(self._running.pop(worker), name, done, left)
            if self.transport.num_workers():
                seen = time.monotonic()
            elif time.monotonic() - seen > self._timeout_s:
                raise WorkerError(f"no worker for {self._timeout_s} s")
        return [done[part.first] for part in ranges]

    def _take(self, worker: int, content: bytes, name: str, done: dict[int, Any]) -> list[float]:
        """Keeps a part that is of use; how long its range took if it is what was waited for."""
        source = f"worker {worker}"
        self._counts.bytes_received += len(content)
        told, arrays = wire.unpack(content, source)
        durations = []
        job, part, since = self._running.get(worker, (None, None, 0.0))
        if part is not None and (job, vars(part)) == (told.get("job"), _range(told)):
            del self._running[worker]
            durations.append(time.monotonic() - since)
        # What was asked of two, or of a job that is over, is of no use any more.
        if told.get("job") != name or told.get("first") in done:
            return durations
        computing.require_success(told, source)
        self._counts.ranges += 1
        self._counts.seconds += told["seconds"]
        done[told["first"]] = told, arrays
        return durations

    def _lose(
        self,
        asked: tuple[str, Range, float] | None,
        name: str,
        done: dict[int, Any],
        left: deque[Range],
    ) -> None:
        if asked is None:
            return
        self._counts.lost += 1
        elsewhere = [part for job, part, _ in self._running.values() if job == name]
        if asked[0] == name and asked[1].first not in done and asked[1] not in elsewhere:
            left.appendleft(asked[1])

    def _overdue(self) -> list[int]:
        now = time.monotonic()
        running = self._running.items()
        return [worker for worker, (_, _, since) in running if now - since > self._timeout_s]

    def _slow(self, name: str, done: dict[int, Any], durations: list[float]) -> Range | None:
        """A range that another worker has for long, to be asked again."""
        if not durations:
            return None
        limit = time.monotonic() - _SLOW * statistics.median(durations)
        asked = [(since, part) for job, part, since in self._running.values() if job == name]
        once = [(since, part) for since, part in asked if sum(p == part for _, p in asked) == 1]
        late = [(since, part) for since, part in once if since < limit and part.first not in done]
        if not late:
            return None
        self._counts.repeated += 1
        return min(late, key=lambda each: each[0])[1]


def _range(told: dict[str, Any]) -> dict[str, Any]:
    return {"first": told.get("first"), "count": told.get("count")}
