"""How long learning takes: `reach`, `quality`, `curves`, `environments`, `dense` of run.py."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sides
from growth import WORKLOADS
from peers import peer
from results import row
from sides import OURS, PEER, ROOT, Bench, compare_rounds, spread

LEARNER = Path(__file__).resolve().parent / "learner.py"
REFERENCE = ROOT / "benchmarks" / "configs" / "ppo_puzzle8_reference.json"
EXAMPLE = ROOT / "examples" / "ppo_puzzle8_v1.json"
# What each example config is to reach with every seed: the random actions of the starts that it is
# judged at (0: any state), percent of those of the first kind solved, and seconds of training.
OUTCOMES: dict[str, tuple[list[int], float, float]] = {
    "ppo_lights_out_v1": ([0], 99, 15),
    "ppo_permutation_v1": ([0], 99, 20),
    "ppo_linear_function_v1": ([0], 99, 15),
    "ppo_grid_world_v1": ([0], 95, 20),
    "ppo_cube2_v1": ([5, 6, 8], 90, 90),
    "ppo_puzzle8_residual_v1": ([0], 95, 60),
    "ppo_puzzle8_attention_v1": ([0], 95, 180),
}
# Two deviations of the success on 1,000 boards, at its largest.
CHANCE = 2 * (0.25 / 1000) ** 0.5
# Learning runs of a benchmark, and the seconds after which each is ended; the others have neither.
SEEDS = {
    **dict.fromkeys(("reach", "recall", "environments", "az8", "az_search", "es15"), 3),
    **dict.fromkeys(("quality", "curves", "es8", "tasks", "task_networks"), 5),
    **dict.fromkeys(("beside_cartpole", "beside_pendulum", "beside_t_maze"), 5),
    "az15": 1,
}
LIMITS_S = {"reach": 300, "az8": 6, "az15": 900, "az_search": 36, "es8": 60, "es15": 160}


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """The options of the benchmark `name`; some have none."""
    if name in SEEDS:
        parser.add_argument("--seeds", type=int, default=SEEDS[name], help=f"runs ({SEEDS[name]})")
    if name in LIMITS_S:
        limit = LIMITS_S[name]
        parser.add_argument("--limit", type=float, default=limit, help=f"seconds at most ({limit})")
    if name == "reach":
        parser.add_argument("--difficulty", type=int, default=32, help="stop here (32)")


def reach(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time until the predecessor's own 8-puzzle config reaches difficulty 32, ours and the peer."""
    runs: dict[str, list[dict[str, Any]]] = {}
    with_peer = peer.is_there(options)
    for seed in range(options.seeds):
        for side in [OURS, PEER] if with_peer else [OURS]:
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
        if with_peer:
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
        runs.append(learn(OURS, ["quality", str(EXAMPLE), str(seed), "auto"]))
        curve = runs[-1].pop("curve")
        last = {key: value for key, value in runs[-1].items()}
        print(f"  seed {seed}: {last}", file=sys.stderr, flush=True)
        runs[-1]["curve"] = curve

    def values(key: str) -> list[float | None]:
        return [run[key] for run in runs]

    name = "8-puzzle, PPO"
    rows = [
        worst(f"{name}: sampled success 0.95 after", "s", values("reached_s"), at_most=45),
        worst(f"{name}: sampled success at the end", "", values("sampled"), at_least=0.95),
        worst(f"{name}, best of 10: solved", "", values("best_of_10"), at_least=1.0),
        worst(
            f"{name}, best of 10: length / optimum", "times", values("length_ratio"), at_most=1.15
        ),
        row(f"{name}, greedy: solved", "", {OURS: spread(values("greedy"))}),
        row(f"{name}: training", "s", {OURS: spread(values("seconds"))}),
        row(f"{name}: training", "CPU-s", {OURS: spread(values("cpu_s"))}),
    ]
    rows[0]["runs"] = runs
    return rows


