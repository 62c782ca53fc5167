"""Inference by the engine beside torch, a network for each family of blocks: `blocks` of run.py.

One process and one thread; what is compared is processor time of a call for a batch of
observations. torch is asked as it is, and compiled by `torch.compile`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from growth import WORKLOADS
from results import row
from sides import OURS, PEER, compare_rounds
from torch import nn
from twisterl.nn import TorchPolicy

ACTIONS = 6


class Heads(nn.Module):
    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.actor, self.critic = nn.LazyLinear(ACTIONS), nn.LazyLinear(1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.body(x)
        return self.actor(x), self.critic(x)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(nn.functional.gelu(self.first(self.norm(x))))


def networks() -> dict[str, tuple[list[int], Callable[[], nn.Module]]]:
    """By the name in workloads.json: the shape of an observation, and what makes the network."""
    attention = {"dim_feedforward": 128, "dropout": 0.0, "batch_first": True}
    return {
        "linear": ([64], lambda: Heads(*hidden(nn.ReLU, 256))),
        "tanh": ([64], lambda: Heads(*hidden(nn.Tanh, 256))),
        "gelu": ([64], lambda: Heads(*hidden(nn.GELU, 256))),
        "residual": ([64], lambda: Heads(nn.Linear(64, 128), *(Residual(128) for _ in range(3)))),
        "conv1d": (
            [8, 64],
            lambda: Heads(
                *(nn.Conv1d(8, 32, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)),
                *(nn.Conv1d(32, 32, 3), nn.ReLU(), nn.Flatten()),
            ),
        ),
        "conv2d": (
            [4, 84, 84],
            lambda: Heads(
                *(nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU()),
                *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(512), nn.ReLU()),
            ),
        ),
        "small images": (
            [3, 11, 11],
            lambda: Heads(
                *(nn.Conv2d(3, 32, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.ReLU()),
                *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
                nn.Flatten(),
            ),
        ),
        "attention": (
            [16, 32],
            lambda: Heads(
                nn.Linear(32, 64), nn.TransformerEncoderLayer(64, 4, **attention), nn.Flatten()
            ),
        ),
    }


def hidden(activation: type[nn.Module], width: int) -> list[nn.Module]:
    return [nn.Linear(64, width), activation(), nn.Linear(width, width), activation()]


def blocks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluations of observations by the engine and by torch, eager and compiled."""
    torch.set_num_threads(1)
    made = networks()
    plan = WORKLOADS["blocks"]
    return [
        found
        for name in plan["networks"]
        for batch in plan["batches"]
        for found in compared(name, made[name], batch, plan, options.repeats)
    ]


def compared(
    name: str,
    network: tuple[list[int], Callable[[], nn.Module]],
    batch: dict[str, Any],
    plan: dict[str, Any],
    repeats: int,
) -> list[dict[str, Any]]:
    shape, make = network
    torch.manual_seed(1)
    module = make().eval()
    size = batch["rows"]
    observations = np.random.default_rng(1).standard_normal((size, *shape), np.float32)
    x = torch.from_numpy(observations)
    with torch.inference_mode():
        module(x)
    engine = TorchPolicy(module, shape, ACTIONS, "float32").to_rust()
    optimized = torch.compile(module)
    calls: dict[str, Callable[[], Any]] = {
        OURS: lambda: engine.forward_batch(observations),
        "eager": lambda: module(x),
        "compiled": lambda: optimized(x),
    }
    rows = []
    for peer in ("eager", "compiled"):
        sides = {OURS: calls[OURS], PEER: calls[peer]}
        with torch.inference_mode():
            for call in sides.values():
                timed(call, plan["seconds"])
            rounds = [
                {side: timed(call, plan["seconds"]) for side, call in sides.items()}
                for _ in range(repeats)
            ]
        title = f"inference, {name}, {size} observations, beside torch {peer}"
        goal = {"ratio_cpu": batch[peer]} if peer in batch else {}
        found = row(title, "calls/s", compare_rounds(rounds), **goal)
        rows.append({**found, "peer_is": f"torch, {peer}"})
    return rows


def timed(call: Callable[[], Any], least_s: float) -> dict[str, float]:
    count, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < least_s:
        call()
        count += 1
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu_s": time.process_time() - cpu, "count": count}
