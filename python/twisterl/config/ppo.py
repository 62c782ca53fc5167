"""What PPO takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twisterl.config.algorithm import DescentSection, Optimizer, Training
from twisterl.config.values import (
    Cores,
    Count,
    EpisodeSteps,
    Fraction,
    Natural,
    NotNegative,
    Positive,
    Section,
    max_episode_steps,
)


class PPOCollecting(Section):
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_episodes: Count = Field(512 * 32, description="of each iteration")
    gae_lambda: Fraction = Field(
        0.995, alias="lambda", description="of the advantages: 0 one step, 1 the whole return"
    )
    gamma: Fraction = Field(0.995, description="discount of each step")
    truncation: Literal["terminal", "bootstrap"] = Field(
        "terminal",
        description="a used-up depth ends the episode, or is cut off and bootstrapped; of tasks "
        "bootstrap where nothing is given",
    )
    difficulty_distribution: Literal["fixed", "uniform"] = Field(
        "fixed", description="each episode at the difficulty, or drawn from 1 to it"
    )
    cache: bool = Field(True, description="evaluate each state once per collection")
    max_episode_steps: EpisodeSteps | None = max_episode_steps()


class PPOTraining(Training):
    vf_coef: NotNegative = Field(0.8, description="weight of the value's loss")
    ent_coef: NotNegative = Field(0.01, description="weight of the policy's entropy")
    ent_coef_final: NotNegative | None = Field(
        None, description="ent_coef at the end of the lr_schedule; null: constant"
    )
    clip_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="how far an update may move an action's probability, as a ratio"
    )
    normalize_advantage: bool = Field(False, description="to mean 0 and deviation 1 over a rollout")
    sequence_length: Count | None = Field(
        None,
        description="steps that gradients go back through; null: 64 of a policy with memory",
    )
    burn_in: Natural = Field(
        0, description="steps that make a memory anew before a sequence; at most its length"
    )
    target_kl: Positive | None = Field(None, description="stop the epochs beyond it")


class PPOAlgorithm(DescentSection):
    # Evaluating PPO by search is slow and is done only where a config asks for it.
    default_evals = ("ppo_deterministic", "ppo_1", "ppo_10")

    collecting: PPOCollecting = Field(default_factory=PPOCollecting)
    training: PPOTraining = Field(default_factory=PPOTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)
