"""Workers beside one process: `machines` of run.py.

Local processes with a thread each collect what `workloads.json` says, in turns. What a collection
costs beyond its playing is fitted to a line in its ranges; the same line predicts what more workers
reach than there are processors here, and is checked against those that there are.
docs/machines.md has the assumptions.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from growth import WORKLOADS
from results import row
from sides import OURS, spread
from twisterl.machines import crew as crews
from twisterl.machines.coordinator import RANGES_PER_WORKER, Coordinator
from twisterl.machines.processes import Processes
from twisterl.machines.transport import Range
from twisterl.utils import prepare_algorithm

PLAN = WORKLOADS["machines"]
# Shares of a second that a slowed worker runs and stands still: four times slower.
RUNS_S, STANDS_S = 0.005, 0.015


class Ticking:
    """An environment in Python: a walk along a line, whose steps take the time of a loop."""

    def __init__(self, size: int = 12, work: int = 200) -> None:
        self.size, self.work, self.cell, self.left = size, work, 0, 0

    def arguments(self) -> dict[str, int]:
        return {"size": self.size, "work": self.work}

    def num_actions(self) -> int:
        return 2

    def obs_shape(self) -> list[int]:
        return [self.size]

    def reset(self, difficulty: int) -> None:
        self.cell, self.left = min(difficulty, self.size - 1), 24

    def set_state(self, state: list[int]) -> None:
        self.cell, self.left = state[0], 24

    def next(self, action: int) -> None:
        for _ in range(self.work):
            self.left += 0
        self.cell = min(max(self.cell + (1 if action else -1), 0), self.size - 1)
        self.left -= 1

    def masks(self) -> list[bool]:
        return [True, True]

    def is_final(self) -> bool:
        return self.cell == 0 or self.left == 0

    def success(self) -> bool:
        return self.cell == 0

    def value(self) -> float:
        return float(self.success())

    def observe(self) -> list[int]:
        return [self.cell]

    def copy(self) -> Ticking:
        twin = Ticking(self.size, self.work)
        twin.cell, twin.left = self.cell, self.left
        return twin


def machines(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Collections by one worker and more, a slow one, a late one, a cluster, and what 512 make."""
    self_play = prepare_algorithm(PLAN["az"])
    python = prepare_algorithm(PLAN["python"])
    python.env.difficulty = 8
    rows = []
    with workers(3) as three:
        played, in_python = [], []
        for _ in range(options.repeats):
            played.append({n: collected(self_play, three, n) for n in (1, 2, 3)})
            in_python.append({n: collected(python, three, n) for n in (1, 2)})
        many = [collected(self_play, three, 1, ranges=PLAN["ranges"]) for _ in played]
        slow = [slowed(self_play, three) for _ in range(options.repeats)]
        rows += [
            scaled("AlphaZero: collection, 1 → 2 workers", played, 1.7),
            scaled("environment in Python: collection, 1 → 2 workers", in_python, 1.8),
            row(
                "AlphaZero: what a worker that is 4 times slower costs",
                "ranges of its own",
                {OURS: spread(slow)},
                at_most=1,
            ),
        ]
        late = joined_late(self_play)
        rows.append(row("iterations until a worker that joins is used", "", late, at_most=1))
    rows += costs(self_play, played, many)
    rows.append(cluster())
    return rows


@contextlib.contextmanager
def workers(count: int) -> Iterator[Processes]:
    transport = Processes(count)
    transport.start()
    while transport.num_workers() < count:
        transport.wait(0.1)
    try:
        yield transport
    finally:
        transport.end()


class Some:
    """The first workers of a transport."""

    def __init__(self, transport: Processes, count: int) -> None:
        self._transport, self._count = transport, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def loads(self) -> dict[int, int]:
        first = sorted(self._transport.workers)[: self._count]
        return {n: load for n, load in self._transport.loads().items() if n in first}

    def num_workers(self) -> int:
        return self._count

    def start(self) -> None:
        pass


