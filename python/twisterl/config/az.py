"""What AlphaZero takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from twisterl.config.algorithm import DescentSection, Optimizer, Training
from twisterl.config.evaluations import Evaluation
from twisterl.config.searches import TREE_RULES
from twisterl.config.values import (
    Cores,
    Count,
    EpisodeSteps,
    Fraction,
    NotNegative,
    Positive,
    SearchWeight,
    Section,
    Seed,
    Steps,
    Workers,
    max_episode_steps,
    workers,
)


class AZCollecting(Section):
    """Self-play; every move is the outcome of a tree search."""

    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_episodes: Count = Field(512, description="of each iteration")
    num_mcts_searches: Count = Field(1000, description="simulations for each move")
    exploration: SearchWeight = Field(1.41, alias="C", description="weight of the prior in PUCT")
    max_expand_depth: Steps = Field(1, description="states that a simulation adds to the tree")
    seed: Seed = Field(123, description="added to the seed of the algorithm")
    gamma: Fraction = Field(1.0, description="discount of each step")
    root_selection: Literal["puct", "gumbel"] = Field(
        "puct", description="gumbel: sequential halving, for few simulations"
    )
    max_considered_actions: Count = Field(16, description="actions that gumbel starts with")
    value_weight: Positive = Field(1.0, description="weight of the value in gumbel, its c_scale")
    dirichlet_alpha: Positive = Field(0.3, description="shape of the noise in the root's priors")
    exploration_fraction: Fraction = Field(0.0, description="share of that noise")
    temperature_moves: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="moves drawn by visits, the most visited follow; null: all"
    )
    max_moves: Steps | None = Field(None, description="moves after which an episode is cut off")
    truncation: Literal["terminal", "bootstrap"] = Field(
        "terminal",
        description="a used-up depth ends the episode, or is cut off and bootstrapped; of tasks "
        "bootstrap where nothing is given",
    )
    difficulty_distribution: Literal["fixed", "uniform"] = Field(
        "fixed", description="each episode at the difficulty, or drawn from 1 to it"
    )
    resign_threshold: float | None = Field(
        None, description="end an episode whose root is worth less; null: never"
    )
    resign_exempt: Fraction = Field(0.1, description="share of the episodes that never resign")
    reuse: bool = Field(True, description="keep the tree below the move that was played")
    transpositions: bool = Field(
        False, description="one node for a state that several ways of as many moves lead to"
    )
    cache: bool = Field(True, description="evaluate each state once per collection")
    precision: Literal["f32", "int8"] = Field(
        "f32", description="of the network's numbers; int8 is faster and a little coarser"
    )
    max_episode_steps: EpisodeSteps | None = max_episode_steps()
    workers: Workers | None = workers()


class AZTraining(Training):
    """Each epoch draws as many samples as the iteration collected."""

    policy_coef: NotNegative = Field(1.0, description="weight of the policy's loss")
    vf_coef: NotNegative = Field(1.0, description="weight of the value's loss")
    l2: NotNegative = Field(0.0, description="weight of the sum of all squared parameters")
    replay_size: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        0, description="newest samples to draw from; 0: those of the iteration alone"
    )


class AZAlgorithm(DescentSection):
    default_evals = ("ppo_deterministic", "ppo_1", "ppo_10", "mcts_100")

    collecting: AZCollecting = Field(default_factory=AZCollecting)
    training: AZTraining = Field(default_factory=AZTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)

    def agree(self) -> None:
        """Evaluations search by the rules of the collection, where they do not name others."""
        for evaluation in self.evals.values():
            for rule, field in Evaluation.model_fields.items():
                is_rule = (field.alias or rule) in TREE_RULES
                if is_rule and rule not in evaluation.model_fields_set:
                    setattr(evaluation, rule, getattr(self.collecting, rule))

    def searches(self) -> dict[str, Any]:
        return {**super().searches(), "collecting": self.collecting}
