"""The 8-puzzle by attention between its cells: python examples/puzzle8_attention.py"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from twisterl.envs import Puzzle
from twisterl.rl import PPO


class Attending(nn.Module):
    """Each cell is a token of its tile; they attend to each other, then a layer sees them all."""

    def __init__(self, obs_shape: list[int], num_actions: int, width: int = 16) -> None:
        super().__init__()
        cells, tiles = obs_shape
        self.embed = nn.Linear(tiles, width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.joined = nn.Linear(cells * width, 128)
        self.actor, self.critic = nn.Linear(128, num_actions), nn.Linear(128, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.embed(x)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = torch.relu(self.joined(x.flatten(1)))
        return self.actor(x), self.critic(x)


# One sampled try from any solvable board.
UNIFORM = {"deterministic": False, "num_searches": 1, "start": "uniform"}
CONFIG: dict[str, Any] = {
    "collecting": {
        "num_episodes": 512,
        "gamma": 0.97,
        "lambda": 0.95,
        "difficulty_distribution": "uniform",
    },
    "training": {
        "num_epochs": 3,
        "minibatch_size": 1024,
        "vf_coef": 0.5,
        "clip_ratio": 0.2,
        "ent_coef": 0.01,
        "ent_coef_final": 0.0,
        "normalize_advantage": True,
        "max_grad_norm": 0.5,
        "lr_schedule": {"kind": "linear", "num_iterations": 80, "final_ratio": 0.05},
    },
    "optimizer": {"lr": 0.003},
    "learning": {"diff_threshold": 0.9, "diff_step": 20, "diff_max": 400, "diff_metric": "uniform"},
    "evals": {"uniform": {"num_episodes": 200, "freq": 5, **UNIFORM}},
}


def learned(seed: int = 0, num_steps: int = 80) -> PPO:
    """The algorithm after `num_steps` iterations."""
    torch.manual_seed(seed)
    env = Puzzle(width=3, height=3, difficulty=100, depth_slope=2, max_depth=200)
    policy = Attending(env.obs_shape(), env.num_actions())
    algorithm = PPO(env, policy, {**CONFIG, "seed": seed})
    algorithm.learn(num_steps)
    return algorithm


if __name__ == "__main__":
    algorithm = learned()
    success = algorithm.evaluate({"num_episodes": 1000, **UNIFORM})[0].success
    print(f"{algorithm.iteration} iterations, {algorithm.total_steps:,} steps")
    print(f"{success:.1%} of 1,000 boards solved by one sampled try")
