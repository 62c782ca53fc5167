"""How fast the engine is beside the peers: benchmarks of run.py that need no trained network."""

from __future__ import annotations

import argparse
import json
from typing import Any

import example_run
import growth
import sides
from results import row
from sides import OURS, PEER, Bench, compare_rounds, printed, spread

DIFFICULTY = growth.WORKLOADS["collection"]["difficulty"]
EPISODES = growth.WORKLOADS["collection"]["episodes"]
SECONDS = growth.WORKLOADS["collection"]["seconds"]
DEFAULT_EPISODES = 512 * 32
UPDATES = growth.WORKLOADS["updates"]


def collect(options: argparse.Namespace) -> list[dict[str, Any]]:
    """PPO collection with the reference network, without and with the evaluation cache."""
    rows = []
    with Bench(options) as bench:
        for side in (3, 4):
            request = {
                "task": "collect",
                "side": side,
                "difficulty": DIFFICULTY,
                "episodes": EPISODES,
                "seconds": SECONDS,
            }
            kinds: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
                ("exact f32, no cache", request, {"cache": False}),
                ("cache", request, {"cache": True}),
            ]
            # The peer, which has no cache, is as fast in fewer episodes.
            theirs = {"episodes": growth.WORKLOADS["collection"]["peer_episodes"]}
            if side == 3:
                # The cache begins empty in every collection, so it depends on what is collected.
                many = {"cache": True, "episodes": DEFAULT_EPISODES}
                kinds.append(("cache, 16,384 episodes (the default)", request, many))
                trained = {**request, "checkpoint": str(example_run.trained_weights(options))}
                kinds.append(("cache, trained example", trained, {"cache": True}))
            for kind, asked, ours in kinds:
                cache = ours["cache"]
                for threads in (1,) if "episodes" in ours else (1, 2):
                    figures = bench.compare({**asked, "threads": threads}, threads, ours, theirs)
                    name = f"collection {side}×{side}, {kind}, {plural(threads)}"
                    goal = {"ratio": 30 if cache else 4.5} if side == 3 or not cache else {}
                    rows.append(row(name, "steps/s", figures, **goal))
            for episodes in (EPISODES, DEFAULT_EPISODES):
                name = f"collection {side}×{side}, {episodes:,} episodes, 1 → 2 threads"
                rows.append(scaling(bench, name, {**request, "episodes": episodes}))
    return rows


