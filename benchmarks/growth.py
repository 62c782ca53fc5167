"""How the engine's figures grow, and how many instructions they take: what run.py calls."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from results import ROOT, row
from sides import OURS, MeasurementError, UnavailableError

WORKLOADS = json.loads((Path(__file__).resolve().parent / "workloads.json").read_text())
PROGRAM = str(ROOT / "target" / "release" / "benchmark")


def growth(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The engine by board side, width of the first layer, batch, episodes and threads."""
    build()
    plan = WORKLOADS["growth"]
    base = plan["base"]
    rows = []
    for side in plan["environment"]["side"]:
        for name in plan["environment"]["figures"]:
            rows.append(grown("side", side, measure(name, **{**base, "side": side})))
    for axis in ("side", "embedding", "episodes"):
        for value in plan[axis]["values"]:
            for name in plan[axis]["figures"]:
                rows.append(grown(axis, value, measure(name, **{**base, axis: value})))
    for batch in plan["batch"]["values"]:
        name = f"combined step with policy, batch {batch}"
        figure = measure(name, **base, batches=batch)
        rows.append(grown("batch", batch, {**figure, "name": "combined step with policy"}))
    for threads in (1, 2):
        for how in ("exact", "cached"):
            figure = measure(f"collection, {threads} threads, {how}", **base, threads=threads)
            rows.append(grown("threads", threads, {**figure, "name": f"collection, {how}"}))
    return rows


def build() -> None:
    command = ["cargo", "build", "--quiet", "--release", "--bin", "benchmark"]
    subprocess.run(command, cwd=ROOT, check=True)


def command(name: str, **options: Any) -> list[str]:
    """The Rust benchmark for one figure; `side` is the board's width and height."""
    side = options.pop("side")
    options = {"width": side, "height": side, "threads": 1, **options}
    flags = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    return [PROGRAM, "--json", "--only", name, *flags]


def measure(name: str, **options: Any) -> dict[str, Any]:
    text = run(command(name, **options, seconds=WORKLOADS["growth"]["seconds"]))
    figures = json.loads(text)["figures"]
    if len(figures) != 1:
        raise MeasurementError(f"expected one figure {name!r}, got {len(figures)}")
    return figures[0]


def run(arguments: list[str]) -> str:
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeasurementError(done.stderr[-1000:])
    return done.stdout


def grown(axis: str, value: int, figure: dict[str, Any]) -> dict[str, Any]:
    spread = {key: figure[key] for key in ("median", "low", "high")}
    # A collection is named by its threads; the axis says which.
    name = re.sub(r", \d+ threads", "", figure["name"])
    each = row(f"{name}, {axis} {value}", figure["unit"], {OURS: spread})
    return {**each, "figure": name, "axis": axis, "value": value}


def instructions(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Instructions of the engine's hot functions, counted by callgrind: the same on a busy machine.

    The work is counted twice, once doubled, so that starting the program cancels.
    """
    if not shutil.which("valgrind"):
        raise UnavailableError("valgrind is not on this machine: apt install valgrind")
    build()
    rows = []
    found: dict[str, float] = {}
    for workload in WORKLOADS["instructions"]:
        name = workload["figure"]
        if "whole" in workload:
            found[name] = found[workload["whole"]] - found[workload["part"]]
        else:
            once, twice = (counted(name, times * workload["repeats"]) for times in (1, 2))
            found[name] = (twice[0] - once[0]) / (twice[1] - once[1])
        rows.append(row(f"{name}, 3×3", "instructions", {OURS: {"median": found[name]}}))
    return rows


def counted(name: str, repeats: int) -> tuple[int, float]:
    """(instructions, how much was done) of one run."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    base = WORKLOADS["growth"]["base"]
    arguments = [*valgrind, *command(name, **base, repeats=repeats)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise MeasurementError(done.stderr[-1000:])
    return int(found[1]), json.loads(done.stdout)["figures"][0]["median"]
