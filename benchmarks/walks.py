"""Random-walk training and beam search: `walk8`, `walk15`, `walk15_long`, `walk_cube` and
`walk_lights` of run.py.

Each trains the example config from scratch and then searches from uniformly random states, whose
shortest solutions are known. `walk15` and `walk15_long` keep their runs in benchmarks/.walk15*:
interrupted, they go on from there when called again; remove the folder to begin anew.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from learning import learn, worst
from results import row
from sides import OURS, ROOT, spread

EXAMPLES = ROOT / "examples"
KEPT = Path(__file__).resolve().parent
# Iterations of the 15-puzzle's config that fit into ten minutes on two cores.
TEN_MINUTES = 550
# Goals of a search by its width: kind, least or most.
Goals = dict[int, dict[str, float]]


def walk8(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Random walks on the 8-puzzle: three runs, judged on 1,000 uniformly random boards."""
    runs = [train("rw_puzzle8_v1", seed, "16:1000,128:1000") for seed in range(3)]
    reached = [run["solved_all_s"] for run in runs]
    rows = [
        worst("8-puzzle, walks: all boards by beam 16 after", "s", reached, at_most=5),
        *training_rows("8-puzzle", runs, at_most=20),
        *search_rows("8-puzzle", runs, {16: {"solved": 1.0}, 128: {"optimal": 0.995}}),
    ]
    rows[0]["runs"] = runs
    return rows


def walk15(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Random walks on the 15-puzzle: three runs, judged on 200 uniformly random boards."""
    kept = [KEPT / f".walk15_{seed}" for seed in range(3)]
    runs = [
        train("rw_puzzle15_v1", seed, "64:200,256:200,2048:200", folder)
        for seed, folder in enumerate(kept)
    ]
    for folder in kept:
        shutil.rmtree(folder)
    goals: Goals = {
        256: {"solved": 1.0, "length_ratio": 1.06, "ms_a_board": 50},
        2048: {"optimal": 0.85, "ms_a_board": 500},
    }
    rows = [
        *training_rows("15-puzzle", runs, at_most=180),
        *search_rows("15-puzzle", runs, goals),
    ]
    rows[0]["runs"] = runs
    return rows


def walk15_long(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Random walks on the 15-puzzle for ten minutes: one run, judged with wide beams."""
    kept = KEPT / ".walk15_long"
    runs = [train("rw_puzzle15_v1", 0, "2048:200,16384:100,32768:100", kept, TEN_MINUTES)]
    shutil.rmtree(kept)
    goals: Goals = {32768: {"optimal": 0.99, "ms_a_board": 2000}}
    rows = [
        *training_rows("15-puzzle, long", runs, at_most=600),
        *search_rows("15-puzzle, long", runs, goals),
    ]
    rows[0]["runs"] = runs
    return rows


def walk_cube(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Random walks on the 2x2x2 cube: one run, judged on uniformly random states."""
    runs = [train("rw_cube2_v1", 0, "64:300,256:300,1024:100")]
    rows = [*training_rows("2×2×2 cube", runs), *search_rows("2×2×2 cube", runs, {})]
    rows[0]["runs"] = runs
    return rows


def walk_lights(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Random walks on 5x5 Lights Out: one run, judged on uniformly random states."""
    runs = [train("rw_lights_out_v1", 0, "256:200,1024:200")]
    goals: Goals = {1024: {"solved": 1.0}}
    rows = [*training_rows("Lights Out 5×5", runs), *search_rows("Lights Out 5×5", runs, goals)]
    rows[0]["runs"] = runs
    return rows


def train(
    example: str, seed: int, searches: str, kept: Path | None = None, steps: int = 0
) -> dict[str, Any]:
    """What learner.py reports; `steps` iterations, 0 for the config's number."""
    with tempfile.TemporaryDirectory() as folder:
        place = kept or Path(folder) / "run"
        config = EXAMPLES / f"{example}.json"
        run = learn(OURS, ["walk", str(config), str(seed), str(place), searches, str(steps)])
    print(f"  seed {seed}: {run}", file=sys.stderr, flush=True)
    return run


def training_rows(name: str, runs: list[dict[str, Any]], **goal: float) -> list[dict[str, Any]]:
    return [
        judged(f"{name}, walks: training", "s", [run["seconds"] for run in runs], goal),
        judged(f"{name}, walks: training", "CPU-s", [run["cpu_s"] for run in runs], {}),
    ]


def search_rows(name: str, runs: list[dict[str, Any]], goals: Goals) -> list[dict[str, Any]]:
    kinds = {
        "solved": ("solved", "at_least", ""),
        "length_ratio": ("mean length / optimum", "at_most", "times"),
        "optimal": ("optimal", "at_least", ""),
        "ms_a_board": ("time a board, two cores", "at_most", "ms"),
        "cpu_ms_a_board": ("time a board, processors together", "at_most", "CPU-ms"),
    }
    rows = []
    for number, search in enumerate(runs[0]["searches"]):
        wanted = goals.get(search["width"], {})
        for key, (text, kind, unit) in kinds.items():
            title = f"{name}, walks, beam {search['width']:,}: {text}"
            goal = {kind: wanted[key]} if key in wanted else {}
            values = [run["searches"][number][key] for run in runs]
            rows.append(judged(title, unit, values, goal))
    return rows


def judged(name: str, unit: str, values: list[float], goal: dict[str, float]) -> dict[str, Any]:
    """A row whose goal, if it has one, holds for every run."""
    return worst(name, unit, values, **goal) if goal else row(name, unit, {OURS: spread(values)})
