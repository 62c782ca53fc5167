"""Full-batch PPO updates of either twisterl on the same data: what worker.py times.

Samples are states of random walks from the solved board, as a collection would meet them, all
actions legal (the peer's loss ignores masks). Weights are drawn alike, so both sides compute the
same losses.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from dense_ppo import ACTIONS, Puzzles
from twisterl.nn import BasicPolicy
from twisterl.rl import PPO

LOSSES = ("value", "policy", "entropy", "total")
TRAINING = {
    "vf_coef": 0.8,
    "ent_coef": 0.01,
    "clip_ratio": 0.1,
    "normalize_advantage": True,
}


class Updates:
    """One update after the other, from the same weights in every round."""

    def __init__(
        self,
        env: Any,
        side: int,
        *,
        difficulty: int,
        episodes: int,
        threads: int,
        epochs: int,
        embedding: int,
    ) -> None:
        torch.manual_seed(3)
        policy = BasicPolicy(
            env.obs_shape(), ACTIONS, embedding_size=embedding, common_layers=(256,)
        )
        config = {
            "device": "cpu",
            "collecting": {
                "num_cores": threads,
                "num_episodes": 1,
                "lambda": 0.995,
                "gamma": 0.995,
            },
            "training": {**TRAINING, "num_epochs": epochs},
            "optimizer": {"lr": 1.5e-4},
        }
        self.algorithm = PPO(env, policy, config)
        data = samples(side, difficulty, episodes)
        self.batch, _ = self.algorithm.data_to_torch(data)
        self.weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
        losses, _ = self.algorithm.train_step(self.batch)
        self.report = {
            "count": len(data.obs) * epochs,
            "samples": len(data.obs),
            "distinct": len(np.unique(data.obs, axis=0)),
            "losses": [losses[name] for name in LOSSES],
        }

    def run(self) -> None:
        self.algorithm.policy.load_state_dict(self.weights)
        self.algorithm.train(self.batch)


def samples(side: int, difficulty: int, episodes: int) -> SimpleNamespace:
    """What `data_to_torch` of either side reads (the lists of 0.5.1)."""
    rng = np.random.default_rng(7)
    boards = walks(side, difficulty, episodes, rng)
    count, cells = boards.shape
    return SimpleNamespace(
        obs=(boards + np.arange(cells) * cells).tolist(),
        logits=rng.normal(size=(count, ACTIONS)).astype(np.float32) * 0.3,
        values=None,
        rewards=None,
        actions=rng.integers(ACTIONS, size=count),
        perms=[-1] * count,
        additional_data={
            name: rng.normal(size=count).astype(np.float32) for name in ("advs", "rets")
        },
    )


def walks(side: int, difficulty: int, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Boards `[N, side * side]` on random walks of 2 * difficulty moves after a scramble."""
    puzzles = Puzzles(side, difficulty, episodes, rng)
    lanes = np.arange(episodes)
    seen = []
    for _ in range(2 * difficulty):
        puzzles.step(lanes, rng.integers(ACTIONS, size=episodes))
        seen.append(puzzles.boards.copy())
    return np.concatenate(seen)
