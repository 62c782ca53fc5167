"""The example config as users run it: what its training takes, and what its network is good for."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import memory_group
import sides
from learning import worst
from peers import peer
from results import row
from sides import OURS, PEER, ROOT, Bench, printed, spread

EXAMPLE = ROOT / "examples" / "ppo_puzzle8_v1.json"
# The most memory that Linux tells of a process is at least that of the one that started it: this
# one is small. It writes what the command's was into a file.
LAUNCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
SOLVED = 0.95
GOAL_MIB = 500


def trained_weights(options: argparse.Namespace) -> Path:
    """The weights given by --checkpoint, or those of the example config, trained once."""
    if options.checkpoint is None:
        options.checkpoint = trained_run(options) / "checkpoint_last.safetensors"
    return options.checkpoint


def trained_run(options: argparse.Namespace) -> Path:
    """The run folder of the example config, trained once: `options.peak_mib`, `options.train_s`."""
    if not hasattr(options, "folder"):
        folder = tempfile.TemporaryDirectory()
        options.train_s, _ = train(Path(folder.name) / "run")
        # Kilobytes on Linux, bytes on macOS.
        peak = int((Path(folder.name) / "peak").read_text())
        options.peak_mib = peak / (2**20 if sys.platform == "darwin" else 2**10)
        options.folder = folder
    return Path(options.folder.name) / "run"


def train(run: Path, group: Path | None = None) -> tuple[float, resource.struct_rusage]:
    """Seconds that the example config trains into the folder `run`, and what that used; in the
    memory group `group` if there is one. Its largest memory is in the file `peak` beside `run`."""
    command = [sys.executable, "-c", LAUNCH, str(run.parent / "peak")]
    command += [sys.executable, "-m", "twisterl.train", "--config", str(EXAMPLE)]
    begin = time.monotonic()
    child = subprocess.Popen(
        [*command, "--run_path", str(run)],
        env=sides.without_thread_choice(OURS),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        preexec_fn=(lambda: memory_group.enter(group)) if group else None,
    )
    usage = sides.ended(child, "training")
    return time.monotonic() - begin, usage


def solve(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Greedy solution of one board by `Algorithm.solve`, with a trained network."""
    checkpoint = str(trained_weights(options))
    with Bench(options) as bench:
        found = bench.measure(OURS, 1, {"task": "solvable", "checkpoint": checkpoint, "count": 100})
        request = {"task": "solve", "checkpoint": checkpoint, "boards": found["boards"]}
        figures = sides.per_call(bench.compare({**request, "repeats": 5}))
    return [row("solve one board, greedy, from Python", "µs", figures, at_most=100)]


IMPORT_TORCH = """
import torch
fields = (line.split() for line in open("/proc/self/smaps_rollup"))
found = {name: int(more[0]) / 1024 for name, *more in fields if name in ("Rss:", "Anonymous:")}
print(found["Rss:"] - found["Anonymous:"], found["Anonymous:"])
"""


def memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The training run of the example config: peak resident memory, time, and time to solve."""
    run = trained_run(options)
    peak, seconds = ({OURS: spread([found])} for found in (options.peak_mib, options.train_s))
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    judged = [line for line in lines if "uniform" in line["evals"]]
    reached = (x["elapsed_s"] for x in judged if x["evals"]["uniform"]["success"] >= SOLVED)
    title = f"`make train`: sampled success {SOLVED} on its 200 random boards after"
    return [
        row("peak memory of `make train`", "MiB", peak, at_most=150),
        *torch_memory(),
        *limited_memory(options),
        worst(title, "s", [next(reached, None)], at_most=2.5),
        row("`make train`: start to end", "s", seconds, at_most=8),
    ]


def torch_memory() -> list[dict[str, Any]]:
    """What the import of torch takes, for a config that asks for it, where /proc tells."""
    if not Path("/proc/self/smaps_rollup").exists():
        return []
    environment = sides.without_thread_choice(OURS)
    found = printed([sys.executable, "-c", IMPORT_TORCH], environment).split()
    kinds = ("pages of its files", "its own pages")
    return [
        row(f"`import torch` alone, {kind}", "MiB", {OURS: spread([float(mib)])})
        for kind, mib in zip(kinds, found, strict=True)
    ]


def limited_memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The same run where it has 500 MiB, pages of files included, and nothing is swapped."""
    with contextlib.ExitStack() as stack:
        try:
            group = stack.enter_context(memory_group.limited(GOAL_MIB))
        except sides.UnavailableError as error:
            options.skipped.append(f"{options.running}, {GOAL_MIB} MiB: {error}")
            return []
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        memory_group.forget(Path(sysconfig.get_path("purelib")))
        seconds, usage = train(Path(folder) / "run", group)
    name = f"`make train` held to {GOAL_MIB} MiB by Linux"
    return [
        row(f"{name}: start to end", "s", {OURS: spread([seconds])}),
        row(f"{name}: waits for pages of files", "", {OURS: spread([float(usage.ru_majflt)])}),
    ]


def strategies(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The network of `make train` on uniformly random boards: sampling, tree search, beams."""
    command = [sys.executable, "benchmarks/strategies.py", "--json", str(trained_run(options))]
    found = json.loads(printed(command, sides.environment(OURS, 2)))
    goals = {
        "sample 10: solved": {"at_least": 100},
        "sample 10: moves / optimum": {"at_most": 1.15},
    }
    return [
        row(f"8-puzzle, PPO, {name}", unit, {OURS: {"median": value}}, **goals.get(name, {}))
        for name, unit, value in found
    ]


IMPORT = """
import sys, time
start = time.perf_counter()
import twisterl
print(time.perf_counter() - start, int("torch" in sys.modules))
"""


def imports(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds that `import twisterl` takes, and whether it imports torch."""
    torch = {}
    asked = [OURS, PEER] if peer.is_there(options) else [OURS]
    seconds: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        for side in asked:
            command = [sides.interpreter(side), "-c", IMPORT]
            taken, with_torch = printed(command, sides.environment(side, 2)).split()
            seconds.setdefault(side, []).append(float(taken))
            torch[side] = bool(int(with_torch))
    figures = {side: spread(values) for side, values in seconds.items()}
    return [
        {**row("import twisterl", "s", figures, at_most=0.3), "imports_torch": torch},
    ]
