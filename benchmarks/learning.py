"""How long learning takes: `reach`, `quality` and `environments` of run.py."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import sides
from results import row
from sides import OURS, PEER, ROOT, spread

LEARNER = Path(__file__).resolve().parent / "learner.py"
REFERENCE = ROOT / "benchmarks" / "configs" / "ppo_puzzle8_reference.json"
EXAMPLE = ROOT / "examples" / "ppo_puzzle8_v1.json"
# Example configs with the random actions of the starts that they are judged at; 0: any state.
OUTCOMES = {
    "ppo_lights_out_v1": [0],
    "ppo_permutation_v1": [0],
    "ppo_linear_function_v1": [0],
    "ppo_grid_world_v1": [0],
    "ppo_cube2_v1": [5, 6, 8],
}


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """The options of the benchmark `name`; some have none."""
    if name.startswith("walk") or name in ("iterate", "dense"):
        return
    parser.add_argument("--seeds", type=int, default=5 if name in ("quality", "es8") else 3)
    if name == "reach":
        parser.add_argument("--difficulty", type=int, default=32, help="stop here (32)")
        parser.add_argument("--limit", type=float, default=600, help="seconds at most (600)")
    elif name.startswith("az"):
        parser.add_argument("--limit", type=float, default=120, help="seconds at most (120)")
    elif name.startswith("es"):
        limit = 60 if name == "es8" else 240
        parser.add_argument("--limit", type=float, default=limit, help=f"seconds at most ({limit})")


def reach(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time until the predecessor's own 8-puzzle config reaches difficulty 32, ours and the peer."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for side in [OURS, PEER] if options.peer else [OURS]:
            arguments = ["reach", str(REFERENCE), str(seed)]
            limits = [str(options.difficulty), str(options.limit)]
            run = learn(side, [*arguments, *limits])
            print(f"  {side} seed {seed}: {run}", file=sys.stderr, flush=True)
            runs.setdefault(side, []).append(run)
    rows = []
    for clock, unit in (("seconds", "s"), ("cpu_s", "CPU-s")):
        figures: dict[str, Any] = {
            side: spread(run[clock] for run in found) for side, found in runs.items()
        }
        if options.peer:
            pairs = zip(runs[OURS], runs[PEER], strict=True)
            figures["ratio"] = spread(theirs[clock] / ours[clock] for ours, theirs in pairs)
        name = f"8-puzzle to difficulty {options.difficulty}, reference config, {unit}"
        goal = {"ratio": 3} if clock == "seconds" else {}
        rows.append({**row(name, unit, figures, **goal), "runs": runs})
    return rows


def quality(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Learning curves of the example config, judged on 1,000 uniformly random boards."""
    runs = []
    for seed in range(options.seeds):
        runs.append(learn(OURS, ["quality", str(EXAMPLE), str(seed)]))
        curve = runs[-1].pop("curve")
        last = {key: value for key, value in runs[-1].items()}
        print(f"  seed {seed}: {last}", file=sys.stderr, flush=True)
        runs[-1]["curve"] = curve

    def figure(key: str) -> dict[str, Any]:
        # A run that never got there counts as endless.
        return {OURS: spread(float("inf") if run[key] is None else run[key] for run in runs)}

    def worst(name: str, unit: str, key: str, **goal: float) -> dict[str, Any]:
        """The goal holds for all seeds: judged by the worst one."""
        found = row(name, unit, figure(key), **goal)
        kind = next(iter(goal))
        extreme = found[OURS]["high" if kind == "at_most" else "low"]
        met = extreme <= goal[kind] if kind == "at_most" else extreme >= goal[kind]
        found["goal"] = {**goal, "met": bool(met), "judged_by": "the worst seed"}
        return found

    name = "8-puzzle, PPO"
    rows = [
        worst(f"{name}: sampled success 0.95 after", "s", "reached_s", at_most=45),
        worst(f"{name}: sampled success at the end", "", "sampled", at_least=0.95),
        worst(f"{name}, best of 10: solved", "", "best_of_10", at_least=1.0),
        worst(f"{name}, best of 10: length / optimum", "times", "length_ratio", at_most=1.15),
        row(f"{name}, greedy: solved", "", figure("greedy")),
        row(f"{name}: training", "s", figure("seconds")),
        row(f"{name}: training", "CPU-s", figure("cpu_s")),
    ]
    rows[0]["runs"] = runs
    return rows


def environments(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the example configs of the other environments reach on 1,000 starts, and how soon."""
    rows = []
    for name, difficulties in OUTCOMES.items():
        config = str(ROOT / "examples" / f"{name}.json")
        judged = ",".join(map(str, difficulties))
        runs = []
        for seed in range(options.seeds):
            runs.append(learn(OURS, ["outcome", config, str(seed), judged]))
            print(f"  {name} seed {seed}: {runs[-1]}", file=sys.stderr, flush=True)

        def figure(key: str, scale: float = 1, runs: list[dict[str, Any]] = runs) -> dict[str, Any]:
            return {OURS: spread(scale * run[key] for run in runs)}

        for difficulty in difficulties:
            starts = f"{difficulty} random actions" if difficulty else "any solvable state"
            which = f"{name}, {starts}"
            # The goal is that of the first; the others show where it ends.
            goal = {"at_least": 95} if difficulty == difficulties[0] else {}
            success = figure(f"success_{difficulty}", scale=100)
            rows += [
                row(f"{which}: sampled success", "%", success, **goal),
                row(f"{which}: mean length", "actions", figure(f"mean_length_{difficulty}")),
            ]
        rows += [
            row(f"{name}: training", "s", figure("seconds")),
            {**row(f"{name}: training", "CPU-s", figure("cpu_s")), "runs": runs},
        ]
    return rows


def learn(side: str, arguments: list[str]) -> dict[str, Any]:
    """Runs learner.py with the interpreter of `side`; what it reports."""
    environment = sides.environment(side, 2)
    # As a user would: each side chooses its threads by itself.
    del environment["OMP_NUM_THREADS"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sides.interpreter(side), str(LEARNER), *arguments, str(report)],
            env=environment,
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if side == PEER else None,
        )
        return json.loads(report.read_text())
