"""Workers that are processes of this machine, spoken to through their standard streams.

No port is opened and nothing is unpickled: a message is JSON, a job and weights, each with its
length before it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any, BinaryIO

from twisterl.faults import ConfigError, Fault
from twisterl.machines.computing import Computing
from twisterl.machines.job import Packed
from twisterl.machines.transport import Answer, Range

# Within which the first worker has to be there.
_START_S = 60.0


def send(stream: BinaryIO, *pieces: bytes) -> None:
    stream.write(b"".join(len(piece).to_bytes(8, "little") + piece for piece in pieces))
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """One piece; None where the other side has ended, in the middle of it or not."""
    length = stream.read(8)
    if len(length) < 8:
        return None
    size = int.from_bytes(length, "little")
    piece = stream.read(size)
    return piece if len(piece) == size else None


def launched(num_cores: int, trust: bool) -> Any:
    """A process that serves by its standard streams."""
    # Its path is ours: a module of the user's own must be found as here.
    start = (
        f"import sys; sys.path[:] = {[p for p in sys.path if p]!r}; "
        f"from twisterl.machines import processes; processes.serve({num_cores}, {trust})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for the coordinator.
        start_new_session=True,
    )


class _Worker:
    """A process, and the threads that write to it and read from it: it may stand still."""

    def __init__(
        self, number: int, num_cores: int, trust: bool, inbox: queue.Queue[Answer]
    ) -> None:
        self.number, self.is_ready = number, False
        # In the order in which it ends them.
        self.asked: deque[Range] = deque()
        self.weights_version: str | None = None
        self.process = launched(num_cores, trust)
        self._inbox = inbox
        self._outbox: queue.Queue[tuple[bytes, ...] | None] = queue.Queue()
        for target in (self._read, self._write):
            threading.Thread(target=target, daemon=True).start()

    def _read(self) -> None:
        stdout: Any = self.process.stdout
        while (content := receive(stdout)) is not None:
            self._inbox.put(Answer(self.number, content))
        stdout.close()
        status = self.process.wait()
        self._inbox.put(Answer(self.number, None, why=f"a worker ended with status {status}"))

    def ask(self, packed: Packed, part: Range) -> None:
        is_new = packed.weights_version != self.weights_version
        self.weights_version = packed.weights_version
        weights = packed.weights if is_new else b""
        self.asked.append(part)
        self._outbox.put((json.dumps(vars(part)).encode(), packed.job, weights))

    def _write(self) -> None:
        # One that has just ended is told of by its reader.
        with contextlib.suppress(OSError), self.process.stdin as stdin:
            while (pieces := self._outbox.get()) is not None:
                send(stdin, *pieces)

    def end(self) -> None:
        self._outbox.put(None)
        self.process.kill()


class Processes:
    """`num_workers` processes with `num_cores` threads each; one that ends is replaced."""

    def __init__(self, num_workers: int, *, num_cores: int = 1, trust: bool = True) -> None:
        self._wanted, self._num_cores, self._trust = num_workers, num_cores, trust
        self.workers: dict[int, _Worker] = {}
        self._inbox: queue.Queue[Answer] = queue.Queue()
        self._next = 0

    def start(self) -> None:
        while len(self.workers) < self._wanted:
            self._add()
        end = time.monotonic() + _START_S
        while not self.num_workers():
            self._sort(self._next_answers(1.0))
            if time.monotonic() > end or len(self.workers) < self._wanted:
                self.end()
                problem = "the workers, processes of this machine, do not start"
                raise ConfigError([Fault("algorithm.collecting.workers", problem)])

    def loads(self) -> dict[int, int]:
        return {n: len(worker.asked) for n, worker in self.workers.items() if worker.is_ready}

    def num_workers(self) -> int:
        return sum(worker.is_ready for worker in self.workers.values())

    def ask(self, worker: int, packed: Packed, part: Range) -> None:
        self.workers[worker].ask(packed, part)

    def wait(self, seconds: float) -> list[Answer]:
        answers = self._sort(self._next_answers(seconds))
        while len(self.workers) < self._wanted:
            self._add()
        return answers

    def drop(self, worker: int, why: str) -> None:
        self.workers.pop(worker).end()
        self._add()

    def end(self) -> None:
        for worker in self.workers.values():
            worker.end()
        for worker in self.workers.values():
            worker.process.wait()
        self.workers.clear()

    def _add(self) -> None:
        worker = _Worker(self._next, self._num_cores, self._trust, self._inbox)
        self.workers[self._next] = worker
        self._next += 1

    def _next_answers(self, seconds: float) -> list[Answer]:
        answers = []
        with contextlib.suppress(queue.Empty):
            answers.append(self._inbox.get(timeout=seconds))
            while True:
                answers.append(self._inbox.get_nowait())
        return answers

    def _sort(self, answers: list[Answer]) -> list[Answer]:
        """Those of workers that are still counted on, whose first word is that they are there."""
        told = []
        for answer in answers:
            worker = self.workers.get(answer.worker)
            if worker is None:
                continue
            if answer.part is None:
                del self.workers[answer.worker]
            elif not worker.is_ready:
                worker.is_ready = True
                continue
            else:
                answer = replace(answer, asked=worker.asked.popleft())
            told.append(answer)
        return told


def serve(num_cores: int, trust: bool) -> None:
    """What a worker does until the coordinator ends, which it sees at once."""
    out = os.fdopen(os.dup(1), "wb")
    # What an environment prints is for people, and no part.
    os.dup2(2, 1)
    asked: queue.Queue[tuple[Range, bytes, bytes]] = queue.Queue()

    def read() -> None:
        stdin = sys.stdin.buffer
        while True:
            pieces = [receive(stdin) for _ in range(3)]
            if None in pieces:
                os._exit(0)
            told, job, weights = (piece or b"" for piece in pieces)
            asked.put((Range(**json.loads(told)), job, weights))

    computing = Computing(trust=trust, num_cores=num_cores)
    threading.Thread(target=read, daemon=True).start()
    send(out, b"ready")
    while True:
        part, job, weights = asked.get()
        send(out, computing.part(job, functools.partial(bytes, weights), part.first, part.count))
