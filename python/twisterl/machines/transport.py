"""What carries ranges to workers and parts back: the interface, and the one within this process."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Protocol

from twisterl.machines.computing import Computing
from twisterl.machines.job import Packed


@dataclass(frozen=True)
class Range:
    """`count` of what a job has from number `first` on."""

    first: int
    count: int


@dataclass(frozen=True)
class Answer:
    """What became of the range `asked`; `part` is None if the worker was lost, with all it had."""

    worker: int
    part: bytes | None
    asked: Range | None = None
    why: str = ""


class Transport(Protocol):
    """Workers by number; a number is never used again. They join and leave at any time."""

    def start(self) -> None:
        """Brings the workers up, or raises `ConfigError` saying in one line why it cannot."""

    def loads(self) -> dict[int, int]:
        """The workers that are there, and of how many ranges each owes the part."""

    def num_workers(self) -> int:
        """How many are there."""

    def ask(self, worker: int, packed: Packed, part: Range) -> None:
        """Gives a worker a range, to begin when it has ended those before.

        It fetches the weights if it has another version.
        """

    def wait(self, seconds: float) -> list[Answer]:
        """What has come in; waits for the first so long, or until there is an idle worker more."""

    def drop(self, worker: int, why: str) -> None:
        """Takes a worker for lost, without an answer; another one comes in its place."""

    def end(self) -> None:
        """Lets all workers go."""


class InProcess:
    """Workers of this process that compute when they are waited for, one range after the other."""

    def __init__(self, num_workers: int, *, trust: bool = True) -> None:
        self._workers = {number: Computing(trust=trust) for number in range(num_workers)}
        self._asked: deque[tuple[int, Packed, Range]] = deque()
        self._next, self._trust = num_workers, trust

    def start(self) -> None:
        pass

    def loads(self) -> dict[int, int]:
        asked = Counter(worker for worker, _, _ in self._asked)
        return {worker: asked[worker] for worker in self._workers}

    def num_workers(self) -> int:
        return len(self._workers)

    def ask(self, worker: int, packed: Packed, part: Range) -> None:
        self._asked.append((worker, packed, part))

    def wait(self, seconds: float) -> list[Answer]:
        if not self._asked:
            return []
        worker, packed, part = self._asked.popleft()
        computing = self._workers[worker]
        asked = packed.job, lambda: packed.weights, part.first, part.count
        return [Answer(worker, computing.part(*asked), part)]

    def drop(self, worker: int, why: str) -> None:
        del self._workers[worker]
        self._asked = deque(asked for asked in self._asked if asked[0] != worker)
        self._workers[self._next] = Computing(trust=self._trust)
        self._next += 1

    def end(self) -> None:
        self._workers.clear()
        self._asked.clear()
