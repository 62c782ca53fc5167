"""One iteration of a run as those who watch it see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisterl.rl.evaluation import Evaluation


@dataclass(frozen=True)
class Progress:
    """The state of a run after an iteration.

    `iteration` counts from 0 over the whole run, resumed parts included; `total_iterations` is
    where this call of `learn` will end. `difficulty` is the one that the iteration was played at,
    None if none bounded its starts. `success` and `reward` are those of the curriculum's metric,
    None in an iteration that did not evaluate it.
    """

    iteration: int
    total_iterations: int
    difficulty: int | None
    next_difficulty: int | None
    success: float | None
    reward: float | None
    evaluations: dict[str, Evaluation]
    losses: dict[str, float]
    times: dict[str, float]
    num_steps: int
    total_steps: int
    elapsed_s: float
    improved: bool
    # Who played where it was not this process: see `machines.coordinator.Counts`.
    workers: dict[str, Any] | None = None

    @property
    def steps_per_second(self) -> float:
        """Environment steps collected per second of the whole iteration."""
        return self.num_steps / max(self.times["total"], 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """The line of `metrics.jsonl`."""
        told = {
            "iteration": self.iteration,
            "difficulty": self.difficulty,
            "success": self.success,
            "reward": self.reward,
            "evals": {
                name: {
                    "success": evaluation.success,
                    "interval": evaluation.interval,
                    "reward": evaluation.reward,
                    "mean_length": evaluation.mean_length,
                }
                for name, evaluation in self.evaluations.items()
            },
            "losses": self.losses,
            "times": {name: round(seconds, 6) for name, seconds in self.times.items()},
            "num_steps": self.num_steps,
            "total_steps": self.total_steps,
            "elapsed_s": round(self.elapsed_s, 3),
            "improved": self.improved,
        }
        return told if self.workers is None else {**told, "workers": self.workers}
