"""What proven shortest solutions cost: `optimum` of run.py."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import sides
from growth import WORKLOADS
from results import row
from sides import OURS, spread

# A process for each round: what it prepares is kept until it ends.
PROGRAM = """
import json, os, sys, time
from twisterl import envs
from twisterl.twisterl.collector import OptimalSolver
work = json.loads(sys.argv[1])
env = getattr(envs, work["class"])(**work["env"], difficulty=1, depth_slope=2, max_depth=256)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
before, start, cpu = resident(), time.perf_counter(), time.process_time()
solver = OptimalSolver(env)
prepared = time.perf_counter() - start, time.process_time() - cpu, resident() - before
cpu = time.process_time()
lengths, proven = solver.lengths(work["boards"], seed=0, start="uniform")
assert proven.all()
board = 1000 * (time.process_time() - cpu) / work["boards"]
print(json.dumps([*prepared, board, float(lengths.mean())]))
"""
COLUMNS = (
    ("preparation", "s"),
    ("preparation, processors together", "CPU-s"),
    ("memory that it keeps", "MiB"),
    ("a uniformly random state", "CPU-ms"),
    ("mean optimum", "actions"),
)


def optimum(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Preparing exact searches, and proving the shortest solutions of random states."""
    if not Path("/proc/self/statm").exists():
        raise sides.UnavailableError("the memory of a process is read from /proc, as on Linux")
    rows = []
    for work in WORKLOADS["optimum"]:
        rounds = [measure(work) for _ in range(min(options.repeats, 3))]
        for (what, unit), values in zip(COLUMNS, zip(*rounds, strict=True), strict=True):
            rows.append(row(f"{work['name']}: {what}", unit, {OURS: spread(values)}))
    return rows


def measure(work: dict[str, Any]) -> list[float]:
    command = [sys.executable, "-c", PROGRAM, json.dumps(work)]
    found: list[float] = json.loads(sides.printed(command, sides.environment(OURS, 2)))
    return found