def collected(
    algorithm: Any, transport: Processes, count: int, ranges: int | None = None
) -> dict[str, Any]:
    """A collection by the first `count` workers: its seconds, and what the coordinator counted."""
    coordinator = Coordinator(Some(transport, count), count)
    job = crews.episodes(algorithm, "reset")
    cut = coordinator.ranges(job.total)
    if ranges is not None:
        size = -(-job.total // ranges)
        cut = [Range(first, min(size, job.total - first)) for first in range(0, job.total, size)]
    begun, cpu = time.perf_counter(), time.process_time()
    coordinator.compute(job, cut)
    taken = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    return {**taken, **coordinator.counts(), "cut": len(cut)}


def scaled(name: str, rounds: list[dict[int, Any]], goal: float) -> dict[str, Any]:
    ratios = [each[1]["wall"] / each[2]["wall"] for each in rounds]
    return row(name, "times", {OURS: spread(ratios)}, at_least=goal)


def slowed(algorithm: Any, transport: Processes) -> float:
    """How many ranges of a slow worker's time two workers lose to what both could do."""
    second = transport.workers[sorted(transport.workers)[1]].process.pid
    alone = collected(algorithm, transport, 1)
    ended = threading.Event()

    def slow() -> None:
        while not ended.is_set():
            os.kill(second, signal.SIGSTOP)
            time.sleep(STANDS_S)
            os.kill(second, signal.SIGCONT)
            time.sleep(RUNS_S)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        both = collected(algorithm, transport, 2)
    finally:
        ended.set()
        thread.join()
    # The last part of the slow worker may still be on its way.
    while any(transport.loads().values()):
        transport.wait(0.05)
    ideal = alone["wall"] / (1 + RUNS_S / (RUNS_S + STANDS_S))
    a_range = alone["wall"] / both["cut"] * (RUNS_S + STANDS_S) / RUNS_S
    return max(0.0, both["wall"] - ideal) / a_range


def joined_late(algorithm: Any) -> dict[str, Any]:
    """Iterations after a worker is there until it has played."""
    with workers(1) as transport:
        coordinator = Coordinator(transport, 2)
        coordinator.compute(crews.episodes(algorithm, "reset"))
        transport._wanted = 2
        while transport.num_workers() < 2:
            transport.wait(0.1)
        asked: set[int] = set()
        ask = transport.ask
        transport.ask = lambda worker, *what: (asked.add(worker), ask(worker, *what))[1]
        iterations = 0
        while len(asked) < 2:
            iterations += 1
            coordinator.compute(crews.episodes(algorithm, "reset"))
    return {OURS: spread([iterations])}


def costs(
    algorithm: Any, played: list[dict[int, Any]], many: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What a range costs, its share of an iteration, and the model that follows from it."""
    few = [each[1] for each in played]
    learning = learned(algorithm)
    model = Model.fitted(few, many)
    figures = [
        ("AlphaZero: playing, one worker", "s", model.playing),
        ("AlphaZero: learning of an iteration", "s", learning),
        ("a range: processor of the coordinator", "ms", 1000 * model.a_range),
        ("a range: what its worker waits for the next", "ms", 1000 * model.waiting),
        ("a range: received", "kB", few[0]["bytes_received"] / few[0]["cut"] / 1e3),
        ("a range: sent, without weights", "kB", few[0]["bytes_sent"] / few[0]["cut"] / 1e3),
        ("parts of a collection: processor of the coordinator", "ms", 1000 * model.parts),
    ]
    rows = [row(name, unit, {OURS: spread([value])}) for name, unit, value in figures]
    share = [100 * (each["wall"] - each["seconds"]) / (each["wall"] + learning) for each in few]
    name = "AlphaZero: transport and merging, share of an iteration"
    rows.append(row(name, "%", {OURS: spread(share)}, at_most=5))
    for count in (1, 2, 3):
        there = model.collection(min(count, cores()))
        walls = [each[count]["wall"] / there for each in played]
        rows.append(row(f"measured over predicted, {count} workers", "", {OURS: spread(walls)}))
    for count in (8, 64, 512):
        same = (model.collection(1) + learning) / (model.collection(count) + learning)
        alone = model.collection(1) / model.collection(count)
        grown = 100 * model.collection(1) / model.grown(count)
        for what, unit, value in (
            ("iteration as here", "times", same),
            ("collection as here", "times", alone),
            (f"efficiency at {count} times the episodes", "%", grown),
        ):
            name = f"predicted, {count} workers: {what}"
            rows.append(row(name, unit, {OURS: spread([value])}))
    return rows


def learned(algorithm: Any) -> float:
    batch, _ = algorithm.data_to_train(algorithm.collect()[0])
    return algorithm.train(batch)[1]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@dataclass(frozen=True)
class Model:
    """Seconds of a collection: `playing` by one worker, and of each range and of all parts."""

    playing: float
    # The coordinator works for one range after the other,
    a_range: float
    # and on what all parts hold; each worker waits between its ranges.
    parts: float
    waiting: float

    @classmethod
    def fitted(cls, few: list[dict[str, Any]], many: list[dict[str, Any]]) -> Model:
        def median(rounds: list[dict[str, Any]], key: str) -> float:
            return statistics.median(each[key] for each in rounds)

        cuts = few[0]["cut"], many[0]["cut"]
        a_range = max(0.0, median(many, "cpu") - median(few, "cpu")) / (cuts[1] - cuts[0])
        parts = max(0.0, median(few, "cpu") - a_range * cuts[0])
        idle = median(many, "wall") - median(many, "seconds") - median(many, "cpu")
        return cls(median(few, "seconds"), a_range, parts, max(0.0, idle) / cuts[1])

    def collection(self, count: int) -> float:
        """Of as many episodes as here, by `count` workers."""
        episodes = PLAN["az"]["algorithm"]["collecting"]["num_episodes"]
        ranges = min(RANGES_PER_WORKER * count, episodes)
        # The last ranges end half a range apart, on average.
        uneven = self.playing / ranges / 2 if count > 1 else 0.0
        rest = self.waiting * ranges / count + self.a_range * ranges + self.parts
        return self.playing / count + uneven + rest

    def grown(self, count: int) -> float:
        """Of `count` times as many episodes."""
        ranges = RANGES_PER_WORKER
        uneven = self.playing / ranges / 2 if count > 1 else 0.0
        coordinated = count * (self.a_range * ranges + self.parts)
        return self.playing + uneven + self.waiting * ranges + coordinated


def cluster() -> dict[str, Any]:
    """From nothing to the first collection of a Ray cluster of two nodes on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray import cluster_utils

    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    begun = time.perf_counter()
    nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False}
    )
    nodes.add_node(**node)
    small = PLAN["az"]["algorithm"]
    told = {"backend": "ray", "address": nodes.address, "num_workers": 2}
    collecting = {**small["collecting"], "num_episodes": 8, "workers": told}
    algorithm = prepare_algorithm({**PLAN["az"], "algorithm": {**small, "collecting": collecting}})
    algorithm.collect()
    seconds = time.perf_counter() - begun
    algorithm.disconnect()
    nodes.shutdown()
    name = "Ray, two nodes of one machine: start to first collection"
    return row(name, "s", {OURS: spread([seconds])}, at_most=10)
