"""Stable-Baselines3 on tasks: PPO, or RecurrentPPO of sb3-contrib, until a return is reached.

    python benchmarks/peers/sb3_tasks.py TASK SEED TARGET LIMIT_S REPORT

The hyperparameters of CartPole and Pendulum are those of RL Baselines3 Zoo. It ends when the mean
return of the last 100 episodes, as they were trained on, is TARGET, or after
LIMIT_S seconds of learning; then 100 episodes are played by the likeliest actions.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

EPISODES = 100


class Maze(gymnasium.Env[Any, Any]):
    """TMaze by the reference in tests/reference."""

    observation_space = Box(0, 1, (4,), np.float32)
    action_space = Discrete(4)

    def __init__(self) -> None:
        sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "reference"))
        from plain_tasks import TMaze
        from rng import Rng

        self._task, self._stream = TMaze(), Rng

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._task.reset(self._stream(int(self.np_random.integers(2**63))))
        return self._task.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        task = self._task
        task.step(int(action))
        return task.observe(), task.reward(), task.terminated, task.truncated(), {}


def falling(start: float) -> Callable[[float], float]:
    return lambda left: left * start


# What makes a lane, how many, the algorithm, and its hyperparameters.
TASKS: dict[str, tuple[Any, int, Any, dict[str, Any]]] = {
    "cartpole": (
        "CartPole-v1",
        8,
        PPO,
        {
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "learning_rate": falling(0.001),
            "clip_range": falling(0.2),
        },
    ),
    "pendulum": (
        "Pendulum-v1",
        4,
        PPO,
        {
            "n_steps": 1024,
            "gae_lambda": 0.95,
            "gamma": 0.9,
            "n_epochs": 10,
            "learning_rate": 1e-3,
            "clip_range": 0.2,
            "use_sde": True,
            "sde_sample_freq": 4,
        },
    ),
    "t_maze": (
        Maze,
        16,
        RecurrentPPO,
        {
            "n_steps": 128,
            "batch_size": 256,
            "gae_lambda": 0.95,
            "gamma": 0.98,
            "n_epochs": 4,
            "learning_rate": 0.003,
            "policy_kwargs": {"lstm_hidden_size": 32, "net_arch": [32]},
        },
    ),
}
# The steps that the schedules of the Zoo fall over, where the run ends.
STEPS = {"cartpole": 100_000}
ENDLESS = 10**9


class Until(BaseCallback):
    """Ends learning at a mean return of the last episodes, or when the time is over."""

    def __init__(self, target: float, limit_s: float) -> None:
        super().__init__()
        self.target, self.end = target, time.monotonic() + limit_s
        self.reached = False

    def _on_step(self) -> bool:
        last = self.model.ep_info_buffer
        if last is not None and len(last) == EPISODES:
            self.reached = float(np.mean([each["r"] for each in last])) >= self.target
        return not self.reached and time.monotonic() < self.end


def main(task: str, seed: int, target: float, limit_s: float) -> dict[str, Any]:
    torch.set_num_threads(1)
    make, lanes, algorithm, settings = TASKS[task]
    policy = "MlpLstmPolicy" if algorithm is RecurrentPPO else "MlpPolicy"
    until = Until(target, limit_s)
    begin, cpu = time.monotonic(), time.process_time()
    model = algorithm(
        policy, make_vec_env(make, lanes, seed=seed), device="cpu", seed=seed, **settings
    )
    model.learn(STEPS.get(task, ENDLESS), callback=until)
    seconds, cpu_s = time.monotonic() - begin, time.process_time() - cpu
    judged = make_vec_env(make, lanes, seed=seed + 1000)
    reward, _ = evaluate_policy(model, judged, n_eval_episodes=EPISODES)
    steps = model.num_timesteps
    told = {"seconds": seconds, "cpu_s": cpu_s, "steps": steps, "reward": float(reward)}
    return {**told, "reached": until.reached}


if __name__ == "__main__":
    name, seed, target, limit, report = sys.argv[1:]
    Path(report).write_text(json.dumps(main(name, int(seed), float(target), float(limit))))
