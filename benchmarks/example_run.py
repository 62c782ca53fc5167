"""The example config as users run it: what its training takes, and what its network is good for."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results
import sides
from results import row
from sides import OURS, PEER, ROOT, Bench, spread

EXAMPLE = ROOT / "examples" / "ppo_puzzle8_v1.json"


def trained_weights(options: argparse.Namespace) -> Path:
    """The weights given by --checkpoint, or those of the example config, trained once."""
    if options.checkpoint is None:
        options.checkpoint = trained_run(options) / "checkpoint_last.safetensors"
    return options.checkpoint


def trained_run(options: argparse.Namespace) -> Path:
    """The run folder of the example config, trained once: `options.peak_mib`, `options.train_s`."""
    if not hasattr(options, "folder"):
        options.folder = tempfile.TemporaryDirectory()
        run = Path(options.folder.name) / "run"
        command = [sys.executable, "-m", "twisterl.train", "--config", str(EXAMPLE)]
        begin = time.monotonic()
        child = subprocess.Popen(
            [*command, "--run_path", str(run)],
            env=sides.without_thread_choice(OURS),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        usage = sides.ended(child, "training")
        options.train_s = time.monotonic() - begin
        # Kilobytes on Linux, bytes on macOS.
        options.peak_mib = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Path(options.folder.name) / "run"


def solve(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Greedy solution of one board by `Algorithm.solve`, with a trained network."""
    checkpoint = trained_weights(options)
    boards = solvable_boards(checkpoint, 100)
    request = {"task": "solve", "checkpoint": str(checkpoint), "boards": boards, "repeats": 5}
    with Bench(options.repeats, options.peer) as bench:
        figures = sides.per_call(bench.compare(request))
    return [row("solve one board, greedy, from Python", "µs", figures, at_most=100)]


def solvable_boards(checkpoint: Path, count: int) -> list[list[int]]:
    """Uniformly random boards that the network of `checkpoint` solves greedily."""
    sys.path.insert(0, str(ROOT / "python"))
    from twisterl.rl import PPO
    from worker import make_env, make_policy

    env = make_env(3, 1)
    algorithm = PPO(env, make_policy(env, str(checkpoint)), {"device": "cpu"})
    source = random.Random(0)
    boards: list[list[int]] = []
    while len(boards) < count:
        board = list(range(9))
        source.shuffle(board)
        try:
            if algorithm.solve(board, True):
                boards.append(board)
        except ValueError:
            continue  # Half of all boards cannot be solved.
    return boards


IMPORT_TORCH = """
import torch
fields = (line.split() for line in open("/proc/self/smaps_rollup"))
found = {name: int(more[0]) / 1024 for name, *more in fields if name in ("Rss:", "Anonymous:")}
print(found["Rss:"] - found["Anonymous:"], found["Anonymous:"])
"""


def memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Peak resident memory and seconds of the training run of the example config."""
    trained_run(options)
    peak, seconds = ({OURS: spread([found])} for found in (options.peak_mib, options.train_s))
    return [
        row("peak memory of `make train`", "MiB", peak, at_most=500),
        *torch_memory(),
        row("time of `make train`, start to end", "s", seconds),
    ]


def torch_memory() -> list[dict[str, Any]]:
    """What of that the import of torch takes before anything is done, where /proc tells."""
    if not Path("/proc/self/smaps_rollup").exists():
        return []
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_TORCH],
        env=sides.without_thread_choice(OURS),
        capture_output=True,
        text=True,
        check=True,
    )
    kinds = ("pages of its files", "its own pages")
    return [
        row(f"of it `import torch` alone, {kind}", "MiB", {OURS: spread([float(found)])})
        for kind, found in zip(kinds, done.stdout.split(), strict=True)
    ]


def strategies(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One PPO network on uniformly random boards: sampling, tree search, beams."""
    command = [sys.executable, "benchmarks/strategies.py", str(trained_run(options))]
    subprocess.run(
        command,
        env=sides.environment(OURS, 2),
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found: list[dict[str, Any]] = results.read("strategies")["rows"]
    return found


IMPORT = """
import sys, time
start = time.perf_counter()
import twisterl
print(time.perf_counter() - start, int("torch" in sys.modules))
"""


def imports(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds that `import twisterl` takes, and whether it imports torch."""
    torch = {}
    seconds: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        for side in [OURS, PEER] if options.peer else [OURS]:
            done = subprocess.run(
                [sides.interpreter(side), "-c", IMPORT],
                env=sides.environment(side, 2),
                capture_output=True,
                text=True,
                check=True,
            )
            taken, with_torch = done.stdout.split()
            seconds.setdefault(side, []).append(float(taken))
            torch[side] = bool(int(with_torch))
    figures = {side: spread(values) for side, values in seconds.items()}
    return [
        {**row("import twisterl", "s", figures, at_most=0.3), "imports_torch": torch},
    ]
