"""The engine's own benchmark program: `engine`, `growth`, `instructions` of run.py."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from results import ROOT, row
from sides import OURS, Bench, MeasurementError, UnavailableError, per_call, printed

WORKLOADS = json.loads((Path(__file__).resolve().parent / "workloads.json").read_text())
PLAN = WORKLOADS["growth"]
# As titles say it, where the option of the Rust benchmark has another name.
AXES = {"search_episodes": "games", "batches": "batch"}
# What the products of a layer are called.
PRODUCTS = "products,"
PROGRAM = str(ROOT / "target" / "release" / "benchmark")


def growth(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All workloads by board side, width of the first layer, batch, episodes and threads."""
    build()
    return of_the_engine() + of_python(options)


def engine(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The Rust engine alone on 3×3: cargo run --release --bin benchmark -- --threads 1."""
    goals = {
        "reset (32 moves)": 70,
        "step": 5,
        "combined step": 12,
        "search, PUCT 100, the tree alone": 100,
    }
    build()
    seconds = str(PLAN["seconds"])
    report = json.loads(printed([PROGRAM, "--json", "--threads", "1", "--seconds", seconds]))
    rows = []
    for figure in report["figures"]:
        name, unit = figure["name"], figure["unit"]
        if name.startswith(PRODUCTS):
            # `updates` has them.
            continue
        goal = {"at_most": goals[name]} if name in goals else {}
        rows.append(row(f"{name}, 3×3", unit, {OURS: median_and_range(figure)}, **goal))
    return rows


def of_the_engine() -> list[dict[str, Any]]:
    """What the Rust benchmark measures, each with the peak of its memory where it stores much."""
    rows = []
    for axis in ("side", "embedding", "episodes", "search_episodes", "batches", "threads"):
        for part in PLAN[axis]:
            for value in part["values"]:
                for name in part["figures"]:
                    sizes = {"search_episodes": PLAN["games"], **PLAN["base"], axis: value}
                    figure = measure(name.format(value), **sizes)
                    rows.append(grown(axis, value, figure["unit"], figure["name"], figure))
                    if part.get("memory") and figure["peak_mib"] is not None:
                        peak = dict.fromkeys(("median", "low", "high"), figure["peak_mib"])
                        rows.append(grown(axis, value, "MiB", figure["name"], peak))
    return rows


def of_python(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Updates of PPO, and solutions of one board that find none, by a network of chance."""
    rows = []
    with Bench(options, None) as bench:
        updates = PLAN["updates"]
        for axis in ("side", "embedding", "threads"):
            for value in updates[axis]:
                asked = {"side": 3, "embedding": 512, "threads": 2, **updates["work"], axis: value}
                found = bench.compare({"task": "train_step", **asked}, asked["threads"])
                rows.append(grown(axis, value, "sample-epochs/s", "training step", found[OURS]))
        solving = PLAN["solve"]
        for side in solving["side"]:
            for kind, how in solving["strategies"].items():
                asked = {"task": "search_in_vain", "side": side, "how": how, **solving["work"]}
                found = per_call(bench.compare(asked))
                name = f"solve, {kind}, {solving['work']['moves']} moves"
                rows.append(grown("side", side, "µs", name, found[OURS]))
    return rows


def build() -> None:
    command = ["cargo", "build", "--quiet", "--release", "--bin", "benchmark"]
    subprocess.run(command, cwd=ROOT, check=True)


def command(name: str, **options: Any) -> list[str]:
    """The Rust benchmark for one figure; `side` is the board's width and height."""
    side = options.pop("side")
    options = {"width": side, "height": side, "threads": 1, **options}
    flags = [
        part
        for key, value in options.items()
        for part in (f"--{key.replace('_', '-')}", str(value))
    ]
    return [PROGRAM, "--json", "--only", name, *flags]


def measure(name: str, **options: Any) -> dict[str, Any]:
    """The figure of this name, with `peak_mib` of the process that measured it."""
    seconds = options.pop("seconds", PLAN["seconds"])
    report = json.loads(printed(command(name, **options, seconds=seconds)))
    figures = report["figures"]
    if len(figures) != 1:
        raise MeasurementError(f"expected one figure {name!r}, got {len(figures)}")
    return {**figures[0], "peak_mib": report["peak_mib"]}


def median_and_range(figure: dict[str, Any]) -> dict[str, float]:
    """Of a figure as the benchmarks of Rust and Mojo print it."""
    return {key: figure[key] for key in ("median", "low", "high")}


def grown(axis: str, value: int, unit: str, figure: str, found: dict[str, Any]) -> dict[str, Any]:
    """A row of the figure named so at one point of the axis."""
    # Threads and batch are in the names of Rust's figures; the axis says which.
    name = re.sub(r", (\d+ threads|batch \d+)", "", figure)
    what = f"{name}: peak memory" if unit == "MiB" else name
    title = f"{what}, {AXES.get(axis, axis)} {value}"
    each = row(title, unit, {OURS: median_and_range(found)})
    return {**each, "figure": name, "axis": axis, "value": value}


def instructions(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Instructions of the engine's hot functions, counted by callgrind: the same on a busy machine.

    The work is counted twice, once doubled, so that starting the program cancels.
    """
    if not shutil.which("valgrind"):
        raise UnavailableError("valgrind is not on this machine: apt install valgrind")
    build()
    plan = WORKLOADS["instructions"]
    runs = [
        (work["figure"], times * work["repeats"])
        for work in plan
        if "whole" not in work
        for times in (1, 2)
    ]
    # Counts do not depend on what else runs.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(runs, pool.map(lambda asked: counted(*asked), runs), strict=True))
    found: dict[str, float] = {}
    for work in plan:
        name = work["figure"]
        if "whole" in work:
            found[name] = found[work["whole"]] - found[work["part"]]
        else:
            once, twice = (counts[name, times * work["repeats"]] for times in (1, 2))
            found[name] = (twice[0] - once[0]) / (twice[1] - once[1])
    return [
        row(f"{name}, 3×3", "instructions", {OURS: {"median": count}})
        for name, count in found.items()
    ]


def counted(name: str, repeats: int) -> tuple[int, float]:
    """(instructions, how much was done) of one run."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    arguments = [*valgrind, *command(name, **PLAN["base"], repeats=repeats)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise MeasurementError(done.stderr[-1000:])
    return int(found[1]), json.loads(done.stdout)["figures"][0]["median"]
