"""Updates by the engine beside those by torch: `updates` of run.py.

Both train the same weights on the same samples in one process, in turn; what is compared is
processor time on one core, and the largest difference of their losses is noted.
"""

from __future__ import annotations

import argparse
import copy
import time
from typing import Any

import torch
from growth import WORKLOADS
from results import row
from sides import OURS, PEER, compare_rounds
from twisterl import envs, nn, rl


def updates(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Training by the engine, with torch as the peer."""
    torch.set_num_threads(1)
    return [compared(work, options.repeats) for work in WORKLOADS["engines"]]


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
    return {**found, **about, "largest_loss_difference": difference, "peer_is": "torch, f32"}


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
