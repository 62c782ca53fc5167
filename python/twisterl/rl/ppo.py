"""Proximal policy optimization (Schulman et al. 2017), with masked actions.

With the ratio r = pi(a|s) / pi_old(a|s), both over the legal actions alone (of actions of
more than one choice, `twisterl.nn.heads` says what pi and its entropy are):

    policy  = -mean(min(r A, clip(r, 1 - clip_ratio, 1 + clip_ratio) A))
    value   = mean((V - R)^2)
    entropy = mean(-sum_a pi(a|s) log pi(a|s))
    total   = policy + vf_coef value - ent_coef entropy
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twisterl import twisterl
from twisterl.nn.heads import Categorical
from twisterl.on_demand import torch
from twisterl.rl import columns
from twisterl.rl.algorithm import Algorithm, timed
from twisterl.rl.batch import Batch, tensors
from twisterl.rl.descent import MinibatchDescent
from twisterl.rl.sequences import SEQUENCE_LENGTH, Sequences

__all__ = ["PPO", "Algorithm", "PPOBatch", "from_collected", "normalized", "timed"]


@dataclass(frozen=True)
class PPOBatch(Batch):
    """A batch with the targets of PPO.

    Attributes:
        actions: int64 [N] or [N, parts], or float32 [N, dimensions].
        log_probs: float32 [N], of the action when it was drawn.
        advantages, returns: float32 [N].
    """

    actions: torch.Tensor
    log_probs: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


class PPO(MinibatchDescent):
    """Collects with `collector.PPOCollector` and updates with Adam."""

    LOSSES = ("value", "policy", "entropy", "total", "kl", "clip_fraction")

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        super().__init__(env, policy, config, run_path)
        collecting = self.config["collecting"]
        self.head = getattr(self.held.policy, "head", None) or Categorical(self.num_actions)
        self._sequence_length = _sequence_length(self.config["training"], self.held.policy)
        self.collector = twisterl.collector.PPOCollector(**collecting, seed=self.config["seed"])

    @timed
    def data_to_torch(self, data: Any) -> PPOBatch:
        """The collected samples on the training device, advantages normalized if configured."""
        batch = from_collected(data)
        if self._sequence_length is not None:
            given = columns.columns_of(data)
            states, starts = map(torch.from_numpy, (given.states, given.episode_starts))
            burn_in = self.config["training"]["burn_in"]
            cut = Sequences.cut(states, batch.rows, starts, self._sequence_length, burn_in)
            batch = replace(batch, sequences=cut)
        if self.config["training"]["normalize_advantage"]:
            batch = replace(batch, advantages=normalized(batch.advantages))
        return batch.to(self.config["device"])

    @timed
    def _data_to_arrays(self, data: Any) -> PPOBatch:
        fields = _fields(data)
        if self.config["training"]["normalize_advantage"]:
            fields["advantages"] = columns.normalized(fields["advantages"])
        return PPOBatch(**fields)

    def targets(self, batch: PPOBatch) -> tuple[str, dict[str, Any]]:
        names = ("clip_ratio", "vf_coef", "target_kl")
        coefficients = {name: self.config["training"][name] for name in names}
        return "ppo", {**batch.columns(), **coefficients, "ent_coef": self.ent_coef}

    def losses(self, batch: PPOBatch) -> torch.Tensor:
        training = self.config["training"]
        outputs, values = self._outputs(batch)
        log_probs, entropies = self.head.judge(outputs, batch.illegal, batch.actions)
        entropy = entropies.mean()

        log_ratios = log_probs - batch.log_probs
        ratios = log_ratios.exp()
        clipped = ratios.clamp(1 - training["clip_ratio"], 1 + training["clip_ratio"])
        gains = torch.minimum(ratios * batch.advantages, clipped * batch.advantages)
        policy = -gains.mean()
        value = torch.nn.functional.mse_loss(values, batch.returns)
        total = policy + training["vf_coef"] * value - self.ent_coef * entropy

        with torch.no_grad():
            # The estimator k3 of "Approximating KL Divergence" (Schulman 2020): never negative.
            kl = (ratios - 1 - log_ratios).mean()
            clip_fraction = (clipped != ratios).float().mean()
        return torch.stack([value, policy, entropy, total, kl, clip_fraction])

    def _set_rates(self) -> None:
        """The learning rate and the entropy's weight of this iteration."""
        super()._set_rates()
        training = self.config["training"]
        self.ent_coef = training["ent_coef"]
        if training["ent_coef_final"] is not None:
            self.ent_coef += self.share_done() * (training["ent_coef_final"] - self.ent_coef)

    def _goes_too_far(self, losses: torch.Tensor) -> bool:
        """Whether the policy is already beyond `target_kl`."""
        target = self.config["training"]["target_kl"]
        return target is not None and bool(losses[self.LOSSES.index("kl")] > target)


def _sequence_length(training: dict[str, Any], policy: Any) -> int | None:
    """Steps of a sequence; None for a policy without memory.

    Raises:
        ValueError: a burn-in longer than that, or either for a policy without memory.
    """
    length, burn_in = training["sequence_length"], training["burn_in"]
    if getattr(policy, "state_size", 0):
        length = length or SEQUENCE_LENGTH
        if burn_in > length:
            limit = f"at most {length}, the length of a sequence"
            raise ValueError(f"algorithm.training.burn_in: expected {limit}, got {burn_in}")
        return length
    for name, value, none in [("sequence_length", length, None), ("burn_in", burn_in, 0)]:
        if value != none:
            at = f"algorithm.training.{name}"
            raise ValueError(f"{at}: expected {none} for a policy without memory, got {value}")
    return None


def from_collected(data: Any) -> PPOBatch:
    """The samples of a `CollectedData`, advantages as they are, on the CPU.

    Reads arrays without a copy; also the lists `obs`, `logits`, `actions`, `perms` (optional) and
    `additional_data` with `advs` and `rets` of TwisteRL 0.5.
    """
    return PPOBatch(**tensors(_fields(data)))


def _fields(data: Any) -> dict[str, Any]:
    given = columns.columns_of(data)
    extra = given.additional_data
    actions = np.asarray(given.actions)
    # Numbers, where actions are such.
    if not (actions.dtype.kind == "f" and actions.ndim == 2):
        actions = actions.astype(np.int64, copy=False)
    if columns.has(given, "masks", "log_probs"):
        log_probs = np.asarray(given.log_probs, np.float32)
    else:
        logits = np.asarray(given.logits, np.float32)
        shifted = logits - logits.max(1, keepdims=True)
        all_log_probs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        log_probs = np.take_along_axis(all_log_probs, actions[:, None], 1)[:, 0]
    return {
        **columns.rows_from_collected(data),
        "actions": actions,
        "log_probs": log_probs,
        "advantages": np.asarray(extra["advs"], np.float32),
        "returns": np.asarray(extra["rets"], np.float32),
    }


def normalized(advantages: torch.Tensor) -> torch.Tensor:
    """(A - mean) / (std + 1e-8) with the sample deviation; a single advantage becomes 0."""
    return torch.as_tensor(columns.normalized(advantages.numpy()))
