"""Learning to undo random walks from the goal, to be used with a beam search.

Takano 2023, "Self-Supervision is All You Need for Solving Rubik's Cube" (EfficientCube): of a state
that k random moves from the goal led to, the network learns which action undoes the last move, and
k. No episode is played and no reward is read, so a run has no curriculum: `env.difficulty` matters
to evaluations that start by "reset" alone.

With n(s) the samples of state s, u(a|s) the share of them whose last move a undoes, and m(s) the
mean of k over them:

    w(s)   = n(s)^sample_power, scaled to a mean of 1
    policy = -mean(w(s) sum_a u(a|s) log pi(a|s))
    value  = mean(w(s) (V(s) - (1 - m(s) / walk_length))^2)
    total  = policy + vf_coef value

over the distinct states of an iteration. From iteration `bellman_from` on, the value learns from
the network V' that the iteration begins with (fitted value iteration, as DeepCubeA, Agostinelli et
al. 2019, has it), since walks over-estimate how far it is:

    value  = mean(w(s) (V(s) - (max over next states t of V'(t) - 1 / walk_length))^2), V'(goal) = 1

So V is 1 at the goal and falls with the moves away from it: larger is better, as for every other
algorithm. With `fit` "parity" the engine solves for the weights: `rust/src/train/parity.rs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twisterl import twisterl
from twisterl.on_demand import torch
from twisterl.rl.algorithm import timed
from twisterl.rl.batch import Batch, tensors
from twisterl.rl.checks import require_no_memory
from twisterl.rl.descent import MinibatchDescent

if TYPE_CHECKING:
    from twisterl.twisterl.collector import Walks


@dataclass(frozen=True)
class WalkBatch(Batch):
    """A batch whose samples are distinct states.

    Attributes:
        undo: float32 [N, A], u(a|s).
        values: float32 [N], what the value head should say.
        weights: float32 [N], w(s).
    """

    undo: torch.Tensor
    values: torch.Tensor
    weights: torch.Tensor


class RandomWalk(MinibatchDescent):
    """Collects with `collector.WalkCollector`, fresh walks in every iteration.

    Raises:
        ValueError: the environment has no actions that undo its moves, or no goal to start from;
            the policy has a memory, or cannot hold parities where it is to.
    """

    LOSSES = ("policy", "value", "total")
    DRAWS_TWISTS = True

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        super().__init__(env, policy, config, run_path)
        require_no_memory(self.held.policy, "random walks")
        if self._fits_parities:
            self._learner_of_parities().require_parity()
        self.collector = twisterl.collector.WalkCollector(**self.collector_arguments())
        self.collector.check(env)

    @property
    def _fits_parities(self) -> bool:
        return bool(self.config["training"]["fit"] == "parity")

    def _learner_of_parities(self) -> Any:
        """The engine's; raises ValueError where torch would train."""
        problem = self._engine_obstacle()
        if problem is not None or self._rust is None:
            name = "algorithm.training.fit"
            raise ValueError(f"{name}: got parity; expected gradient, since {problem}")
        return self._rust.learner()

    @timed
    def collect(self) -> Walks:
        """Walks from the goal; equal for equal seed and iteration."""
        crew = self.connect()
        if crew is not None:
            return crew.walks(self)
        start = self.config["training"]["bellman_from"]
        policy = self._current_policy() if start is not None and self.iteration >= start else None
        return self.collector.collect(self.env, iteration=self.iteration, policy=policy)

    def num_collected(self, data: Walks) -> int:
        return data.num_samples

    @timed
    def data_to_torch(self, data: Walks) -> WalkBatch:
        """The distinct states of the walks, on the CPU: minibatches travel to the device."""
        return WalkBatch(**tensors(self._fields(data)))

    @timed
    def _data_to_arrays(self, data: Walks) -> WalkBatch:
        return WalkBatch(**self._fields(data))

    def _fields(self, data: Walks) -> dict[str, Any]:
        counts = np.asarray(data.undo_counts, np.float32)
        # Of commuting moves they are shares, whose sums are whole but for rounding.
        num_samples = np.rint(counts.sum(1))
        # In double precision, which leaves the same 32 bits wherever it is computed.
        powers = num_samples.astype(np.float64) ** self.config["training"]["sample_power"]
        weights = powers.astype(np.float32)
        legal = np.asarray(data.masks, bool)
        moves = np.asarray(data.mean_moves, np.float32)
        length = np.float32(self.config["collecting"]["walk_length"])
        values = 1 - moves / length
        if len(following := np.asarray(data.next_values)):
            values = np.where(np.isfinite(following), following - 1 / length, values)
        rows = np.arange(len(moves), dtype=np.int64)
        return {
            "indices": np.asarray(data.indices, np.int64),
            "offsets": np.asarray(data.offsets, np.int64),
            "perms": np.full_like(rows, -1),
            "rows": rows,
            "illegal": None if legal.all() else ~legal,
            "undo": counts / num_samples[:, None],
            "values": values,
            "weights": weights / np.float32(weights.mean(dtype=np.float64)),
        }

    def targets(self, batch: WalkBatch) -> tuple[str, dict[str, Any]]:
        objective = "parity" if self._fits_parities else "walk"
        return objective, {**batch.columns(), "vf_coef": self.config["training"]["vf_coef"]}

    def losses(self, batch: WalkBatch) -> torch.Tensor:
        if self._fits_parities:
            self._learner_of_parities()
        log_probs, values = self._log_probs(batch)
        policy = -(batch.weights * (batch.undo * log_probs).sum(1)).mean()
        value = (batch.weights * (values - batch.values) ** 2).mean()
        total = policy + self.config["training"]["vf_coef"] * value
        return torch.stack([policy, value, total])

    def _varied(self, batch: Batch, random: torch.Generator) -> Batch:
        """Each state through a symmetry at random, as the engine sees it in play."""
        if not self.policy.num_twists:
            return batch
        twists = torch.randint(self.policy.num_twists, batch.perms.shape, generator=random)
        return replace(batch, perms=twists.to(batch.perms.device))
