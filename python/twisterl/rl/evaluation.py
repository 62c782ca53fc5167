"""What an evaluation found, with its spread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from twisterl import strategy, twisterl
from twisterl.envs.protocol import is_task

_Z95 = 1.959963984540054


def wilson(num_successes: int, num_episodes: int) -> tuple[float, float]:
    """The 95 % interval of a success rate (Wilson 1927, "Probable inference").

    >>> [round(bound, 3) for bound in wilson(95, 100)]
    [0.888, 0.978]
    """
    n, z2 = num_episodes, _Z95**2
    rate = num_successes / n
    center = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return max(0.0, center - half), min(1.0, center + half)


class Evaluation(tuple[float, float]):
    """`(success, reward)`: the rate of solved episodes and the mean reward.

    `num_episodes`, `interval` (95 %, of the success) and `mean_length` (moves of the solved
    episodes, None without one) are None where the engine does not say. `is_task`: the reward is
    what counts, rather than the success.
    """

    num_episodes: int | None
    interval: tuple[float, float] | None
    mean_length: float | None
    is_task: bool

    def __new__(
        cls,
        success: float,
        reward: float,
        num_episodes: int | None = None,
        mean_length: float | None = None,
        is_task: bool = False,
    ) -> Evaluation:
        self = super().__new__(cls, (success, reward))
        self.num_episodes = num_episodes
        self.mean_length = mean_length
        self.is_task = is_task
        self.interval = None
        if num_episodes:
            self.interval = wilson(round(success * num_episodes), num_episodes)
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.success, self.reward, self.num_episodes, self.mean_length, self.is_task

    @property
    def success(self) -> float:
        return self[0]

    @property
    def reward(self) -> float:
        return self[1]


def evaluate(
    env: Any,
    policy: Any,
    arguments: dict[str, Any],
    judge: Callable[..., dict[str, Any]] | None = None,
) -> Evaluation:
    """Plays the episodes that one entry of a config's `evals` describes, with an entry's defaults.

    `env` is left as it is; `policy` is the engine's. `judge` plays as the engine's
    `evaluate_episodes`.
    """
    arguments = strategy.entry(arguments)
    del arguments["freq"]
    episodes = (judge or twisterl.collector.evaluate_episodes)(env, policy, **arguments)
    solved = episodes["success"]
    lengths = episodes["length"][solved]
    return Evaluation(
        float(solved.mean()),
        float(episodes["reward"].mean(dtype=float)),
        len(solved),
        float(lengths.mean()) if len(lengths) else None,
        is_task(env),
    )
