"""What random-walk training takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from twisterl.config.algorithm import DescentSection, Optimizer, Training
from twisterl.config.values import (
    Cores,
    Count,
    Fraction,
    NotNegative,
    Section,
    Steps,
    Workers,
    workers,
)
from twisterl.faults import Fault, joined


class RandomWalkCollecting(Section):
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_walks: Count = Field(1000, description="of each iteration")
    walk_length: Steps = Field(100, description="moves; every state on a walk is a sample")
    commuting: bool = Field(
        False,
        description="the order of moves does not matter: no walk repeats one, each may be undone",
    )
    workers: Workers | None = workers()


class RandomWalkTraining(Training):
    num_epochs: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1, description="passes over the samples of an iteration"
    )
    vf_coef: NotNegative = Field(1.0, description="weight of the value's loss")
    sample_power: Fraction = Field(
        1.0, description="a state met n times weighs n to this power: 1 as met, 0 all alike"
    )
    bellman_from: Annotated[int, Field(ge=0, le=10**12)] | None = Field(
        None,
        description="iteration from which values learn from the best next state's; "
        "null: always from the walks",
    )
    minibatch_size: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        1024, description="distinct states; null: all of an iteration"
    )
    fit: Literal["gradient", "parity"] = Field(
        "gradient",
        description="parity: of commuting moves that flip features, solved without descent",
    )
    precision: Literal["f32", "bf16"] = Field(
        "f32",
        description="of linear layers' products, in torch of all layers'; weights and updates "
        "are f32",
    )


class RandomWalkAlgorithm(DescentSection):
    default_evals = ("ppo_deterministic", "ppo_1", "beam_64")

    collecting: RandomWalkCollecting = Field(default_factory=RandomWalkCollecting)
    training: RandomWalkTraining = Field(default_factory=RandomWalkTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)

    def faults(self, path: str) -> Iterator[Fault]:
        yield from super().faults(path)
        if self.training.fit == "gradient":
            return
        if not self.collecting.commuting:
            problem = "got parity; expected gradient, for collecting.commuting is false"
            yield Fault(joined(path, "training.fit"), problem)
        if self.training.bellman_from is not None:
            problem = "expected null, for training.fit is parity"
            yield Fault(joined(path, "training.bellman_from"), problem)