def curves(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Learning curves of the example config by the engine's updates and by torch's."""
    runs: dict[str, list[dict[str, Any]]] = {OURS: [], PEER: []}
    for seed in range(options.seeds):
        for side, engine in ((OURS, "rust"), (PEER, "torch")):
            found = learn(OURS, ["quality", str(EXAMPLE), str(seed), engine])
            print(f"  {engine} seed {seed}: {found['reached_s']} s", file=sys.stderr, flush=True)
            runs[side].append(found)
    places = steps_of_all([run for found in runs.values() for run in found])
    ours, theirs = ([success_at(run, places) for run in runs[side]] for side in (OURS, PEER))
    inside = [
        min(band) - CHANCE <= statistics.median(found) <= max(band) + CHANCE
        for found, band in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    ]
    name = "8-puzzle, PPO, curves of all seeds"
    share = 100 * sum(inside) / len(inside)
    rows = [
        row(f"{name}: median within torch's band", "%", {OURS: spread([share])}, at_least=100),
        row(
            f"{name}: sampled success at the end",
            "",
            {side: spread(run["sampled"] for run in found) for side, found in runs.items()},
        ),
    ]
    rows[0] |= {"peer_is": "torch's updates", "places": places, "inside": inside, "runs": runs}
    return rows


def steps_of_all(runs: list[dict[str, Any]], count: int = 40) -> list[float]:
    """Numbers of steps that all runs got to, at equal distances."""
    first = max(run["curve"][0]["steps"] for run in runs)
    last = min(run["curve"][-1]["steps"] for run in runs)
    return [first + (last - first) * i / (count - 1) for i in range(count)]


def success_at(run: dict[str, Any], places: list[float]) -> list[float]:
    """Sampled success after so many steps, on straight lines between the points of the curve."""
    points = [[point[key] for point in run["curve"]] for key in ("steps", "sampled")]
    return [float(value) for value in np.interp(places, *points)]


def environments(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the example configs of the other environments reach on 1,000 starts, and how soon."""
    rows = []
    for name, (difficulties, least, longest_s) in OUTCOMES.items():
        config = str(ROOT / "examples" / f"{name}.json")
        judged = ",".join(map(str, difficulties))
        runs = []
        for seed in range(options.seeds):
            runs.append(learn(OURS, ["outcome", config, str(seed), judged]))
            print(f"  {name} seed {seed}: {runs[-1]}", file=sys.stderr, flush=True)
        for difficulty in difficulties:
            starts = f"{difficulty} random actions" if difficulty else "any solvable state"
            which = f"{name}, {starts}"
            success = [100 * run[f"success_{difficulty}"] for run in runs]
            title = f"{which}: sampled success"
            # The goal is that of the first; the others show where it ends.
            if difficulty == difficulties[0]:
                rows.append(worst(title, "%", success, at_least=least))
            else:
                rows.append(row(title, "%", {OURS: spread(success)}))
            lengths = {OURS: spread(run[f"mean_length_{difficulty}"] for run in runs)}
            rows.append(row(f"{which}: mean length", "actions", lengths))
        seconds, cpu_s = ([run[clock] for run in runs] for clock in ("seconds", "cpu_s"))
        rows += [
            worst(f"{name}: training", "s", seconds, at_most=longest_s),
            {**row(f"{name}: training", "CPU-s", {OURS: spread(cpu_s)}), "runs": runs},
        ]
    return rows


def dense(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A plain PPO in dense PyTorch on a batched numpy environment, its parts against ours."""
    (group,) = WORKLOADS["compared"]["collect"]["groups"]
    work = group["request"]
    request = {"side": 3, "difficulty": work["difficulty"], "threads": 2}
    collecting = {"episodes": work["episodes"], "seconds": work["seconds"], **request}
    rounds: dict[str, list[dict[str, Any]]] = {"collection": [], "whole iteration": []}
    plain = {"task": "dense", "episodes": work["episodes"], **request}
    with Bench(options, None) as bench:
        for _ in range(options.repeats):
            measured = bench.measure(OURS, 2, plain)
            collected = bench.measure(OURS, 2, {"task": "collect", **collecting})
            iterated = bench.measure(OURS, 2, {"task": "iterate", **request})
            rounds["collection"].append({OURS: collected, PEER: measured["collection"]})
            rounds["whole iteration"].append({OURS: iterated, PEER: measured["whole iteration"]})
    return [
        {
            **row(f"{name} against dense PyTorch, 2 threads", "steps/s", compare_rounds(found)),
            "peer_is": "dense PyTorch",
        }
        for name, found in rounds.items()
    ]


def worst(name: str, unit: str, values: Sequence[float | None], **goal: float) -> dict[str, Any]:
    """A row whose goal holds for all seeds; a run that never got there counts as endless."""
    figures = {OURS: spread(float("inf") if value is None else value for value in values)}
    found = row(name, unit, figures, **goal)
    kind, bound = next(iter(goal.items()))
    extreme = found[OURS]["high" if kind == "at_most" else "low"]
    met = extreme <= bound if kind == "at_most" else extreme >= bound
    found["goal"] = {**goal, "met": bool(met), "judged_by": "the worst seed"}
    return found


def learn(side: str, arguments: list[str]) -> dict[str, Any]:
    """Runs learner.py with the interpreter of `side`; what it reports."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sides.interpreter(side), str(LEARNER), *arguments, str(report)],
            env=sides.without_thread_choice(side),
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if side == PEER else None,
        )
        return json.loads(report.read_text())
