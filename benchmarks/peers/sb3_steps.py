"""Stable-Baselines3 on the sliding puzzle: its policy and its collection.

Started by sides.py. The boards step together in numpy, which is the fastest that it can be fed.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from dense_ppo import ACTIONS, Puzzles
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv
from worker import Round, serve

GAMMA = LAMBDA = 0.995


class Boards(VecEnv):
    """`lanes` boards; an episode that ends makes room for a new one."""

    def __init__(self, side: int, difficulty: int, lanes: int) -> None:
        self.features = side**4
        self.lanes = np.arange(lanes)
        super().__init__(lanes, Box(0, 1, (self.features,), np.float32), Discrete(ACTIONS))
        self.cells, self.difficulty = side * side, difficulty
        self.rng = np.random.default_rng(0)
        self.puzzles = Puzzles(side, difficulty, lanes, self.rng)

    def observe(self) -> np.ndarray:
        rows = np.zeros((len(self.lanes), self.features), np.float32)
        features = self.puzzles.boards + np.arange(self.cells) * self.cells
        np.put_along_axis(rows, features, 1.0, 1)
        return rows

    def reset(self) -> np.ndarray:
        self.scramble(self.lanes)
        return self.observe()

    def scramble(self, lanes: np.ndarray) -> None:
        self.puzzles.boards[lanes] = self.puzzles.solved
        self.puzzles.blank[lanes] = 0
        for _ in range(self.difficulty):
            self.puzzles.step(lanes, self.rng.integers(ACTIONS, size=len(lanes)))
        self.puzzles.depth[lanes] = 2 * self.difficulty

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        self.puzzles.step(self.lanes, self.actions)
        rewards, over = self.puzzles.status(self.lanes)
        if over.any():
            self.scramble(self.lanes[over])
        return self.observe(), rewards, over, [{} for _ in self.lanes]

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * len(self.lanes)  # Only the mode of rendering is asked for, which is none.

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError("boards have no attributes to set")

    def env_method(self, method_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        raise NotImplementedError("boards have no methods of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * len(self.lanes)


def agent(side: int, difficulty: int, widths: list[int], lanes: int, length: int) -> PPO:
    network = {"net_arch": widths, "activation_fn": torch.nn.ReLU}
    found = PPO(
        "MlpPolicy",
        Boards(side, difficulty, lanes),
        n_steps=length,
        batch_size=lanes,
        gamma=GAMMA,
        gae_lambda=LAMBDA,
        policy_kwargs=network,
        device="cpu",
        seed=0,
    )
    found._setup_learn(lanes * length)
    return found


def policy_step(side: int, difficulty: int, plan: dict[str, Any]) -> Round:
    """Steps by the likeliest action of a network with one small hidden layer."""
    lanes, length = plan["lanes"], plan["peer_steps"]["lanes"]
    found = agent(side, difficulty, [plan["hidden"]], lanes, length)
    boards = found.get_env()
    assert boards is not None

    def play() -> None:
        observations: Any = boards.reset()
        for _ in range(length):
            actions, _ = found.predict(observations, deterministic=True)
            observations, *_ = boards.step(actions)

    return play, lambda _: lanes * length


def collect(side: int, difficulty: int, plan: dict[str, Any]) -> Round:
    """One collection with the reference network."""
    lanes, length = plan["lanes"], plan["peer_steps"]["lanes"]
    found = agent(side, difficulty, [512, 256], lanes, length)
    boards = found.get_env()
    nothing = CallbackList([])
    nothing.init_callback(found)

    def work() -> None:
        assert boards is not None
        found.collect_rollouts(boards, nothing, found.rollout_buffer, length)

    return work, lambda _: lanes * length


def cart_pole(lanes: int, length: int, widths: list[int]) -> Round:
    """Collections of Gymnasium's CartPole."""
    found = PPO(
        "MlpPolicy",
        make_vec_env("CartPole-v1", lanes, seed=0),
        n_steps=length,
        batch_size=lanes,
        policy_kwargs={"net_arch": widths},
        device="cpu",
        seed=0,
    )
    found._setup_learn(lanes * length)
    lanes_of, nothing = found.get_env(), CallbackList([])
    nothing.init_callback(found)
    assert lanes_of is not None

    def work() -> None:
        found.collect_rollouts(lanes_of, nothing, found.rollout_buffer, length)

    return work, lambda _: lanes * length


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve({"policy_step": policy_step, "collect": collect, "cart_pole": cart_pole})
