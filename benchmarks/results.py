"""Result files: what was measured, by which command, of which commit, on which machine."""

from __future__ import annotations

import datetime
import json
import operator
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
# Tasks beside Stable-Baselines3, of `make bench-learning` too.
BESIDE = ("beside_cartpole", "beside_pendulum", "beside_t_maze", "cart_pole_steps", "played")
# What `make bench-learning` measures: learning runs of minutes, or by the peer. The others are
# `make bench`, and alone in the tables of the READMEs.
LEARNING = (
    *("quality", "curves", "walk15", "walk15_long", "walk_cube", "walk_lights", "es15"),
    *("reach", "dense", "updates", "blocks", "environments", "tasks", "task_networks", "recall"),
    *BESIDE,
    *("az15", "az_search", "clients", "machines", "web", "synthesis", "levers", "one_board"),
    *("linear", "cliffords", "routing", "couplings", "maps"),
    *("beam_weights", "goal_table", "reflection", "commuting", "parities", "shared_nodes"),
    *("patterns", "lessons"),
)
# Of `make bench`.
LONGEST_S = 600
# Which figure of a row a goal is about, and whether it is met; `within`: neither side is so many
# times slower than the other.
GOALS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "at_least": ("ours", operator.ge),
    "at_most": ("ours", operator.le),
    "ratio": ("ratio", operator.ge),
    "ratio_cpu": ("ratio_cpu", operator.ge),
    "within_cpu": ("ratio_cpu", lambda ratio, most: 1 / most <= ratio <= most),
}


def write(name: str, command: str, rows: list[dict[str, Any]], **more: Any) -> Path:
    """Writes results/<name>.json; git keeps the earlier ones.

    Of `more`, `run` is the same in all files of one run.
    """
    content = {
        "benchmark": name,
        "command": command,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        **more,
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(rounded(content), indent=1) + "\n")
    return path


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def row(
    name: str,
    unit: str,
    figures: dict[str, Any],
    **goal: float,
) -> dict[str, Any]:
    """A row; `goal` is one of those in GOALS, and is judged by the medians."""
    result: dict[str, Any] = {"name": name, "unit": unit, **figures}
    for kind, value in goal.items():
        figure, is_met = GOALS[kind]
        if figure in figures:
            result["goal"] = {kind: value, "met": bool(is_met(figures[figure]["median"], value))}
    return result


def machine() -> dict[str, Any]:
    """The machine in words, without its name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor(),
        "cores": cores,
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": version("torch"),
        "rust": output("rustc", "--version"),
        "load_at_end": load,
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    values = {key.strip(): value.strip() for key, value in fields.items()}
    wide = "AVX-512" if "avx512f" in values.get("flags", "") else "no AVX-512"
    family, model = values.get("cpu family"), values.get("model")
    return (
        f"{values.get('model name', platform.processor())}, family {family} model {model}, {wide}"
    )


def memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str:
    """The commit that was measured, with + when files differ from it (results aside)."""
    changed = output("git", "status", "--porcelain", "--", ".", ":!benchmarks/results")
    return output("git", "rev-parse", "--short", "HEAD") + ("+" if changed else "")


def output(*command: str) -> str:
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def rounded(value: Any) -> Any:
    """Floats with five digits, so that files stay readable."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value
