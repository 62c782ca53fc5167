"""An environment of your own in Python: write it, train it, solve with it.

Pancake sorting: a stack of ``size`` pancakes is sorted by flipping its top few. Run this file to
train a policy for some seconds and to sort a stack with it:

    python examples/python_env.py [--plain] [--steps N]

[Pancakes][] is all that is needed. [BatchedPancakes][] adds the batched form, which plays all
episodes of a thread by one Python call with numpy, about twice as fast here.
``help(twisterl.envs)`` lists the whole protocol.
"""

import argparse

import numpy as np
from twisterl.envs import PyEnv


class Pancakes:
    """A stack of ``size`` pancakes, sorted when pancake ``i`` is at position ``i``.

    Action ``a`` flips the first ``a + 2``. Feature ``position * size + pancake`` is active for
    every position. ``reset`` makes ``difficulty`` random flips.
    """

    def __init__(self, size=6, max_steps=16):
        self.size = size
        self.max_steps = max_steps
        self.draws = np.random.default_rng()
        self.set_state(range(size))

    def num_actions(self):
        return self.size - 1

    def obs_shape(self):
        return [self.size, self.size]

    def set_state(self, state):
        if sorted(state) != list(range(self.size)):
            raise ValueError(f"state: expected each of 0..{self.size} once, got {state}")
        self.stack = list(state)
        self.steps_left = self.max_steps

    def reseed(self, seed):  # optional: makes a run with the same seed the same run
        self.draws = np.random.default_rng(seed)

    def reset(self, difficulty):
        self.set_state(range(self.size))
        for action in self.draws.integers(self.size - 1, size=difficulty):
            self.next(action)
        self.steps_left = self.max_steps

    def next(self, action):
        self.stack[: action + 2] = self.stack[action + 1 :: -1]
        self.steps_left -= 1

    def masks(self):
        return [True] * (self.size - 1)

    def success(self):
        return self.stack == sorted(self.stack)

    def is_final(self):
        return self.success() or self.steps_left == 0

    def value(self):
        return 1.0 if self.success() else -0.5 / self.max_steps

    def observe(self):
        return [position * self.size + pancake for position, pancake in enumerate(self.stack)]

    def copy(self):
        twin = type(self)(self.size, self.max_steps)
        twin.stack, twin.steps_left = self.stack.copy(), self.steps_left
        return twin


class BatchedPancakes(Pancakes):
    """The same, with the batched form."""

    def vectorize(self, num_lanes):
        return PancakeLanes(self, num_lanes)


class PancakeLanes:
    """``num_lanes`` stacks in one array ``[num_lanes, size]``."""

    def __init__(self, env, num_lanes):
        self.size = env.size
        self.max_steps = env.max_steps
        self.stacks = np.tile(np.arange(self.size), (num_lanes, 1))
        self.steps_left = np.full(num_lanes, self.max_steps)
        # Row a: where every position's pancake comes from when the first a + 2 are flipped.
        self.flips = np.tile(np.arange(self.size), (self.size - 1, 1))
        for action in range(self.size - 1):
            self.flips[action, : action + 2] = np.arange(action + 2)[::-1]

    def load(self, lane, env):
        self.stacks[lane] = env.stack
        self.steps_left[lane] = env.steps_left

    def flip(self, lanes, actions):
        self.stacks[lanes] = np.take_along_axis(self.stacks[lanes], self.flips[actions], axis=1)

    def advance(self, lanes, kinds, values, seeds):
        resets, steps = kinds == 0, kinds == 1
        if resets.any():
            started = lanes[resets]
            self.stacks[started] = np.arange(self.size)
            self.steps_left[started] = self.max_steps
            for lane, difficulty, seed in zip(started, values[resets], seeds[resets], strict=True):
                draws = np.random.default_rng(seed)
                for action in draws.integers(self.size - 1, size=difficulty):
                    self.stacks[lane] = self.stacks[lane, self.flips[action]]
        self.flip(lanes[steps], values[steps])
        self.steps_left[lanes[steps]] -= 1

        stacks = self.stacks[lanes]
        successes = (stacks == np.arange(self.size)).all(axis=1)
        return (
            (stacks + self.size * np.arange(self.size)).ravel().astype(np.int32),
            np.arange(len(lanes) + 1) * self.size,
            np.ones((len(lanes), self.size - 1), dtype=bool),
            np.where(successes, 1.0, -0.5 / self.max_steps),
            successes | (self.steps_left[lanes] == 0),
            successes,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", action="store_true", help="play without the batched form")
    parser.add_argument("--steps", type=int, default=25, help="training iterations")
    options = parser.parse_args()

    from twisterl.nn import BasicPolicy
    from twisterl.rl import PPO

    env = PyEnv(Pancakes if options.plain else BatchedPancakes, size=6)
    env.difficulty = 8
    policy = BasicPolicy(
        env.obs_shape(),
        env.num_actions(),
        embedding_size=128,
        common_layers=[64],
        policy_layers=[],
        value_layers=[],
    )
    config = {
        "collecting": {"num_cores": 2, "num_episodes": 256, "lambda": 0.95, "gamma": 0.99},
        "training": {"num_epochs": 6, "clip_ratio": 0.2},
        "learning": {"diff_threshold": 1.0, "diff_max": 8, "diff_metric": "scrambled"},
        "optimizer": {"lr": 0.003},
        "evals": {"scrambled": {"num_episodes": 100, "deterministic": False, "num_searches": 1}},
    }
    algorithm = PPO(env, policy, config)
    algorithm.learn(options.steps)

    stack = [3, 0, 5, 1, 4, 2]
    print(f"stack {stack}")
    flips = algorithm.solve(stack, deterministic=False, num_searches=20)
    for action in flips or []:
        stack[: action + 2] = stack[action + 1 :: -1]
        print(f"flip {action + 2}: {stack}")
    if flips is None:
        print("not solved: train longer (--steps)")


if __name__ == "__main__":
    main()
