"""Updates by the engine beside those by torch: `updates` of run.py.

Both train the same weights on the same samples in one process, in turn; what is compared is
processor time on one core, and the largest difference of their losses is noted. Then the engine
alone: by one thread and by two, and the products of a layer beside what the processor multiplies at
most, by each set of instructions that it has.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from typing import Any

import torch
from growth import PRODUCTS, PROGRAM, WORKLOADS, build, median_and_range
from results import row
from sides import OURS, PEER, compare_rounds, printed
from twisterl import envs, nn, rl


def updates(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Training by the engine, with torch as the peer."""
    torch.set_num_threads(1)
    rows = [compared(work, options.repeats) for work in WORKLOADS["engines"]]
    by_threads = [threads(work, options.repeats) for work in WORKLOADS["engines"]]
    return [*rows, *by_threads, *products()]


def threads(work: dict[str, Any], repeats: int) -> dict[str, Any]:
    """How much sooner two threads make an update than one, by the clock."""
    algorithm = made(work)[OURS]
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    count = batch.num_samples * algorithm.config["training"]["num_epochs"]
    rounds = []
    for _ in range(repeats + 1):
        found = {}
        for side, num_threads in ((PEER, 1), (OURS, 2)):
            algorithm.num_threads = num_threads
            found[side] = timed(algorithm, batch, count)
        rounds.append(found)
    # The first round fills the caches.
    figures = compare_rounds(rounds[1:])
    found = row(f"update, {work['name']}, 2 threads", "sample-epochs/s", figures, ratio=1.8)
    return {**found, "peer_is": "1 thread"}


def products() -> list[dict[str, Any]]:
    """GFLOP/s of each level's products, and their share of what it multiplies at most."""
    build()
    report = json.loads(printed([PROGRAM, "--json", "--only", PRODUCTS]))
    figures = {figure["name"]: figure for figure in report["figures"]}
    rows = []
    for name, figure in figures.items():
        level, what = name.removeprefix(f"{PRODUCTS} ").split(", ")
        if what == "limit":
            continue
        goal = {"at_least": 200} if level == "avx512" else {}
        found = median_and_range(figure)
        rows.append(row(name, "GFLOP/s", {OURS: found}, **goal))
        if f"{PRODUCTS} {level}, limit" not in figures:
            # Of bf16.
            continue
        limit = figures[f"{PRODUCTS} {level}, limit"]["median"]
        share = {key: 100 * value / limit for key, value in found.items()}
        rows.append(row(f"{name}, of {limit:.0f} GFLOP/s at most", "%", {OURS: share}))
    return rows


def compared(work: dict[str, Any], repeats: int) -> dict[str, Any]:
    sides = made(work)
    data, _ = sides[PEER].collect()
    batch, _ = sides[PEER].data_to_torch(data)
    losses = {side: algorithm.train(batch)[0] for side, algorithm in sides.items()}
    count = batch.num_samples * sides[OURS].config["training"]["num_epochs"]
    rounds = [
        {side: timed(algorithm, batch, count) for side, algorithm in sides.items()}
        for _ in range(repeats)
    ]
    found = row(
        f"update, {work['name']}",
        "sample-epochs/s",
        compare_rounds(rounds),
        ratio_cpu=work["ratio"],
    )
    difference = max(abs(losses[OURS][name] - loss) for name, loss in losses[PEER].items())
    about = {"samples": batch.num_samples, "distinct": batch.num_rows}
    peer_is = f"torch, {work['training'].get('precision', 'f32')}"
    return {**found, **about, "largest_loss_difference": difference, "peer_is": peer_is}


def made(work: dict[str, Any]) -> dict[str, Any]:
    """The two algorithms, of equal weights."""
    env = envs.Puzzle(**work["env"])
    torch.manual_seed(3)
    policy = nn.BasicPolicy(env.obs_shape(), env.num_actions(), **work["policy"])
    found = {}
    for side, engine in ((PEER, "torch"), (OURS, "rust")):
        config = {
            "engine": engine,
            "device": "cpu",
            "collecting": {"num_cores": 1, **work["collecting"]},
            "training": work["training"],
            "evals": {},
        }
        found[side] = getattr(rl, work["algorithm"])(env, copy.deepcopy(policy), config)
    return found


def timed(algorithm: Any, batch: Any, count: int) -> dict[str, float]:
    start, cpu = time.perf_counter(), time.process_time()
    algorithm.train(batch)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu_s": time.process_time() - cpu, "count": count}
