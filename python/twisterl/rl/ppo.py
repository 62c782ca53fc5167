"""Proximal policy optimization (Schulman et al. 2017), with masked actions.

With the ratio r = pi(a|s) / pi_old(a|s), both over the legal actions alone:

    policy  = -mean(min(r A, clip(r, 1 - clip_ratio, 1 + clip_ratio) A))
    value   = mean((V - R)^2)
    entropy = mean(-sum_a pi(a|s) log pi(a|s))
    total   = policy + vf_coef value - ent_coef entropy

A sample's loss depends on the network only through its observation, so each distinct observation
of a minibatch is computed once and its outputs are gathered: the gradient is the same.
"""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from twisterl import twisterl
from twisterl.nn.sparse import row_numbers
from twisterl.rl.algorithm import Algorithm, timed
from twisterl.rl.batch import MASKED_LOGIT, Batch, from_collected

# Distinct rows in one pass of the network. Larger minibatches are accumulated from parts, which
# bounds the memory and keeps the activations in a CPU's cache.
ROWS_PER_PASS = {"cpu": 2048, "cuda": 65536}
# Floating-point operations of an update that are worth a thread: about a millisecond.
WORK_PER_THREAD = 100_000_000
# Beyond this many threads the layers of these networks are too small to share.
MAX_THREADS = 16

LOSSES = ("value", "policy", "entropy", "total", "kl", "clip_fraction")


