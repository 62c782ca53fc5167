"""Cuts jobs into ranges, lets workers pull them, and puts their parts together.

A range of a lost worker is asked again, a part that comes twice is dropped, and whatever order they
come in, they are put together in that of their numbers: so the whole has the bytes that one
machine computes.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from twisterl.machines import computing, wire
from twisterl.machines.computing import WorkerError
from twisterl.machines.job import Job, Packed
from twisterl.machines.transport import Answer, Range, Transport

# Ranges of a worker's share: the slowest worker costs at most one range, and each costs a message.
RANGES_PER_WORKER = 4
# A worker has its next range already while so many for each are left: it waits for no message.
_AHEAD = 2
# A range that takes so many times as long as most is asked of another worker too, once nothing else
# is left to do.
_SLOW = 2.0
# Losses without one part in between, beyond two of each worker, that end the work.
_LOSSES = 10
_WAIT_S = 0.2
_TIMEOUT = "algorithm.collecting.workers.timeout_s"


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


@dataclass
class _Work:
    """A job that is being computed, `name` its digest."""

    name: str
    kind: str
    left: deque[Range]
    # Parts by the first of their range.
    done: dict[int, Any] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    # Of the ranges that have come.
    durations: list[float] = field(default_factory=list)
    # Without one part in between.
    losses: int = 0


@dataclass
class _Asked:
    """A range that a worker has: it works on it, or was asked, `since` then."""

    job: str
    part: Range
    since: float


class Coordinator:
    """Computes jobs by the workers of a `transport`.

    Args:
        num_workers: how many are to be expected, which sizes the ranges.
        timeout_s: a worker that keeps a range so long is taken for lost; likewise there must be a
            worker within that time, and a part within twice that time.
    """

    def __init__(self, transport: Transport, num_workers: int, timeout_s: float = 600.0) -> None:
        self.transport = transport
        self._num_workers, self._timeout_s = num_workers, timeout_s
        self._counts = Counts()
        # What each worker was asked, of this job or of one before, in order.
        self._running: dict[int, list[_Asked]] = {}
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
            WorkerError: the job failed on a worker, workers were lost again and again, or nothing
                came for too long.
        """
        self.start()
        parts = self._parts(job, self.ranges(job.total) if ranges is None else ranges)
        begun = time.perf_counter()
        whole = computing.merged(job.kind, parts)
        self._counts.merge_s += time.perf_counter() - begun
        return whole

    def _parts(self, job: Job, ranges: list[Range]) -> list[Any]:
        packed = job.packed()
        work = _Work(computing.digest(packed.job), job.kind, deque(ranges))
        answers: list[Answer] = []
        seen = heard = time.monotonic()
        while True:
            # Workers play on while their parts are read.
            self._ask(packed, work)
            for answer in answers:
                if answer.part is not None and self._take(answer.worker, answer.part, work):
                    heard = time.monotonic()
            if len(work.done) == len(ranges):
                return [work.done[part.first] for part in ranges]
            answers = self.transport.wait(_WAIT_S)
            self._sort(answers, work)
            for worker in self._overdue():
                self.transport.drop(worker, f"no part within {self._timeout_s:g} s")
                self._lose(self._running.pop(worker), work)
            now = time.monotonic()
            if self.transport.num_workers():
                seen = now
            elif now - seen > self._timeout_s:
                raise WorkerError(f"no worker for {self._timeout_s:g} s")
            # Whoever hangs, another one has had the range for as long.
            if now - heard > 2 * self._timeout_s:
                raise WorkerError(
                    f"no part for {2 * self._timeout_s:g} s; {_TIMEOUT} is {self._timeout_s:g}, "
                    "and a range must take less"
                )

    def _ask(self, packed: Packed, work: _Work) -> None:
        loads = self.transport.loads()
        for worker in [worker for worker, load in loads.items() if load == 0]:
            part = work.left.popleft() if work.left else self._slow(work)
            if part is None:
                return
            self._give(worker, part, packed, work)
        for worker in [worker for worker, load in loads.items() if load <= 1]:
            if len(work.left) < _AHEAD * len(loads):
                return
            if self._is_on_time(worker, work):
                self._give(worker, work.left.popleft(), packed, work)

    def _give(self, worker: int, part: Range, packed: Packed, work: _Work) -> None:
        self._counts.bytes_sent += len(packed.job)
        asked = _Asked(work.name, part, time.monotonic())
        self._running.setdefault(worker, []).append(asked)
        self.transport.ask(worker, packed, part)

    def _is_on_time(self, worker: int, work: _Work) -> bool:
        """Whether what the worker has is of this job and takes as long as others."""
        running = self._running.get(worker, [])
        limit = self._limit(work)
        return all(asked.job == work.name and asked.since >= limit for asked in running)

    def _limit(self, work: _Work) -> float:
        """Who has had a range since before then is slow."""
        if not work.durations:
            return -math.inf
        return time.monotonic() - _SLOW * statistics.median(work.durations)

    def _sort(self, answers: list[Answer], work: _Work) -> None:
        """Notes who has lost ranges and who has ended one."""
        for answer in answers:
            if answer.part is None:
                work.losses += 1
                self._lose(self._running.pop(answer.worker, []), work)
                if work.losses > _LOSSES + 2 * self._num_workers:
                    raise WorkerError(f"{work.losses} workers were lost in a row: {answer.why}")
                continue
            work.losses = 0
            running = self._running.get(answer.worker, [])
            ended = next((asked for asked in running if asked.part == answer.asked), None)
            if ended is None:
                continue
            now = time.monotonic()
            running.remove(ended)
            for asked in running[:1]:
                asked.since = now
            if ended.job == work.name:
                work.answered.add(ended.part.first)
                work.durations.append(now - ended.since)

    def _take(self, worker: int, content: bytes, work: _Work) -> bool:
        """Keeps a part if it is of use: whether it is."""
        source = f"worker {worker}"
        self._counts.bytes_received += len(content)
        told, arrays = wire.unpack(content, source)
        # What was asked of two, or of a job that is over, is of no use any more.
        if told.get("job") != work.name or told.get("first") in work.done:
            return False
        computing.require_success(told, source)
        self._counts.ranges += 1
        self._counts.seconds += told["seconds"]
        begun = time.perf_counter()
        work.done[told["first"]] = computing.read(work.kind, told, arrays)
        self._counts.merge_s += time.perf_counter() - begun
        return True

    def _lose(self, lost: list[_Asked], work: _Work) -> None:
        self._counts.lost += len(lost)
        elsewhere = [asked.part for asked in self._of_job(work)]
        for asked in reversed(lost):
            is_done = asked.part.first in work.answered or asked.part in elsewhere
            if asked.job == work.name and not is_done:
                work.left.appendleft(asked.part)

    def _of_job(self, work: _Work) -> list[_Asked]:
        """What workers have of this job."""
        running = chain.from_iterable(self._running.values())
        return [asked for asked in running if asked.job == work.name]

    def _overdue(self) -> list[int]:
        since = time.monotonic() - self._timeout_s
        return [w for w, running in self._running.items() if running and running[0].since < since]

    def _slow(self, work: _Work) -> Range | None:
        """A range that another worker has for long, to be asked again."""
        if not work.durations:
            return None
        running, limit = self._of_job(work), self._limit(work)
        times = Counter(asked.part for asked in running)
        late = [
            asked
            for asked in running
            if times[asked.part] == 1
            and asked.since < limit
            and asked.part.first not in work.answered
        ]
        if not late:
            return None
        self._counts.repeated += 1
        return min(late, key=lambda asked: asked.since).part
