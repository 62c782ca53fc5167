"""AlphaZero for one player (Silver et al. 2017, "Mastering the game of Go without human
knowledge").

Every move of self-play is the outcome of a tree search. With the search's distribution over the
legal actions pi_search and the return z that followed:

    policy = -mean(sum_a pi_search(a|s) log pi(a|s))
    value  = mean((V - z)^2)
    l2     = sum of all squared parameters
    total  = policy_coef policy + vf_coef value + l2_coef l2

With a replay buffer, an iteration draws from the newest `replay_size` samples, as many an epoch as
it has collected itself, each at most once. A policy with twists sees every sample through a twist
drawn anew in every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from twisterl import twisterl
from twisterl.nn.dense import num_words, numbers
from twisterl.rl.algorithm import Algorithm, timed
from twisterl.rl.batch import Batch, columns_of, rows_from_collected, take_rows, tensor
from twisterl.rl.checks import require_no_memory
from twisterl.rl.descent import MinibatchDescent
from twisterl.runs.errors import CheckpointError

__all__ = ["AZ", "AZBatch", "Algorithm", "from_collected", "timed"]


@dataclass(frozen=True)
class AZBatch(Batch):
    """A batch with the targets of AlphaZero.

    Attributes:
        visits: float32 [N, A], the search's distribution over the actions; all 0 where an
            episode ended.
        returns: float32 [N], rewards from the state on.
    """

    visits: torch.Tensor
    returns: torch.Tensor


class AZ(MinibatchDescent):
    """Collects with `collector.AZCollector` and updates with Adam."""

    LOSSES = ("value", "policy", "l2", "total")
    DRAWS_TWISTS = True

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        super().__init__(env, policy, config, run_path)
        require_no_memory(self.policy, "AlphaZero, whose samples are states in any order")
        collecting = dict(self.config["collecting"])
        # Both count: the documented seed of the collector, and the one that a run is given.
        collecting["seed"] = (collecting["seed"] + self.config["seed"]) % 2**63
        self.collector = twisterl.collector.AZCollector(**collecting)
        self.replay: AZBatch | None = None

    @timed
    def data_to_torch(self, data: Any) -> AZBatch:
        """The collected samples, on the CPU."""
        return from_collected(data)

    @timed
    def train(self, torch_data: AZBatch) -> dict[str, float]:
        """`num_epochs` times as many samples as were collected, from the replay buffer if any.

        Returns:
            Means over the last epoch: see LOSSES for the keys, and the rate "lr".
        """
        size = self.config["training"]["replay_size"]
        source = torch_data
        if size:
            source = torch_data if self.replay is None else self.replay.joined(torch_data)
            if source.num_samples > size:
                source = source.take(torch.arange(source.num_samples - size, source.num_samples))
            self.replay = source
        return self._descend(source, min(torch_data.num_samples, source.num_samples))

    def targets(self, batch: AZBatch) -> tuple[str, dict[str, Any]]:
        names = ("policy_coef", "vf_coef", "l2")
        coefficients = {name: self.config["training"][name] for name in names}
        return "az", {**batch.columns(), **coefficients}

    def losses(self, batch: AZBatch) -> torch.Tensor:
        training = self.config["training"]
        log_probs, values = self._log_probs(batch)
        policy = -(batch.visits * log_probs).sum(1).mean()
        value = torch.nn.functional.mse_loss(values, batch.returns)
        l2 = policy.new_zeros(())
        if training["l2"]:
            l2 = torch.stack([p.square().sum() for p in self.policy.parameters()]).sum()
        total = training["policy_coef"] * policy + training["vf_coef"] * value
        return torch.stack([value, policy, l2, total + training["l2"] * l2])

    def memory(self) -> dict[str, torch.Tensor]:
        """The replay buffer."""
        columns = {} if self.replay is None else vars(self.replay)
        return {name: column for name, column in columns.items() if column is not None}

    def remember(self, memory: dict[str, torch.Tensor]) -> None:
        """Puts back what `memory` gave; `CheckpointError` for tensors that are no samples."""
        space = (self.obs_dtype, self.obs_size)
        self.replay = _replay(memory, space, self.num_actions) if memory else None

    def _varied(self, batch: Batch, random: torch.Generator) -> Batch:
        num_twists = getattr(self.policy, "num_twists", 0)
        if not num_twists:
            return batch
        twists = torch.randint(num_twists, (batch.num_samples,), generator=random)
        return batch.twisted(twists.to(batch.rows.device), num_twists)


def _replay(memory: dict[str, Any], space: tuple[str, int], num_actions: int) -> AZBatch:
    """The saved samples. Torch and the engine rely on what they are, so all of it is looked at."""
    layout = {
        "indices": (torch.int64, []),
        "offsets": (torch.int64, []),
        "perms": (torch.int64, []),
        "rows": (torch.int64, []),
        "illegal": (torch.bool, [num_actions]),
        "visits": (torch.float32, [num_actions]),
        "returns": (torch.float32, []),
    }
    fits = memory.keys() == layout.keys() and all(
        memory[name].dtype == dtype and memory[name].dim() and list(memory[name].shape[1:]) == tail
        for name, (dtype, tail) in layout.items()
    )
    if fits:
        replay = AZBatch(**memory)
        samples = {len(memory[name]) for name in ("rows", "illegal", "visits", "returns")}
        fits = (
            len(samples) == 1
            and len(replay.offsets) == replay.num_rows + 1
            and int(replay.offsets[0]) == 0
            and int(replay.offsets[-1]) == len(replay.indices)
            and bool((replay.offsets.diff() >= 0).all())
            and _are_rows(replay, *space)
            and _are_in(replay.rows, replay.num_rows)
            and bool((replay.perms == -1).all())
        )
    if not fits:
        obs_dtype, num_features = space
        features = "features" if obs_dtype == "sparse" else f"{obs_dtype} numbers"
        problem = f"samples of {num_features} {features} and {num_actions} actions"
        raise CheckpointError(f"memory: the saved replay buffer holds no {problem}")
    return replay


def _are_rows(replay: AZBatch, obs_dtype: str, num_features: int) -> bool:
    if obs_dtype == "sparse":
        return _are_in(replay.indices, num_features)
    width, words = num_words(obs_dtype, num_features), replay.indices
    if not (bool((replay.offsets.diff() == width).all()) and _are_in(words + 2**31, 2**32)):
        return False
    return bool(numbers(words, replay.num_rows, obs_dtype, num_features).isfinite().all())


def _are_in(values: torch.Tensor, bound: int) -> bool:
    return bool(((values >= 0) & (values < bound)).all())


def from_collected(data: Any) -> AZBatch:
    """The samples of a `CollectedData`, on the CPU; reads arrays without a copy."""
    columns = columns_of(data)
    visits = tensor(columns.logits, torch.float32)
    fields = rows_from_collected(data)
    if fields["illegal"] is None:
        fields["illegal"] = torch.zeros(visits.shape, dtype=torch.bool)
    # A sample may be seen through any twist, whichever the search saw it through.
    if (fields["perms"] >= 0).any():
        indices, offsets = fields["indices"], fields["offsets"]
        none = np.full(len(offsets) - 1, -1, np.int32)
        first, index = twisterl.collector.distinct_rows(
            indices.numpy().astype(np.int32), offsets.numpy(), none
        )
        fields["indices"], fields["offsets"] = take_rows(indices, offsets, torch.as_tensor(first))
        fields["rows"] = torch.as_tensor(index)[fields["rows"]]
        fields["perms"] = fields["perms"][torch.as_tensor(first)]
    fields["perms"] = torch.full_like(fields["perms"], -1)
    returns = tensor(columns.additional_data["remaining_values"], torch.float32)
    return AZBatch(**fields, visits=visits, returns=returns)
