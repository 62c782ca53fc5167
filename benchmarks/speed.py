"""How fast the engine is beside the peers: benchmarks of run.py that need no trained network."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import dense_ppo
import example_run
import growth
import peer
import sides
from results import row
from sides import OURS, PEER, ROOT, Bench, compare_rounds, spread

DIFFICULTY = growth.WORKLOADS["collection"]["difficulty"]
EPISODES = growth.WORKLOADS["collection"]["episodes"]
SECONDS = growth.WORKLOADS["collection"]["seconds"]
DEFAULT_EPISODES = 512 * 32


def collect(options: argparse.Namespace) -> list[dict[str, Any]]:
    """PPO collection with the reference network, without and with the evaluation cache."""
    rows = []
    with Bench(options.repeats, options.peer) as bench:
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
            if side == 3:
                # The cache begins empty in every collection, so it depends on what is collected.
                # The peer, without one, is as fast in fewer episodes.
                many = {"cache": True, "episodes": DEFAULT_EPISODES}
                kinds.append(("cache, 16,384 episodes (the default)", request, many))
                trained = {**request, "checkpoint": str(example_run.trained_weights(options))}
                kinds.append(("cache, trained example", trained, {"cache": True}))
            for kind, asked, ours in kinds:
                cache = ours["cache"]
                for threads in (1,) if "episodes" in ours else (1, 2):
                    figures = bench.compare({**asked, "threads": threads}, threads, ours)
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
    with Bench(options.repeats, options.peer) as bench:
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
    with_peer = options.peer and peer.is_there("mctx", "search against mctx", options.skipped)
    with Bench(options.repeats, with_peer, "mctx") as bench:
        request = {"task": "search", "simulations": simulations}
        theirs = {"batch": batch, "moves": work["moves"]}
        figures = bench.compare(request, 1, ours, theirs)
    name = f"search, Gumbel, {simulations} simulations a move (peer: mctx, batch {batch}), 1 thread"
    found = row(name, "simulations/s", figures, ratio_cpu=1.5)
    return [{**found, "peer_is": peer.PEERS["mctx"].title} if with_peer else found]


def evaluate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluation of 1,000 episodes, sampled and greedy."""
    rows = []
    with Bench(options.repeats, options.peer) as bench:
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
    with Bench(options.repeats, options.peer) as bench:
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
    for side in (3, 4):
        command = [sys.executable, "benchmarks/train_step.py", "--json", "--width", str(side)]
        command += ["--repeats", str(options.repeats)]
        if options.peer:
            command += ["--peer-python", str(peer.ensure())]
        done = subprocess.run(
            command,
            env=sides.environment(OURS, 2),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        report = json.loads(done.stdout)
        figures: dict[str, Any] = {}
        for clock, suffix in (("seconds", ""), ("cpu_s", "_cpu")):
            for who in [OURS, PEER] if options.peer else [OURS]:
                rate = report[f"{who}_sample_epochs_per_{clock}"]
                figures[who + suffix] = {"median": rate, "rounds": options.repeats}
            if options.peer:
                figures["ratio" + suffix] = {"median": report[f"ratio_{clock}"]}
        name = f"training step {side}×{side}, {report['threads']} threads"
        rows.append(
            {
                **row(name, "sample-epochs/s", figures, ratio=1.5),
                "samples": report["samples"],
                "distinct": report["distinct"],
                "largest_loss_difference": report.get("largest_loss_difference"),
            }
        )
    return rows


def engine(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The Rust engine alone: cargo run --release --bin benchmark -- --json --seconds 0.2."""
    goals = {
        "reset (32 moves)": 70,
        "step": 5,
        "combined step": 12,
        "search, PUCT 100, the tree alone": 100,
    }
    growth.build()
    rows = []
    for side in (3, 4):
        size = ["--width", str(side), "--height", str(side)]
        seconds = ["--seconds", str(growth.WORKLOADS["growth"]["seconds"])]
        report = growth.run([growth.PROGRAM, "--json", *size, *seconds])
        for figure in json.loads(report)["figures"]:
            value = {key: figure[key] for key in ("median", "low", "high")}
            name = figure["name"]
            goal = {"at_most": goals[name]} if side == 3 and name in goals else {}
            unit = figure["unit"]
            rows.append(row(f"{name}, {side}×{side}", unit, {OURS: value}, **goal))
    return rows


def dense(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A plain PPO in dense PyTorch on a batched numpy environment, its parts against ours."""
    rows = []
    for threads in (1, 2):
        rounds: dict[str, list[dict[str, Any]]] = {"collection": [], "whole iteration": []}
        plain = dense_ppo.DensePPO(3, DIFFICULTY, EPISODES, threads)
        plain.iterate()
        request = {"side": 3, "difficulty": DIFFICULTY, "threads": threads}
        with Bench(options.repeats, with_peer=False) as bench:
            for _ in range(min(options.repeats, 3)):
                measured = plain.iterate()
                collecting = {"episodes": EPISODES, "seconds": SECONDS, **request}
                collected = bench.measure(OURS, threads, {"task": "collect", **collecting})
                iterated = bench.measure(OURS, threads, {"task": "iterate", **request})
                rounds["collection"].append({OURS: collected, PEER: measured["collect"]})
                rounds["whole iteration"].append({OURS: iterated, PEER: measured["total"]})
        for name, found in rounds.items():
            title = f"{name} against dense PyTorch, {plural(threads)}"
            rows.append(
                {**row(title, "steps/s", compare_rounds(found)), "peer_is": "dense PyTorch"}
            )
    return rows


def iterate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Whole learning iterations with the settings of the reference config, no evaluation."""
    rows = []
    with Bench(min(options.repeats, 3), options.peer) as bench:
        for threads in (1, 2):
            request = {"task": "iterate", "side": 3, "difficulty": DIFFICULTY, "threads": threads}
            figures = bench.compare(request, threads)
            rows.append(row(f"learning iteration 3×3, {plural(threads)}", "steps/s", figures))
    return rows
