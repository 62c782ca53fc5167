"""Evolution Strategies: `es` of run.py. Rust, Mojo and evosax on the same work, measured in turn.

Rust and Mojo play bit for bit the same episodes, those of the example config. Mojo's time is that
of the whole process, which is built before; Rust's that of the call from Python.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import growth
from evolution import compiled_or_skipped
from results import row
from sides import OURS, PEER, ROOT, Bench, compare_rounds, ended, pinned, spread

EXAMPLE = ROOT / "examples" / "es_puzzle8_v1.json"
WORK = growth.WORKLOADS["es"]
# Neither language may be so many times slower than the other.
WITHIN = 1.3


def es(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Generations of Evolution Strategies in Rust and Mojo, and in evosax."""
    return against_mojo(options) + against_evosax(options)


def against_mojo(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The example config in Rust and, with the peers, in Mojo."""
    count = WORK["generations"]
    program = compiled_or_skipped(options, "train_puzzle") if options.peer else None
    with_mojo = program is not None
    rates: dict[int, list[dict[str, dict[str, float]]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder, Bench(options, None) as bench:
        config = example(count)
        path = Path(folder) / "es.json"
        path.write_text(json.dumps(config))
        for _ in range(options.repeats):
            for threads, rounds in rates.items():
                request = {"task": "es_example", "config": config, "threads": threads}
                found = {OURS: bench.measure(OURS, threads, request)}
                if program is not None:
                    mojo = measure_mojo(program, path, threads, f"{folder}/run")
                    found[PEER] = {**mojo, "count": found[OURS]["count"]}
                rounds.append(found)
    steps = rates[1][0][OURS]["count"]
    rows = []
    for threads, rounds in rates.items():
        plural = "1 thread" if threads == 1 else f"{threads} threads"
        name = f"Evolution Strategies, Rust{' (peer: Mojo)' if with_mojo else ''}, {plural}"
        figures = compare_rounds(rounds)
        found = row(f"{name}: policy steps", "steps/s", figures, within_cpu=WITHIN)
        rows.append({**found, "steps": steps, **({"peer_is": "Mojo"} if with_mojo else {})})
        by_generation = [
            {side: {**measured, "count": count} for side, measured in each.items()}
            for each in rounds
        ]
        rows.append(row(f"{name}: generations", "/s", compare_rounds(by_generation)))
    for side, language in ((OURS, "Rust"), (PEER, "Mojo"))[: 1 + with_mojo]:
        gains = spread(
            one[side]["seconds"] / two[side]["seconds"]
            for one, two in zip(rates[1], rates[2], strict=True)
        )
        name = f"Evolution Strategies, {language}, 1 → 2 threads"
        rows.append(row(name, "times", {OURS: gains}, at_least=1.85))
    return rows


def example(generations: int) -> dict[str, Any]:
    """The example config with so many generations and nothing between them."""
    config: dict[str, Any] = json.loads(EXAMPLE.read_text())
    algorithm = config["algorithm"]
    algorithm["training"]["num_generations"] = generations
    algorithm["learning"]["num_steps"] = 1
    algorithm["evals"] = {"uniform": {"num_episodes": 1}}
    algorithm["logging"] = {"log_freq": 0, "checkpoint_freq": 0}
    return config


def measure_mojo(program: str, config: Path, threads: int, folder: str) -> dict[str, float]:
    """Seconds and processor time of one run of the trainer."""
    command = [program, "--config", str(config), "--threads", str(threads), "--out", folder]
    start = time.perf_counter()
    with pinned(threads):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    usage = ended(child, "Mojo's training")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}


def against_evosax(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rust and OpenES of evosax with the same population, network, episodes and steps."""
    work = WORK["evosax"]
    rows = []
    with Bench(options, "evosax") as bench:
        for pairs in work["pairs"]:
            asked = {"task": "es_generations", "num_pairs": pairs, "episodes": work["episodes"]}
            asked["steps"] = work["steps"]
            ours = {"count": work["generations"]}
            theirs = {"count": work["peer_generations"]}
            name = f"Evolution Strategies, {2 * pairs} members × {work['episodes']} episodes"
            name += (
                f" × {work['steps']} steps{' (peer: OpenES)' if bench.with_peer else ''}, 1 thread"
            )
            figures = bench.compare(asked, 1, ours, theirs)
            found = row(f"{name}: generations", "/s", figures, ratio_cpu=10)
            rows.append({**found, **bench.peer_is()})
    return rows
