"""What PPO takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from twisterl.config.algorithm import TORCH_ONLY, DescentSection, Optimizer, Training
from twisterl.config.values import (
    Cores,
    Count,
    EpisodeSteps,
    Fraction,
    Natural,
    NotNegative,
    Positive,
    Section,
    Workers,
    max_episode_steps,
    workers,
)
from twisterl.faults import Fault, joined


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
    workers: Workers | None = workers()


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
        description="steps that gradients go back through, or steps of a segment; null: 64 of a "
        "policy with memory or of segments",
    )
    burn_in: Natural = Field(
        0, description="steps that make a memory anew before a sequence; at most its length"
    )
    target_kl: Positive | None = Field(None, description="stop the epochs beyond it")
    vf_clip: Positive | None = Field(
        None,
        description="how far an update may move a value before its error stops falling; "
        "null: any distance",
        json_schema_extra=TORCH_ONLY,
    )
    advantage: Literal["gae", "puff"] = Field(
        "gae",
        description="gae: once a rollout; puff: anew for every minibatch, by the network and the "
        "ratios as they were last seen, in segments of sequence_length steps",
        json_schema_extra=TORCH_ONLY,
    )
    rho_clip: Positive = Field(
        1.0, description="of puff: the largest ratio of a step", json_schema_extra=TORCH_ONLY
    )
    c_clip: Positive = Field(
        1.0,
        description="of puff: the largest ratio of a trace behind a step",
        json_schema_extra=TORCH_ONLY,
    )
    prio_alpha: NotNegative = Field(
        0.0,
        description="segments are drawn by this power of their advantages' sum; 0: each once",
        json_schema_extra=TORCH_ONLY,
    )
    prio_beta0: Fraction = Field(
        1.0,
        description="of prio_alpha: exponent of the weights that undo the drawing, at first; it "
        "rises to 1 over the lr_schedule",
        json_schema_extra=TORCH_ONLY,
    )
    precision: Literal["f32", "bf16"] = Field(
        "f32",
        description="of linear layers' products, in torch of all layers'; weights and updates "
        "are f32",
    )


class PPOAlgorithm(DescentSection):
    # Evaluating PPO by search is slow and is done only where a config asks for it.
    default_evals = ("ppo_deterministic", "ppo_1", "ppo_10")

    collecting: PPOCollecting = Field(default_factory=PPOCollecting)
    training: PPOTraining = Field(default_factory=PPOTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)

    def faults(self, path: str) -> Iterator[Fault]:
        yield from super().faults(path)
        training = self.training
        needs = {
            "rho_clip": ("advantage puff", training.advantage == "puff"),
            "c_clip": ("advantage puff", training.advantage == "puff"),
            "prio_beta0": ("a prio_alpha above 0", training.prio_alpha > 0),
        }
        for key, (need, is_met) in needs.items():
            # A config that was written with all its defaults says no more than one without.
            is_default = getattr(training, key) == type(training).model_fields[key].default
            if not is_met and not is_default:
                problem = f"has a meaning with {need} alone; leave it out, or choose that"
                yield Fault(joined(path, f"training.{key}"), problem)
