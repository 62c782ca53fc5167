"""What Evolution Strategies take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from twisterl.config.algorithm import AlgorithmSection, LrSchedule
from twisterl.config.values import Cores, NotNegative, Positive, Section, Workers, workers
from twisterl.faults import Fault, joined, shown


class ESCollecting(Section):
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_pairs: Annotated[int, Field(ge=1, le=100_000)] = Field(
        64, description="members of the population, each with its mirror image"
    )
    num_episodes: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        64, description="that every member plays, from the same starts"
    )
    difficulty_distribution: Literal["fixed", "uniform"] = Field(
        "fixed", description="each episode at the difficulty, or drawn from 1 to it"
    )
    player: Literal["policy", "value"] = Field(
        "policy", description="plays the largest logit, or towards the largest value"
    )
    workers: Workers | None = workers()


class ESTraining(Section):
    num_generations: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10, description="generations of an iteration"
    )
    sigma: Positive = Field(0.05, description="standard deviation of the noise")
    lr: Positive | None = Field(None, description="another name of optimizer.lr", exclude=True)
    lr_schedule: LrSchedule = Field(default_factory=LrSchedule)


class ESOptimizer(Section):
    """Adam, or momentum, which is the first beta; weight decay is decoupled."""

    rule: Literal["adam", "momentum"] = Field("adam", description="how weights are moved")
    lr: Positive = Field(0.02, description="learning rate")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), strict=False, description="decay of the two moments"
    )
    eps: Positive = Field(1e-8, description="added to the second moment's root")
    weight_decay: NotNegative = Field(0.0, description="pull of every weight towards 0")


class ESAlgorithm(AlgorithmSection):
    default_evals = ("ppo_deterministic",)

    collecting: ESCollecting = Field(default_factory=ESCollecting)
    training: ESTraining = Field(default_factory=ESTraining)
    optimizer: ESOptimizer = Field(default_factory=ESOptimizer)

    def faults(self, path: str) -> Iterator[Fault]:
        yield from super().faults(path)
        yield from self._not_greedy(joined(path, "evals"))
        if self.learning.final_diff_is_none:
            problem = "got true; expected false: ES learns from scrambled states alone"
            yield Fault(joined(path, "learning.final_diff_is_none"), problem)

    def searches(self) -> dict[str, Any]:
        return {}

    def _not_greedy(self, path: str) -> Iterator[Fault]:
        """What evaluations ask for beside greedy play, which is all that every language has."""
        for name, evaluation in self.evals.items():
            for key, expected, fits in (
                ("deterministic", "true", evaluation.deterministic),
                ("num_mcts_searches", "0", not evaluation.num_mcts_searches),
                ("strategy", "greedy", evaluation.strategy in (None, "greedy")),
            ):
                if not fits:
                    problem = f"got {shown(getattr(evaluation, key))}; expected {expected}"
                    yield Fault(joined(path, name, key), f"{problem}: ES plays greedily")
