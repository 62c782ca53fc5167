"""Catch, seen as an image, by a convolution: python examples/catch_cnn.py"""

from __future__ import annotations

import math

import torch
from torch import nn
from twisterl.envs import Catch
from twisterl.rl import PPO


class Seeing(nn.Module):
    """Two convolutions of 3 x 3 over the image, then a layer for both heads."""

    def __init__(self, obs_shape: list[int], num_actions: int, channels: int = 8) -> None:
        super().__init__()
        planes, height, width = obs_shape
        self.body = nn.Sequential(
            nn.Conv2d(planes, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * channels * math.ceil(height / 4) * math.ceil(width / 4), 64),
            nn.ReLU(),
        )
        self.actor, self.critic = nn.Linear(64, num_actions), nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.body(x)
        return self.actor(x), self.critic(x)


CONFIG = {
    "collecting": {"num_episodes": 512, "gamma": 0.98, "lambda": 0.95},
    "training": {
        "num_epochs": 4,
        "minibatch_size": 1024,
        "vf_coef": 0.5,
        "clip_ratio": 0.2,
        "normalize_advantage": True,
        "max_grad_norm": 0.5,
    },
    "optimizer": {"lr": 0.003},
    "evals": {"greedy": {"num_episodes": 500, "freq": 2}},
    "learning": {"diff_metric": "greedy", "target_reward": 0.99},
}


def learned(seed: int = 0, num_steps: int = 100) -> PPO:
    """The algorithm after it has reached its target, or made `num_steps` iterations."""
    torch.manual_seed(seed)
    env = Catch()
    algorithm = PPO(env, Seeing(env.obs_shape(), env.num_actions()), {**CONFIG, "seed": seed})
    algorithm.learn(num_steps)
    return algorithm


if __name__ == "__main__":
    algorithm = learned()
    found = algorithm.evaluate({"num_episodes": 1000})[0]
    print(f"{algorithm.iteration} iterations, {algorithm.total_steps:,} steps")
    print(f"mean reward {found.reward:.3f}, {found.success:.1%} of 1,000 episodes solved")
