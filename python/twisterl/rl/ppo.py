"""Proximal policy optimization (Schulman et al. 2017), with masked actions.

With the ratio r = pi(a|s) / pi_old(a|s), both over the legal actions alone (of actions of
more than one choice, `twisterl.nn.heads` says what pi and its entropy are):

    policy  = -mean(min(r A, clip(r, 1 - clip_ratio, 1 + clip_ratio) A))
    value   = mean((V - R)^2); with vf_clip c the larger of that and of (V_c - R)^2,
              V_c = V_old + clip(V - V_old, -c, c)
    entropy = mean(-sum_a pi(a|s) log pi(a|s))
    total   = policy + vf_coef value - ent_coef entropy

Means are weighted where segments of episodes are drawn by their advantages: `twisterl.rl.segments`.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from twisterl.rl.segments import Segments
from twisterl.rl.sequences import SEQUENCE_LENGTH, Sequences

__all__ = ["PPO", "Algorithm", "PPOBatch", "from_collected", "normalized", "timed"]


@dataclass(frozen=True)
class PPOBatch(Batch):
    """A batch with the targets of PPO.

    Attributes:
        actions: int64 [N] or [N, parts], or float32 [N, dimensions].
        log_probs: float32 [N], of the action when it was drawn.
        advantages, returns: float32 [N].
        values: float32 [N], of the network that has played.
        numbers, weights: int64 and float32 [N], of a minibatch of `segments`: which samples of the
            rollout these are, and what each weighs.
        segments: those of the rollout, where advantages are computed anew or segments drawn.
    """

    actions: torch.Tensor
    log_probs: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor
    values: torch.Tensor | None = None
    numbers: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    segments: Segments | None = None


class PPO(MinibatchDescent):
    """Collects with `collector.PPOCollector` and updates with Adam or Muon."""

    LOSSES = ("value", "policy", "entropy", "total", "kl", "clip_fraction")

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        super().__init__(env, policy, config, run_path)
        self.head = getattr(self.held.policy, "head", None) or Categorical(self.num_actions)
        self._sequence_length = _sequence_length(self.config["training"], self.held.policy)
        self.collector = twisterl.collector.PPOCollector(**self.collector_arguments())

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
        training = self.config["training"]
        if training["vf_clip"] is not None:
            values = np.asarray(columns.columns_of(data).values, np.float32)
            batch = replace(batch, values=torch.as_tensor(values))
        if needs_segments(training):
            length = self._sequence_length or training["sequence_length"] or SEQUENCE_LENGTH
            segments = Segments.cut(columns.columns_of(data), batch.returns, length)
            batch = replace(batch, segments=segments)
        elif training["normalize_advantage"]:
            batch = replace(batch, advantages=normalized(batch.advantages))
        return batch.to(self.config["device"])

    @timed
    def _data_to_arrays(self, data: Any) -> PPOBatch:
        fields = _fields(data)
        if self.config["training"]["normalize_advantage"]:
            fields["advantages"] = columns.normalized(fields["advantages"])
        return PPOBatch(**fields)

    def targets(self, batch: PPOBatch) -> tuple[str, dict[str, Any]]:
        told = ("clip_ratio", "vf_coef", "target_kl")
        coefficients = {name: self.config["training"][name] for name in told}
        names = ("actions", "log_probs", "advantages", "returns")
        sampled = {name: getattr(batch, name) for name in names}
        return "ppo", {**sampled, **coefficients, "ent_coef": self.ent_coef}

    def losses(self, batch: PPOBatch) -> torch.Tensor:
        training = self.config["training"]
        outputs, values = self._outputs(batch)
        log_probs, entropies = self.head.judge(outputs, batch.illegal, batch.actions)
        entropy = _mean(entropies, batch.weights)

        log_ratios = log_probs - batch.log_probs
        ratios = log_ratios.exp()
        clipped = ratios.clamp(1 - training["clip_ratio"], 1 + training["clip_ratio"])
        gains = torch.minimum(ratios * batch.advantages, clipped * batch.advantages)
        policy = -_mean(gains, batch.weights)
        returns = batch.returns.to(values.dtype)
        squares = torch.nn.functional.mse_loss(values, returns, reduction="none")
        if batch.values is not None:
            most = training["vf_clip"]
            moved = batch.values + (values - batch.values).clamp(-most, most)
            squares = torch.maximum(squares, (moved - returns) ** 2)
        value = _mean(squares, batch.weights)
        total = policy + training["vf_coef"] * value - self.ent_coef * entropy

        with torch.no_grad():
            # The estimator k3 of "Approximating KL Divergence" (Schulman 2020): never negative.
            kl = (ratios - 1 - log_ratios).mean()
            clip_fraction = (clipped != ratios).float().mean()
            if batch.segments is not None and batch.numbers is not None:
                batch.segments.see(batch.numbers, values, ratios)
        return torch.stack([value, policy, entropy, total, kl, clip_fraction])

    def _draws_anew(self, batch: Batch) -> bool:
        return getattr(batch, "segments", None) is not None

    def _minibatches(
        self, batch: Any, epoch_size: int, size: int, random: torch.Generator
    ) -> Iterator[list[Batch]]:
        """Of whole segments, where the config has some: each once, or drawn by its advantages."""
        segments = batch.segments
        if segments is None:
            yield from super()._minibatches(batch, epoch_size, size, random)
            return
        training = self.config["training"]
        order = torch.randperm(len(segments), generator=random).to(batch.rows.device)
        for units in order.tensor_split(min(-(-epoch_size // size), len(order))):
            advantages = self._advantages(batch)
            weights = None
            if training["prio_alpha"]:
                beta = training["prio_beta0"]
                beta += self.share_done() * (1 - beta)
                units, weights = segments.drawn(
                    advantages, len(units), training["prio_alpha"], beta, random
                )
            yield self._parts(self._of_segments(batch, units, weights, advantages))

    def _advantages(self, batch: Any) -> torch.Tensor:
        """float32 [Q, T], of all segments as they are now."""
        segments, training = batch.segments, self.config["training"]
        if training["advantage"] == "gae":
            return batch.advantages[segments.samples].where(segments.are_steps(), 0)
        collecting = self.config["collecting"]
        clips = {name: training[name] for name in ("rho_clip", "c_clip")}
        return segments.advantages(collecting["gamma"], collecting["lambda"], **clips)

    def _of_segments(
        self,
        batch: Any,
        units: torch.Tensor,
        weights: torch.Tensor | None,
        advantages: torch.Tensor,
    ) -> Any:
        """The samples of the segments `units` [M], each as often as it is named."""
        segments = batch.segments
        steps = segments.are_steps()[units]
        numbers, gained = segments.samples[units][steps], advantages[units][steps]
        taken = batch.take(numbers if batch.sequences is None else units)
        if self.config["training"]["advantage"] == "puff":
            taken = replace(taken, returns=gained + segments.values[numbers])
        if self.config["training"]["normalize_advantage"]:
            gained = normalized(gained.cpu()).to(gained.device)
        if weights is not None:
            weights = weights.repeat_interleave(segments.lengths[units])
        return replace(taken, advantages=gained, numbers=numbers, weights=weights)

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
    if needs_segments(training):
        length = None
    for name, value, none in [("sequence_length", length, None), ("burn_in", burn_in, 0)]:
        if value != none:
            at = f"algorithm.training.{name}"
            raise ValueError(f"{at}: expected {none} for a policy without memory, got {value}")
    return None


def needs_segments(training: dict[str, Any]) -> bool:
    """Whether minibatches are of whole segments of episodes."""
    return training["advantage"] == "puff" or training["prio_alpha"] > 0


def _mean(terms: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    return terms.mean() if weights is None else (weights * terms).mean()


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