class PPO(Algorithm):
    """Collects with `collector.PPOCollector` and updates with Adam."""

    def __init__(self, env, policy, config, run_path=None):
        super().__init__(env, policy, config, run_path)
        collecting = self.config["collecting"]
        self.collector = twisterl.collector.PPOCollector(**collecting, seed=self.config["seed"])
        self.num_threads = training_threads(collecting["num_cores"])

    @timed
    def data_to_torch(self, data) -> Batch:
        """The collected samples on the training device, advantages normalized if configured."""
        batch = from_collected(data)
        if self.config["training"]["normalize_advantage"]:
            batch = replace(batch, advantages=normalized(batch.advantages))
        return batch.to(self.config["device"])

    @timed
    def train(self, torch_data: Batch) -> dict[str, float]:
        """`num_epochs` passes over the batch, fewer if `target_kl` is passed.

        Returns:
            Means over the last pass: see LOSSES for the keys, and the rate "lr".
        """
        self._set_rates()
        seed = np.random.SeedSequence([self.config["seed"], self.iteration])
        shuffles = torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0]))
        size = self.config["training"]["minibatch_size"] or torch_data.num_samples
        split = size < torch_data.num_samples
        with torch_threads(self._useful_threads(min(size, torch_data.num_rows))):
            whole = [] if split else [self._parts(torch_data)]
            for _ in range(self.config["training"]["num_epochs"]):
                updates = self._minibatches(torch_data, size, shuffles) if split else whole
                losses, within = self._epoch(updates)
                if not within:
                    break
        return self._named(losses)

    @timed
    def train_step(self, torch_data: Batch) -> dict[str, float]:
        """One update from all samples at once, whatever the minibatch size."""
        self._set_rates()
        with torch_threads(self._useful_threads(torch_data.num_rows)):
            return self._named(self._epoch([self._parts(torch_data)])[0])

    def _minibatches(
        self, batch: Batch, size: int, shuffles: torch.Generator
    ) -> Iterator[list[Batch]]:
        """Each sample once, in a new order, in minibatches of (nearly) equal size."""
        order = torch.randperm(batch.num_samples, generator=shuffles).to(batch.rows.device)
        for samples in order.tensor_split(-(-batch.num_samples // size)):
            yield self._parts(batch.take(samples))

    def _parts(self, batch: Batch) -> list[Batch]:
        return batch.split(ROWS_PER_PASS[batch.rows.device.type])

    def _epoch(self, updates: Iterable[list[Batch]]) -> tuple[torch.Tensor, bool]:
        """One update after the other: mean losses, and False if one was refused by `target_kl`."""
        sums, seen, within = [], 0, True
        for parts in updates:
            size = sum(part.num_samples for part in parts)
            losses, within = self._update(parts, size)
            sums.append(losses * size)
            seen += size
            if not within:
                break
        return torch.stack(sums).sum(0) / seen, within

    def _update(self, parts: list[Batch], size: int) -> tuple[torch.Tensor, bool]:
        """One step of Adam; skipped, with False, if the policy is already beyond `target_kl`."""
        training = self.config["training"]
        self.optimizer.zero_grad(set_to_none=True)
        losses = torch.zeros(len(LOSSES), device=parts[0].rows.device)
        for part in parts:
            terms = self.losses(part)
            share = part.num_samples / size
            (terms[LOSSES.index("total")] * share).backward()
            losses = losses + terms.detach() * share
        target = training["target_kl"]
        if target is not None and losses[LOSSES.index("kl")] > target:
            return losses, False
        if training["max_grad_norm"] is not None:
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), training["max_grad_norm"])
        self.optimizer.step()
        return losses, True

    def losses(self, batch: Batch) -> torch.Tensor:
        """The terms named by LOSSES, each a mean over the batch; "total" is what is minimized."""
        training = self.config["training"]
        logits, values = self._outputs(batch)
        if batch.illegal is not None:
            logits = logits.masked_fill(batch.illegal, MASKED_LOGIT)
        all_log_probs = logits.log_softmax(1)
        log_probs = all_log_probs.gather(1, batch.actions[:, None])[:, 0]
        entropy = -(all_log_probs.exp() * all_log_probs).sum(1).mean()

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

    def _outputs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [N, A] and values [N] of the samples, each distinct row computed once."""
        if reads_sparse(self.policy):
            logits, values = self.policy.forward_sparse(batch.indices, batch.offsets, batch.perms)
        else:
            logits, values = self.policy(self._dense(batch), perm_indices=batch.perms)
        outputs = torch.cat([logits, values], dim=1).index_select(0, batch.rows)
        return outputs[:, :-1], outputs[:, -1]

    def _dense(self, batch: Batch) -> torch.Tensor:
        """Rows [U, F] of 0 and 1, for policies that know no other form."""
        dense = torch.zeros(batch.num_rows, self.obs_size, device=batch.rows.device)
        dense[row_numbers(batch.offsets, batch.indices.shape[0]), batch.indices] = 1.0
        return dense

    def _set_rates(self) -> None:
        """The learning rate and the entropy's weight of this iteration."""
        training, schedule = self.config["training"], self.config["training"]["lr_schedule"]
        progress = self._share_done(schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config["optimizer"]["lr"] * schedule_factor(schedule, progress)
        self.ent_coef = training["ent_coef"]
        if training["ent_coef_final"] is not None:
            self.ent_coef += progress * (training["ent_coef_final"] - self.ent_coef)

    def _share_done(self, schedule: dict) -> float:
        """The share of the schedule that is over, 0 in the first iteration, at most 1."""
        length = schedule["num_iterations"] or self.num_iterations
        return min(self.iteration / length, 1.0) if length else 0.0

    def _useful_threads(self, num_rows: int) -> int:
        """Fewer than `num_threads` for an update of so few rows that sharing them costs more."""
        num_weights = sum(parameter.numel() for parameter in self.policy.parameters())
        work = 6 * num_weights * num_rows
        return max(1, min(self.num_threads, work // WORK_PER_THREAD))

    def _named(self, losses: torch.Tensor) -> dict[str, float]:
        named = dict(zip(LOSSES, losses.tolist(), strict=True))
        return {**named, "lr": self.optimizer.param_groups[0]["lr"]}


def schedule_factor(schedule: dict, progress: float) -> float:
    """What the learning rate is multiplied by after a share `progress` of the schedule.

    >>> schedule_factor({"kind": "linear", "final_ratio": 0.5}, 0.5)
    0.75
    """
    final = schedule["final_ratio"]
    shapes = {
        "constant": 1.0,
        "linear": final + (1.0 - final) * (1.0 - progress),
        "cosine": final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress)),
    }
    return shapes[schedule["kind"]]


def normalized(advantages: torch.Tensor) -> torch.Tensor:
    """(A - mean) / (std + 1e-8) with the sample deviation; a single advantage becomes 0."""
    if advantages.numel() < 2:
        return torch.zeros_like(advantages)
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def reads_sparse(policy: torch.nn.Module) -> bool:
    """Whether `forward_sparse` is there and not older than an overridden `forward`."""
    for cls in type(policy).__mro__:
        if "forward_sparse" in vars(cls):
            return True
        if "forward" in vars(cls):
            return False
    return False


def training_threads(num_cores: int) -> int:
    """Threads for torch: as configured, at most those this process may use and the layers need."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(num_cores, usable or 1, MAX_THREADS))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Gives torch `count` threads inside the block and its former number after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
