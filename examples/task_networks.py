"""Two tasks that a plain network does not fit, each with one that does.

python examples/task_networks.py memory    a T-maze, whose cue is seen once, by an LSTM
python examples/task_networks.py image     Catch, seen as an image, by a convolution
"""

from __future__ import annotations

import math
import sys

import torch
from torch import nn
from twisterl.envs import Catch, TMaze
from twisterl.rl import PPO


class Remembering(nn.Module):
    """A linear layer, an LSTM and a layer for both heads; its memory is h and c in a row."""

    def __init__(self, obs_shape: list[int], num_actions: int, width: int = 32) -> None:
        super().__init__()
        self.state_size, self.num_axes = 2 * width, len(obs_shape)
        self.first = nn.Linear(math.prod(obs_shape), width)
        self.cell = nn.LSTM(width, width, batch_first=True)
        self.actor, self.critic = nn.Linear(width, num_actions), nn.Linear(width, 1)

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, self.state_size)

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        is_step = x.dim() == 1 + self.num_axes
        x = x.flatten(x.dim() - self.num_axes)
        x = torch.relu(self.first(x[:, None] if is_step else x))
        h, c = (part[None].contiguous() for part in state.chunk(2, dim=1))
        x, (h, c) = self.cell(x, (h, c))
        x = x[:, 0] if is_step else x
        return self.actor(x), self.critic(x)[..., 0], torch.cat([h[0], c[0]], dim=1)


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


def config(num_episodes: int, target: float, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "collecting": {"num_episodes": num_episodes, "gamma": 0.98, "lambda": 0.95},
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
        "learning": {"diff_metric": "greedy", "target_reward": target},
    }


def learned(task: str, seed: int = 0, num_steps: int = 100) -> PPO:
    """The algorithm after it has reached its target, or made `num_steps` iterations."""
    torch.manual_seed(seed)
    if task == "memory":
        env, target = TMaze(length=10), 0.9
        net: nn.Module = Remembering(env.obs_shape(), env.num_actions())
    else:
        env, target = Catch(), 0.99
        net = Seeing(env.obs_shape(), env.num_actions())
    algorithm = PPO(env, net, config(256 if task == "memory" else 512, target, seed))
    algorithm.learn(num_steps)
    return algorithm


if __name__ == "__main__":
    if sys.argv[1:] not in (["memory"], ["image"]):
        sys.exit(__doc__)
    algorithm = learned(sys.argv[1])
    found = algorithm.evaluate({"num_episodes": 1000})[0]
    print(f"{algorithm.iteration} iterations, {algorithm.total_steps:,} steps")
    print(f"mean reward {found.reward:.3f}, {found.success:.1%} of 1,000 episodes solved")
