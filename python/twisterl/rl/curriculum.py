"""How the difficulty rises with success."""

from __future__ import annotations

import logging
import math
from typing import Any

from twisterl import twisterl

_logger = logging.getLogger("twisterl")
# (difficulty, success, reward) of an evaluation.
Metrics = tuple[Any, ...]


class Curriculum:
    """Raises the difficulty of an environment as `learning`, a section of a config, says.

    Attributes:
        rising: whether the last evaluation raised it, which decides what the next one needs.
        is_unbounded: whether no difficulty bounds the starts any more: any solvable state is one.
    """

    def __init__(self, learning: dict[str, Any]) -> None:
        self.learning = learning
        self.rising = False
        self.is_unbounded = False
        self._has_end: bool | None = None

    def state(self) -> dict[str, bool]:
        return {"rising": self.rising, "is_unbounded": self.is_unbounded}

    def restore(self, state: dict[str, bool]) -> None:
        """Puts back what `state` gave."""
        self.rising, self.is_unbounded = state["rising"], state["is_unbounded"]

    def advance(self, env: Any, success: float) -> None:
        """Sets the difficulty of `env` after an evaluation with this `success`."""
        if self.is_unbounded:
            return
        before = env.difficulty
        after, self.rising = raised(self.learning, before, self.rising, success)
        if after is None:
            self.is_unbounded = not self._has_end
            after = max(before, self.learning["diff_max"])
        if after != before:
            env.difficulty = after

    def check(self, env: Any, policy: Any) -> None:
        """Says once if `env` cannot start in any state, where the curriculum would end so."""
        if self._has_end is not None or not self.learning["final_diff_is_none"]:
            return
        try:
            twisterl.collector.evaluate_episodes(env, policy, num_episodes=1, start="uniform")
        except ValueError as error:
            problem = "learning.final_diff_is_none: the difficulty will stay at diff_max"
            _logger.warning("%s: %s", problem, error)
            self._has_end = True
        else:
            self._has_end = False


def raised(
    learning: dict[str, Any], difficulty: int, rising: bool, success: float
) -> tuple[int | None, bool]:
    """The next difficulty and whether it is rising, after an evaluation with this `success`.

    It begins to rise at `diff_threshold` and goes on until success falls below `threshold_min`: by
    1 up to the difficulty `warmup`, by `diff_step` from there on, to `diff_max` at most. With
    `final_diff_is_none` the step beyond that leads to None.

    >>> learning = {"diff_threshold": 0.9, "threshold_min": 0.7, "diff_max": 9, "diff_step": 4,
    ...             "warmup": 2, "final_diff_is_none": False}
    >>> raised(learning, 2, False, 0.95)
    (3, True)
    >>> raised(learning, 7, True, 0.75)
    (9, True)
    >>> raised(learning, 7, False, 0.75)
    (7, False)
    """
    least = learning["threshold_min"] if rising else learning["diff_threshold"]
    if least is None:
        least = learning["diff_threshold"]
    if success < least:
        return difficulty, False
    most = learning["diff_max"]
    step = learning["diff_step"] if difficulty > learning["warmup"] else 1
    if difficulty + step <= most:
        return difficulty + step, True
    return None if learning["final_diff_is_none"] else max(difficulty, most), True


def ranked(metrics: Metrics, is_task: bool = False) -> Metrics:
    """`(difficulty, success, reward)` as they compare: no difficulty is the hardest.

    Of a task the reward counts before the success.
    """
    difficulty, success, reward = metrics
    rest = (reward, success) if is_task else (success, reward)
    return (math.inf if difficulty is None else difficulty, *rest)
