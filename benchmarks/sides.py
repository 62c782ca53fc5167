"""Ours and the peer side by side: kept worker processes, measured in turn."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from peers import peer

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).resolve().parent / "worker.py"
OURS = "ours"
PEER = "peer"


class MeasurementError(RuntimeError):
    """A worker failed; the text is its traceback."""


def interpreter(side: str) -> str:
    """Of our side, or of the peer with this name in `peer.PEERS`."""
    return sys.executable if side == OURS else str(peer.ensure(side))


def environment(side: str, threads: int) -> dict[str, str]:
    """Of a child process: `threads` for numerics, our package from this checkout.

    torch's threads sleep while they wait, on both sides, as they do in our command line: threads
    that spin measure what else runs on the machine.
    """
    found = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    found.update(OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE")
    if side == OURS:
        found["PYTHONPATH"] = str(ROOT / "python")
    else:
        # What JAX compiles takes minutes, and is no part of a figure.
        found["JAX_COMPILATION_CACHE_DIR"] = str(peer.PEERS[side].folder / "compiled")
    return found


def without_thread_choice(side: str) -> dict[str, str]:
    """As `environment`, of a user who has chosen no number of threads."""
    found = environment(side, 1)
    del found["OMP_NUM_THREADS"]
    return found


def printed(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    """What `command` writes to its standard output.

    Raises:
        MeasurementError: it failed, with the end of its errors.
    """
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise MeasurementError(done.stderr[-1000:])
    return done.stdout


class UnavailableError(MeasurementError):
    """This machine lacks what a benchmark needs; the text says what and how to get it."""


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Processes started here have `threads` processors from their first instruction on: libraries
    count them when they are loaded."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    available = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(available)[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, available)


def ended(child: subprocess.Popen[Any], what: str) -> resource.struct_rusage:
    """What a child process used, once it has ended.

    Raises:
        MeasurementError: it failed; `what` names it.
    """
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise MeasurementError(f"{what} ended with status {child.returncode}")
    return usage


class Worker:
    """A process of one side, pinned to `threads` processors."""

    def __init__(self, side: str, threads: int) -> None:
        script = WORKER if side == OURS else WORKER.parent / peer.PEERS[side].script
        # A peer's script imports what all workers share.
        path = {} if side == OURS else {"PYTHONPATH": str(WORKER.parent)}
        with pinned(threads):
            self._process = subprocess.Popen(
                [interpreter(side), str(script), str(threads)],
                env={**environment(side, threads), **path},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )

    def measure(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise MeasurementError(f"the worker ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise MeasurementError(answer["error"])
        return answer

    def close(self) -> None:
        self._process.communicate()


class Bench:
    """Keeps the workers of both sides and measures workloads in turn.

    `against` is the peer's name in `peer.PEERS`, None for ours alone; it is left out where it
    cannot be measured.
    """

    def __init__(self, options: argparse.Namespace, against: str | None = "peer") -> None:
        self.repeats = options.repeats
        self.with_peer = against is not None and peer.is_there(options, against)
        self.sides = [OURS, PEER] if self.with_peer else [OURS]
        self._names = {OURS: OURS, PEER: against or ""}
        self._workers: dict[tuple[str, int], Worker] = {}

    def peer_is(self) -> dict[str, str]:
        """What a row says of the peer beside it."""
        return {"peer_is": peer.PEERS[self._names[PEER]].title} if self.with_peer else {}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()

    def measure(self, side: str, threads: int, request: dict[str, Any]) -> dict[str, Any]:
        if (side, threads) not in self._workers:
            self._workers[side, threads] = Worker(self._names[side], threads)
        return self._workers[side, threads].measure(request)

    def compare(
        self,
        request: dict[str, Any],
        threads: int = 1,
        only_ours: dict[str, Any] | None = None,
        only_peer: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Rates of both sides on `request` and their ratio, by wall and by processor time.

        `only_ours` and `only_peer` are parameters that the other side does not have, or has
        otherwise. The ratio is the median over rounds.
        """
        requests = {
            OURS: {**request, **(only_ours or {})},
            PEER: {**request, **(only_peer or {})},
        }
        return compare_rounds(self.rounds(threads, requests))

    def rounds(
        self, threads: int, requests: dict[str, dict[str, Any]]
    ) -> list[dict[str, dict[str, Any]]]:
        """What the sides answer to their requests, one after the other in every round."""
        return [
            {side: self.measure(side, threads, requests[side]) for side in self.sides}
            for _ in range(self.repeats)
        ]


def compare_rounds(rounds: Sequence[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Rates by side and, with both sides, ratios; from rounds of {side: seconds, cpu_s, count}."""
    result: dict[str, Any] = {}
    for clock, suffix in (("seconds", ""), ("cpu_s", "_cpu")):
        rates = [{side: m["count"] / m[clock] for side, m in r.items()} for r in rounds]
        for side in rounds[0]:
            result[side + suffix] = spread(rate[side] for rate in rates)
        if PEER in rounds[0]:
            result["ratio" + suffix] = spread(rate[OURS] / rate[PEER] for rate in rates)
    return result


def spread(values: Any) -> dict[str, float]:
    """Median, lowest and highest."""
    numbers = list(values)
    return {
        "median": statistics.median(numbers),
        "low": min(numbers),
        "high": max(numbers),
        "rounds": len(numbers),
    }


def per_call(figures: dict[str, Any]) -> dict[str, Any]:
    """Microseconds a call instead of calls a second; ratios stay rates."""

    def invert(spread: dict[str, float]) -> dict[str, float]:
        low, high = 1e6 / spread["high"], 1e6 / spread["low"]
        return {**spread, "median": 1e6 / spread["median"], "low": low, "high": high}

    return {
        key: value if key.startswith("ratio") else invert(value) for key, value in figures.items()
    }
