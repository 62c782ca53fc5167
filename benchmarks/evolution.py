"""The Mojo port: `mojo`, `es`, `es8` and `es15` of run.py; all but `es` need the mojo command."""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import compared
import growth
from alphazero import spread_of, worst
from results import row
from sides import (
    OURS,
    PEER,
    ROOT,
    Bench,
    UnavailableError,
    compare_rounds,
    ended,
    pinned,
    printed,
    spread,
)

# Neither language may be so many times slower than the other.
WITHIN = 1.3
Goals = dict[str, dict[int, float]]

EXAMPLES = ROOT / "examples"
# The least success on uniformly random boards after so many seconds, by how actions are chosen.
GOALS: Goals = {"policy": {10: 0.95, 60: 0.99}, "value": {60: 0.995}}
TITLES = {"policy": "policy", "value": "value of the next state"}
SPEEDS = {
    "reset, 20 moves, InlineArray": {"at_most": 70},
    "reset, 20 moves, 64 bits": {"at_most": 30},
    "combined step, InlineArray": {"at_most": 8},
    "combined step, 64 bits": {"at_most": 4},
    "10,000 random steps, InlineArray": {"at_most": 60},
    "policy step 81-32-4, one episode": {"at_most": 40},
    "policy step 81-32-4, 8 interleaved": {"at_most": 22},
    "Evolution Strategies, 2 threads": {"at_least": 40},
    "Evolution Strategies, 1 → 2 threads": {"at_least": 1.85},
}


def mojo(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The Mojo port: mojo run mojo/benchmark.mojo --json; times are processor time."""
    report = json.loads(printed([compiled("benchmark"), "--json"]))
    rows = []
    for figure in report["figures"]:
        name, value = figure["name"], growth.median_and_range(figure)
        goal = SPEEDS.get(name, {})
        rows.append(row(f"Mojo: {name}", figure["unit"], {OURS: value}, **goal))
    return rows


def es(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Generations of Evolution Strategies in Rust and Mojo, and in evosax.

    Rust and Mojo play bit for bit the same episodes. Mojo's time is that of the whole process,
    which is built before; Rust's that of the call from Python.
    """
    return against_mojo(options) + compared.benchmark("evosax")(options)


def against_mojo(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The example config in Rust and, with the peers, in Mojo."""
    count = growth.WORKLOADS["es"]["generations"]
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
    config: dict[str, Any] = json.loads((EXAMPLES / "es_puzzle8_v1.json").read_text())
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


def es8(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evolution Strategies on the 8-puzzle in Mojo: success on 1,000 uniformly random boards."""
    return judge("8-puzzle", EXAMPLES / "es_puzzle8_v1.json", GOALS, options)


def es15(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evolution Strategies on the 15-puzzle in Mojo: success on 1,000 uniformly random boards."""
    goals: Goals = {"value": {60: 0, 120: 0, int(options.limit): 0}}
    return judge("15-puzzle", EXAMPLES / "es_puzzle15_v1.json", goals, options)


def judge(
    puzzle: str, example: Path, goals: Goals, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Trains by each player and seed; what the runs reached in time, and what they took.

    Boards are always the same 1,000. A goal of 0 is none.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = compiled("train_puzzle")
        for player, bounds in goals.items():
            config = json.loads(example.read_text())
            config["algorithm"]["collecting"]["player"] = player
            (folder / "config.json").write_text(json.dumps(config))
            runs = [train(folder, program, seed, options.limit) for seed in range(options.seeds)]
            title = f"{puzzle}, Mojo ES by the {TITLES[player]}"
            for seconds, least in bounds.items():
                reached = [success_at(run, seconds) for run in runs]
                what = f"{title}: solved within {seconds} s"
                rows.append(
                    worst(what, "", reached, at_least=least)
                    if least
                    else row(what, "", spread_of(reached))
                )
            rows[-1]["runs"] = runs
            last = [run["curve"][-1] for run in runs]
            rows += [
                row(f"{title}: mean length", "moves", spread_of(x["mean_length"] for x in last)),
                row(
                    f"{title}: difficulty at the end", "", spread_of(x["difficulty"] for x in last)
                ),
                row(f"{title}: training", "s", spread_of(x["elapsed_s"] for x in last)),
                row(f"{title}: training", "CPU-s", spread_of(run["cpu_s"] for run in runs)),
                row(
                    f"{title}: policy steps",
                    "M steps/s",
                    spread_of(x["total_steps"] / x["elapsed_s"] / 1e6 for x in last),
                ),
            ]
    return rows


def train(folder: Path, program: str, seed: int, limit_s: float) -> dict[str, Any]:
    """A run of `folder`/config.json: its evaluations, and the processor time of all threads."""
    target = folder / f"seed{seed}"
    command = [program, "--config", str(folder / "config.json"), "--seed", str(seed)]
    command += ["--time-budget", str(limit_s), "--out", str(target)]
    before = processor_seconds()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    cpu_s = processor_seconds() - before
    lines = map(json.loads, (target / "metrics.jsonl").read_text().splitlines())
    curve = [
        {key: line[key] for key in ("elapsed_s", "total_steps", "difficulty")}
        | {key: line["evals"]["uniform"][key] for key in ("success", "mean_length")}
        for line in lines
        if "uniform" in line["evals"]
    ]
    shown = {key: round(value, 3) for key, value in curve[-1].items()}
    print(f"  seed {seed}: {shown}, {cpu_s:.1f} CPU-s", file=sys.stderr, flush=True)
    return {"seed": seed, "cpu_s": cpu_s, "curve": curve}


def success_at(run: dict[str, Any], seconds: float) -> float:
    """Of the last evaluation that had ended by then; 0 before the first."""
    reached = [point["success"] for point in run["curve"] if point["elapsed_s"] <= seconds]
    return reached[-1] if reached else 0.0


def processor_seconds() -> float:
    """Of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@functools.cache
def compiled(name: str) -> str:
    """The program of mojo/`name`.mojo, built once.

    Raises:
        UnavailableError: there is no compiler here.
    """
    if shutil.which("mojo") is None:
        raise UnavailableError("no mojo command on the path; see requirements/mojo.txt")
    program = ROOT / "target" / f"{name}-mojo"
    program.parent.mkdir(exist_ok=True)
    environment = {**os.environ, "MODULAR_TELEMETRY_ENABLED": "0"}
    command = ["mojo", "build", f"mojo/{name}.mojo", "-o", str(program)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return str(program)


def compiled_or_skipped(options: argparse.Namespace, name: str) -> str | None:
    """As `compiled`; without a compiler None, and `options.skipped` says why."""
    try:
        return compiled(name)
    except UnavailableError as error:
        options.skipped.append(f"{options.running}, Mojo: {error}")
        return None