def plural(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def scaling(bench: Bench, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """How much faster two threads are than one, without the cache; rounds alternate."""
    rates: list[dict[int, float]] = []
    for _ in range(bench.repeats):
        found = {}
        for threads in (1, 2):
            measured = bench.measure(OURS, threads, {**request, "threads": threads, "cache": False})
            found[threads] = measured["count"] / measured["seconds"]
        rates.append(found)
    figures = {OURS: spread(rate[2] / rate[1] for rate in rates)}
    return row(name, "times", figures, at_least=1.9)


def search(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Simulations of AlphaZero's collection; trees are not kept, so that all are run."""
    rows = []
    simulations = growth.WORKLOADS["search"]["simulations"]
    with Bench(options) as bench:
        for work in growth.WORKLOADS["search"]["rounds"]:
            difficulty, cache = work["difficulty"], work["cache"]
            request = {"task": "search", "side": 3, "difficulty": difficulty}
            request["simulations"] = simulations
            ours = {"episodes": work["episodes"], "cache": cache, "reuse": False}
            # The peer takes as long for fewer episodes.
            theirs = {"episodes": work["peer_episodes"]}
            kind = "cache" if cache else "every leaf evaluated"
            name = f"search, {simulations} simulations a move, difficulty {difficulty}, {kind}"
            for threads in (1, 2):
                asked = {**request, "threads": threads}
                figures = bench.compare(asked, threads, ours, theirs)
                goal = {"ratio": work["ratio"]}
                rows.append(row(f"{name}, {plural(threads)}", "simulations/s", figures, **goal))
            if not cache:
                rows.append(scaling(bench, f"{name}, 1 → 2 threads", {**request, **ours}))
    return rows + against_mctx(options)


def against_mctx(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Gumbel search of uniformly random boards, every leaf evaluated, one thread."""
    work = growth.WORKLOADS["search"]["gumbel"]
    simulations, batch = work["simulations"], work["batch"]
    ours = {
        "side": 3,
        "difficulty": 256,
        "threads": 1,
        "episodes": work["episodes"],
        "max_moves": work["moves"],
        "root_selection": "gumbel",
        "cache": False,
    }
    with Bench(options, "mctx") as bench:
        request = {"task": "search", "simulations": simulations}
        theirs = {"batch": batch, "moves": work["moves"]}
        figures = bench.compare(request, 1, ours, theirs)
    name = f"search, Gumbel, {simulations} simulations a move (peer: mctx, batch {batch}), 1 thread"
    return [{**row(name, "simulations/s", figures, ratio_cpu=1.5), **bench.peer_is()}]


def evaluate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluation of 1,000 episodes, sampled and greedy."""
    rows = []
    with Bench(options) as bench:
        for threads in (1, 2):
            for deterministic in (False, True):
                request = {
                    "task": "evaluate",
                    "side": 3,
                    "difficulty": DIFFICULTY,
                    "threads": threads,
                    "episodes": 1000,
                    "deterministic": deterministic,
                }
                how = "greedy" if deterministic else "sampled"
                name = f"evaluate 1,000 episodes {how}, {plural(threads)}"
                rows.append(row(name, "episodes/s", bench.compare(request, threads), ratio=10))
    return rows


def env(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The environment called from Python."""
    calls: dict[str, list[int]] = {"reset": [], "step": [1], "observe": [], "masks": []}
    rows = []
    with Bench(options) as bench:
        for method, arguments in calls.items():
            request = {
                "task": "env_calls",
                "side": 3,
                "difficulty": DIFFICULTY,
                "method": method,
                "arguments": arguments,
            }
            name = f"{method} from Python" + (" (32 moves)" if method == "reset" else "")
            rows.append(row(name, "µs", sides.per_call(bench.compare(request))))
    return rows


def train_step(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Full-batch PPO updates on the same data (benchmarks/train_step.py)."""
    rows = []
    with Bench(options) as bench:
        for side in (3, 4):
            request = {
                "task": "train_step",
                "side": side,
                "embedding": 512,
                "threads": 2,
                **UPDATES,
            }
            rounds = bench.rounds(2, dict.fromkeys(bench.sides, request))
            name = f"training step {side}×{side}, 2 threads"
            found = row(name, "sample-epochs/s", compare_rounds(rounds), ratio=1.5)
            first = rounds[0]
            found.update({key: first[OURS][key] for key in ("samples", "distinct")})
            if bench.with_peer:
                pairs = zip(first[OURS]["losses"], first[PEER]["losses"], strict=True)
                found["largest_loss_difference"] = max(abs(a - b) for a, b in pairs)
            rows.append(found)
    return rows


def engine(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The Rust engine alone on 3×3: cargo run --release --bin benchmark -- --threads 1."""
    goals = {
        "reset (32 moves)": 70,
        "step": 5,
        "combined step": 12,
        "search, PUCT 100, the tree alone": 100,
    }
    growth.build()
    seconds = str(growth.WORKLOADS["growth"]["seconds"])
    report = json.loads(printed([growth.PROGRAM, "--json", "--threads", "1", "--seconds", seconds]))
    rows = []
    for figure in report["figures"]:
        name, unit = figure["name"], figure["unit"]
        goal = {"at_most": goals[name]} if name in goals else {}
        rows.append(row(f"{name}, 3×3", unit, {OURS: growth.median_and_range(figure)}, **goal))
    return rows


def iterate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Whole learning iterations with the settings of the reference config, no evaluation."""
    request = {"task": "iterate", "side": 3, "difficulty": DIFFICULTY, "threads": 2}
    with Bench(options) as bench:
        figures = bench.compare(request, 2)
    return [row("learning iteration 3×3, 2 threads", "steps/s", figures)]
