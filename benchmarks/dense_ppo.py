"""A plain PPO: batched numpy puzzle, dense one-hot observations, a torch network.

What a careful user writes without TwisteRL: all episodes of a collection step together, the
network sees one dense batch a step, the update is full-batch. Hyperparameters and episodes are
those of benchmarks/configs/ppo_puzzle8_reference.json.
"""

from __future__ import annotations

import time

import numpy as np
import torch

ACTIONS = 4
MAX_DEPTH = 256
GAMMA = LAMBDA = 0.995
EPOCHS = 10
CLIP, VALUE_SCALE, ENTROPY_SCALE = 0.1, 0.8, 0.01

Clock = dict[str, float]


class Puzzles:
    """`count` boards `[count, side * side]`, stepped together."""

    def __init__(self, side: int, difficulty: int, count: int, rng: np.random.Generator) -> None:
        cells = side * side
        x, y = np.arange(cells) % side, np.arange(cells) // side
        target = np.stack([x - 1, x, x + 1, x], 1), np.stack([y, y - 1, y, y + 1], 1)
        inside = (target[0] >= 0) & (target[0] < side) & (target[1] >= 0) & (target[1] < side)
        self.legal = inside
        self.target = np.where(inside, target[1] * side + target[0], np.arange(cells)[:, None])
        self.solved = np.arange(cells)
        self.boards = np.tile(self.solved, (count, 1))
        self.blank = np.zeros(count, np.int64)
        self.depth = np.zeros(count, np.int64)
        for _ in range(difficulty):
            self.step(np.arange(count), rng.integers(ACTIONS, size=count))
        self.depth[:] = 2 * difficulty

    def step(self, lanes: np.ndarray, actions: np.ndarray) -> None:
        blank = self.blank[lanes]
        target = self.target[blank, actions]
        self.boards[lanes, blank] = self.boards[lanes, target]
        self.boards[lanes, target] = 0
        self.blank[lanes] = target
        self.depth[lanes] -= 1

    def status(self, lanes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rewards and whether the episodes are over."""
        success = (self.boards[lanes] == self.solved).all(1)
        out = self.depth[lanes] == 0
        rewards = np.where(success, 1.0, np.where(out, -0.5, -0.5 / MAX_DEPTH))
        return rewards.astype(np.float32), success | out


class DensePPO:
    """Collects and trains; `iterate` is one iteration."""

    def __init__(self, side: int, difficulty: int, episodes: int, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.side, self.difficulty, self.episodes = side, difficulty, episodes
        self.features = side**4
        self.rng = np.random.default_rng(0)
        self.body = torch.nn.Sequential(
            torch.nn.Linear(self.features, 512),
            torch.nn.ReLU(),
            torch.nn.Linear(512, 256),
            torch.nn.ReLU(),
        )
        self.action, self.value = torch.nn.Linear(256, ACTIONS), torch.nn.Linear(256, 1)
        self.modules = torch.nn.ModuleList([self.body, self.action, self.value])
        self.optimizer = torch.optim.Adam(self.modules.parameters(), lr=1.5e-4)

    def iterate(self) -> dict[str, Clock]:
        """Collects and trains; seconds, processor seconds and steps of the parts."""
        start, cpu = time.perf_counter(), time.process_time()
        batch = self.collect()
        middle, middle_cpu = time.perf_counter(), time.process_time()
        self.train(*batch)
        end, end_cpu = time.perf_counter(), time.process_time()
        count = len(batch[1])
        return {
            "collection": {"seconds": middle - start, "cpu_s": middle_cpu - cpu, "count": count},
            "whole iteration": {"seconds": end - start, "cpu_s": end_cpu - cpu, "count": count},
        }

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.body(observations)
        return self.action(hidden), self.value(hidden).squeeze(1)

    @torch.no_grad()
    def collect(self) -> tuple[torch.Tensor, ...]:
        """Observations, actions, log-probabilities, masks, advantages and returns `[N, ...]`."""
        puzzles = Puzzles(self.side, self.difficulty, self.episodes, self.rng)
        cells = self.side**2
        features = np.arange(cells) * cells
        steps: list[tuple[np.ndarray, ...]] = []
        lanes = np.arange(self.episodes)
        while len(lanes):
            boards = puzzles.boards[lanes]
            observations = np.zeros((len(lanes), self.features), np.float32)
            np.put_along_axis(observations, boards + features, 1.0, 1)
            masks = puzzles.legal[puzzles.blank[lanes]]
            logits, values = self.forward(torch.from_numpy(observations))
            logits = logits.masked_fill(~torch.from_numpy(masks), -1e10)
            log_probs = torch.log_softmax(logits, 1)
            actions = torch.multinomial(log_probs.exp(), 1)
            taken = log_probs.gather(1, actions).squeeze(1).numpy()
            chosen = actions.squeeze(1).numpy()
            rewards, over = puzzles.status(lanes)
            steps.append((lanes, observations, masks, chosen, taken, values.numpy(), rewards, over))
            lanes = lanes[~over]
            puzzles.step(lanes, chosen[~over])
        return self.batch(steps)

    def batch(self, steps: list[tuple[np.ndarray, ...]]) -> tuple[torch.Tensor, ...]:
        advantage = np.zeros(self.episodes, np.float32)
        following = np.zeros(self.episodes, np.float32)
        advantages, returns = [], []
        for lanes, _, _, _, _, values, rewards, over in reversed(steps):
            future = GAMMA * (following[lanes] + LAMBDA * advantage[lanes])
            target = rewards + np.where(over, 0.0, future).astype(np.float32)
            advantage[lanes], following[lanes] = target - values, values
            advantages.append(target - values)
            returns.append(target)
        _, observations, masks, actions, log_probs, *_ = zip(*steps, strict=True)
        arrays = [observations, actions, log_probs, masks, advantages[::-1], returns[::-1]]
        return tuple(torch.from_numpy(np.concatenate(array)) for array in arrays)

    def train(
        self,
        observations: torch.Tensor,
        actions: torch.Tensor,
        old_log_probs: torch.Tensor,
        masks: torch.Tensor,
        advantages: torch.Tensor,
        returns: torch.Tensor,
    ) -> None:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        for _ in range(EPOCHS):
            logits, values = self.forward(observations)
            log_probs = torch.log_softmax(logits.masked_fill(~masks, -1e10), 1)
            taken = log_probs.gather(1, actions[:, None]).squeeze(1)
            ratio = (taken - old_log_probs).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            policy_loss = -torch.min(ratio * advantages, clipped * advantages).mean()
            value_loss = torch.nn.functional.mse_loss(values, returns)
            entropy = -(log_probs.exp() * log_probs).sum(1).mean()
            loss = policy_loss + VALUE_SCALE * value_loss - ENTROPY_SCALE * entropy
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
