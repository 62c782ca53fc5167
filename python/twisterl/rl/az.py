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

from twisterl import twisterl
from twisterl.config.searches import TREE_RULES
from twisterl.nn.dense import num_words
from twisterl.nn.parts import are_rows
from twisterl.on_demand import torch
from twisterl.rl import columns
from twisterl.rl.algorithm import Algorithm, timed
from twisterl.rl.batch import Batch, tensors
from twisterl.rl.checks import require_no_memory
from twisterl.rl.columns import Array
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
        require_no_memory(self.held.policy, "AlphaZero, whose samples are states in any order")
        self.collector = twisterl.collector.AZCollector(**self.collector_arguments())
        self.replay: AZBatch | None = None

    def collector_arguments(self) -> dict[str, Any]:
        # Both count: the documented seed of the collector, and the one that a run is given.
        seed = (self.config["collecting"]["seed"] + self.config["seed"]) % 2**63
        return {**super().collector_arguments(), "seed": seed}

    def plays(self) -> dict[str, dict[str, Any]]:
        """The searches that collect too."""
        collecting = self.config["collecting"]
        search = {key: collecting[key] for key in ("num_mcts_searches", "precision", *TREE_RULES)}
        return {"collecting": search, **super().plays()}

    @timed
    def data_to_torch(self, data: Any) -> AZBatch:
        """The collected samples, on the CPU."""
        return from_collected(data)

    @timed
    def _data_to_arrays(self, data: Any) -> AZBatch:
        return AZBatch(**_fields(data))

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
                source = source.newest(size)
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
        value = torch.nn.functional.mse_loss(values, batch.returns.to(values.dtype))
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


def _replay(memory: dict[str, Any], space: tuple[Any, int], num_actions: int) -> AZBatch:
    """The saved samples. Torch and the engine rely on what they are, so all of it is looked at."""
    layout: dict[str, tuple[type, tuple[int, ...]]] = {
        "indices": (np.int64, ()),
        "offsets": (np.int64, ()),
        "perms": (np.int64, ()),
        "rows": (np.int64, ()),
        "illegal": (np.bool_, (num_actions,)),
        "visits": (np.float32, (num_actions,)),
        "returns": (np.float32, ()),
    }
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in memory.items()}
    fits = arrays.keys() == layout.keys() and all(
        arrays[name].dtype == dtype and arrays[name].ndim and arrays[name].shape[1:] == tail
        for name, (dtype, tail) in layout.items()
    )
    if fits:
        offsets, num_rows = arrays["offsets"], len(arrays["perms"])
        samples = {len(arrays[name]) for name in ("rows", "illegal", "visits", "returns")}
        fits = (
            len(samples) == 1
            and len(offsets) == num_rows + 1
            and int(offsets[0]) == 0
            and int(offsets[-1]) == len(arrays["indices"])
            and bool((np.diff(offsets) >= 0).all())
            and _are_rows(AZBatch(**arrays), *space)
            and _are_in(arrays["rows"], num_rows)
            and bool((arrays["perms"] == -1).all())
        )
    if not fits:
        obs_dtype, num_features = space
        is_dense = obs_dtype in ("float32", "uint8")
        features = f"{obs_dtype} numbers" if is_dense else "features"
        problem = f"samples of {num_features} {features} and {num_actions} actions"
        raise CheckpointError(f"memory: the saved replay buffer holds no {problem}")
    return AZBatch(**memory)


def _are_rows(replay: AZBatch, obs_dtype: Any, num_features: int) -> bool:
    words, offsets = np.asarray(replay.indices), np.asarray(replay.offsets)
    if isinstance(obs_dtype, dict):
        return are_rows(words, offsets, obs_dtype)
    if obs_dtype == "sparse":
        return _are_in(words, num_features)
    width = num_words(obs_dtype, num_features)
    if not (bool((np.diff(offsets) == width).all()) and _are_in(words + 2**31, 2**32)):
        return False
    numbers = words.astype(np.int32).view(np.float32)
    return obs_dtype != "float32" or bool(np.isfinite(numbers).all())


def _are_in(values: Array, bound: int) -> bool:
    return bool(((values >= 0) & (values < bound)).all())


def from_collected(data: Any) -> AZBatch:
    """The samples of a `CollectedData`, on the CPU; reads arrays without a copy."""
    return AZBatch(**tensors(_fields(data)))


def _fields(data: Any) -> dict[str, Any]:
    given = columns.columns_of(data)
    visits = np.asarray(given.logits, np.float32)
    fields = columns.rows_from_collected(data)
    if fields["illegal"] is None:
        fields["illegal"] = np.zeros(visits.shape, bool)
    # A sample may be seen through any twist, whichever the search saw it through.
    if (fields["perms"] >= 0).any():
        indices, offsets = fields["indices"], fields["offsets"]
        none = np.full(len(offsets) - 1, -1, np.int32)
        first, index = twisterl.collector.distinct_rows(indices.astype(np.int32), offsets, none)
        fields["indices"], fields["offsets"] = columns.take_rows(indices, offsets, first)
        fields["rows"] = index[fields["rows"]]
        fields["perms"] = fields["perms"][first]
    fields["perms"] = np.full_like(fields["perms"], -1)
    returns = np.asarray(given.additional_data["remaining_values"], np.float32)
    return {**fields, "visits": visits, "returns": returns}
