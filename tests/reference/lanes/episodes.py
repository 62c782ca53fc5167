"""What an episode is in every environment of the list: starts, steps left, rewards."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes.streams import Rng

Array = Any


class Lanes:
    """Episodes in `count` lanes; a subclass has the rules.

    `state` [N, S] holds the lanes; methods that move some lanes take their numbers, `which` [M].
    """

    num_actions: int

    def __init__(self, count: int, difficulty: int, depth_slope: int, max_depth: int) -> None:
        self.difficulty, self.depth_slope, self.max_depth = difficulty, depth_slope, max_depth
        self.state = self.goal(Rng(np.zeros(count, np.uint64)))
        self.depth = np.full(count, max_depth)

    # The rules.

    def goal(self, rng: Rng) -> Array:
        """Solved states [M, S], one for each stream."""
        raise NotImplementedError

    def moved(self, state: Array, actions: Array) -> Array:
        """`state` [M, S] after `actions` [M]; an impossible one changes nothing."""
        raise NotImplementedError

    def moved_away(self, state: Array, actions: Array, rng: Rng, which: Array) -> Array:
        """States [M, S] from which `actions` [M] lead back or nearer to the goal."""
        return self.moved(state, actions)

    def uniform(self, rng: Rng) -> Array:
        """States [M, S] drawn uniformly from those that can be solved."""
        raise NotImplementedError

    def solved(self) -> Array:
        """[N]"""
        raise NotImplementedError

    def masks(self) -> Array:
        """[N, A], true where the action may be taken."""
        return np.ones((len(self.state), self.num_actions), bool)

    def observe(self) -> Array:
        """Active features [N, K], filled up with -1."""
        raise NotImplementedError

    # Episodes.

    def reset(self, which: Array, difficulty: Array, rng: Rng) -> None:
        """From solved, `difficulty` [M] random actions, drawn from `rng`."""
        state = self.goal(rng)
        for i in range(int(difficulty.max(initial=0))):
            (going,) = np.nonzero(i < difficulty)
            actions = self.scramble_actions(rng, going, i)
            state[going] = self.moved_away(state[going], actions, rng, going)
        self.state[which] = state
        self.depth[which] = self.depth_slope * difficulty

    def scramble_actions(self, rng: Rng, which: Array, i: int) -> Array:
        """The `i`-th random action of a scramble, one word each."""
        return rng.below(self.num_actions, which)

    def reset_uniform(self, which: Array, rng: Rng) -> None:
        self.state[which] = self.uniform(rng)
        self.depth[which] = self.max_depth

    def step(self, which: Array, actions: Array) -> None:
        self.state[which] = self.moved(self.state[which], actions)
        self.depth[which] -= 1

    def status(self) -> tuple[Array, Array, Array, Array]:
        """(reward float32, final, success, truncated), [N] each."""
        success = self.solved()
        out_of_steps = self.depth == 0
        reward = np.full(len(self.state), np.float32(-0.5) / np.float32(self.max_depth))
        reward[out_of_steps] = -0.5
        reward[success] = 1.0
        return reward, success | out_of_steps, success, out_of_steps & ~success
