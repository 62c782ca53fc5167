"""Gradient descent in minibatches: what the algorithms that learn from a rollout share.

A sample's loss depends on the network only through its observation, so each distinct observation
of a minibatch is computed once and its outputs are gathered: the gradient is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from twisterl.nn.dense import as_floats, numbers
from twisterl.nn.parts import vectors
from twisterl.nn.rows import row_numbers
from twisterl.on_demand import torch
from twisterl.rl import sequences
from twisterl.rl.algorithm import Algorithm, timed
from twisterl.rl.batch import MASKED_LOGIT, Batch
from twisterl.rl.rust_descent import Passes, RustDescent, obstacle
from twisterl.rl.threads import torch_threads, training_threads

# Distinct rows in one pass of the network. Larger minibatches are accumulated from parts, which
# bounds the memory and keeps the activations in a CPU's cache.
ROWS_PER_PASS = {"cpu": 2048, "cuda": 65536}
# Floating-point operations of an update that are worth a thread. Between the layers a second one
# mostly waits: with 512 to 1,024 rows it made the updates of the examples 1.15 to 1.6 times slower.
WORK_PER_THREAD = 600_000_000


class MinibatchDescent(Algorithm):
    """An algorithm whose update is Adam on the `losses` of a `Batch`.

    A subclass names its losses in LOSSES, one of them "total", and gives `losses(batch)`. One that
    has a `train_step` of its own is trained by it, `num_epochs` times an iteration.
    """

    LOSSES: tuple[str, ...]
    # Whether every sample is shown through a twist drawn anew in every epoch.
    DRAWS_TWISTS = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        last = next(base for base in cls.__mro__ if {"train", "train_step"} & vars(base).keys())
        if "train" not in vars(last):
            cls.train = Algorithm.train  # type: ignore[method-assign]

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        super().__init__(env, policy, config, run_path)
        self.num_threads = training_threads(self.config["collecting"]["num_cores"])
        self._rust: RustDescent | None = None
        problem = self._engine_obstacle()
        if problem is None:
            self._rust = RustDescent(self)
        elif self.config["engine"] == "rust":
            raise ValueError(f"algorithm.engine: got rust; expected auto or torch, since {problem}")

    def targets(self, batch: Any) -> tuple[str, dict[str, Any]]:
        """What the engine trains towards: the learner's method, and what it takes besides rows."""
        raise NotImplementedError(f"{type(self).__name__} has no targets")

    def _engine_obstacle(self) -> str | None:
        """What keeps updates in torch; None if the engine computes them."""
        if self.config["engine"] == "torch":
            return "engine is torch"
        return obstacle(self)

    def data_to_train(self, data: Any) -> Any:
        if self.held.is_array and self._uses_rust():
            return self._data_to_arrays(data)
        return self.data_to_torch(data)

    @timed
    def _data_to_arrays(self, data: Any) -> Any:
        """As `data_to_torch`, as arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no arrays")

    def losses(self, batch: Any) -> torch.Tensor:
        """The terms named by LOSSES, each a mean over the batch; "total" is what is minimized."""
        raise NotImplementedError(f"{type(self).__name__} has no losses")

    @timed
    def train(self, torch_data: Batch) -> dict[str, float]:
        """`num_epochs` passes over the batch.

        Returns:
            Means over the last pass: see LOSSES for the keys, and the rate "lr".
        """
        return self._descend(torch_data, torch_data.num_samples)

    @timed
    def train_step(self, torch_data: Batch) -> dict[str, float]:
        """One update from all samples at once, whatever the minibatch size."""
        self._set_rates()
        if self._uses_rust():
            return self._by_rust(torch_data, Passes(1, torch_data.num_samples, None, False))
        with torch_threads(self._useful_threads(torch_data.num_rows)):
            parts = self._parts(torch_data)
            if self._draws_anew(torch_data):
                size = torch_data.num_samples
                parts = next(self._minibatches(torch_data, size, size, self._generator()))
            return self._named(self._epoch([parts])[0])

    def _enter_process(self) -> None:
        super()._enter_process()
        # By the method of the policy: the policy, and what torch.compile has made of it.
        self._made_by_compiler: dict[str | None, tuple[Any, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_made_by_compiler"]
        return state

    # What a subclass may refine.

    def _set_rates(self) -> None:
        """The learning rate of this iteration."""
        schedule = self.config["training"]["lr_schedule"]
        factor = schedule_factor(schedule, self.share_done())
        for group in self.held.optimizer.param_groups:
            if not self.held.is_given:
                group["lr"] = self.config["optimizer"]["lr"] * factor
            elif schedule["kind"] != "constant":
                # torch's name for it, which its schedulers use too.
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def _goes_too_far(self, losses: torch.Tensor) -> bool:
        """Whether to refuse the update that has these losses, and all that would follow."""
        return False

    def _draws_anew(self, batch: Batch) -> bool:
        """Whether `_minibatches` is asked even where a minibatch is the whole batch."""
        return False

    def _varied(self, batch: Batch, random: torch.Generator) -> Batch:
        """The samples as they are shown to the network in this pass."""
        return batch

    # Inside.

    def _descend(self, batch: Batch, epoch_size: int) -> dict[str, float]:
        """`num_epochs` times `epoch_size` samples of the batch, each at most once an epoch."""
        self._set_rates()
        training = self.config["training"]
        if self._uses_rust():
            draws_twists = self.DRAWS_TWISTS and self.held.policy.num_twists > 0
            epochs, size = training["num_epochs"], training["minibatch_size"]
            return self._by_rust(batch, Passes(epochs, epoch_size, size, draws_twists))
        random = self._generator()
        size = self.config["training"]["minibatch_size"] or epoch_size
        with torch_threads(self._useful_threads(min(size, batch.num_rows))):
            whole = None
            if size >= epoch_size == batch.num_samples and not self._draws_anew(batch):
                whole = self._parts(batch)
            for _ in range(self.config["training"]["num_epochs"]):
                updates: Iterable[list[Batch]]
                if whole is not None:
                    updates = [[self._varied(part, random) for part in whole]]
                else:
                    updates = self._minibatches(batch, epoch_size, size, random)
                losses, within = self._epoch(updates)
                if not within:
                    break
        self._normalize_by(batch)
        return self._named(losses)

    def _normalize_by(self, batch: Batch) -> None:
        """Adds the observations of a rollout to the statistics of a policy that keeps some."""
        module = getattr(self.policy, "module", self.policy)
        update = getattr(module, "update_normalization", None)
        if update is not None:
            update(as_floats(self._dense(batch), self.obs_dtype)[batch.rows])

    def _uses_rust(self) -> bool:
        """Asked for every iteration: a program may have changed the policy or the optimizer."""
        return self._rust is not None and self._engine_obstacle() is None

    def _by_rust(self, batch: Batch, passes: Passes) -> dict[str, float]:
        assert self._rust is not None
        losses = self._rust.descend(batch, passes)
        return self._with_rate(dict(zip(self.LOSSES, losses, strict=True)))

    def _minibatches(
        self, batch: Batch, epoch_size: int, size: int, random: torch.Generator
    ) -> Iterator[list[Batch]]:
        """`epoch_size` samples in a new order, in minibatches of (nearly) equal size."""
        order = torch.randperm(batch.num_units, generator=random)[:epoch_size]
        count = min(-(-epoch_size // size), len(order))
        for units in order.to(batch.rows.device).tensor_split(count):
            yield self._parts(self._varied(batch.take(units), random))

    def _generator(self) -> torch.Generator:
        """What the minibatches of this iteration are drawn with."""
        seed = np.random.SeedSequence([self.config["seed"], self.iteration])
        return torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0]))

    def _parts(self, batch: Batch) -> list[Batch]:
        batch = batch.to(self.config["device"])
        most = self.config["training"]["rows_per_pass"]
        return batch.split(most or ROWS_PER_PASS[batch.rows.device.type])

    def _epoch(self, updates: Iterable[list[Batch]]) -> tuple[torch.Tensor, bool]:
        """One update after the other: mean losses, and False if one was refused."""
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
        """One step of the optimizer; skipped, with False, if it is refused."""
        self.optimizer.zero_grad(set_to_none=True)
        losses = torch.zeros(len(self.LOSSES), device=parts[0].rows.device)
        for part in parts:
            terms = self.losses(part)
            share = part.num_samples / size
            (terms[self.LOSSES.index("total")] * share).backward()
            losses = losses + terms.detach() * share
        if self._goes_too_far(losses):
            return losses, False
        most = self.config["training"]["max_grad_norm"]
        if most is not None:
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), most)
        self.optimizer.step()
        return losses, True

    def _log_probs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [N, A] of the legal actions and values [N]."""
        logits, values = self._outputs(batch)
        if batch.illegal is not None:
            logits = logits.masked_fill(batch.illegal, MASKED_LOGIT)
        return logits.log_softmax(1), values

    def _outputs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [N, A] and values [N] of the samples, each distinct row computed once."""
        if self.config["training"].get("precision") != "bf16":
            return self._computed(batch)
        with torch.autocast(batch.rows.device.type, torch.bfloat16):
            logits, values = self._computed(batch)
        return logits.float(), values.float()

    def _computed(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        if batch.sequences is not None:
            forward = self._compiled("forward_sequences")
            return sequences.outputs(forward, self._dense(batch), batch.sequences)
        if self.obs_dtype == "sparse" and reads_sparse(self.policy):
            forward = self._compiled("forward_sparse")
            logits, values = forward(batch.indices, batch.offsets, batch.perms)
        else:
            forward = self._compiled(None)
            logits, values = forward(self._dense(batch), perm_indices=batch.perms)
        outputs = torch.cat([logits, values], dim=1).index_select(0, batch.rows)
        if outputs.dtype in (torch.float16, torch.bfloat16):
            # Losses are of f32: the numbers of float16 end before those of masked logits.
            outputs = outputs.float()
        return outputs[:, :-1], outputs[:, -1]

    def _compiled(self, method: str | None) -> Any:
        """That method of the policy, or the policy, compiled where the config asks for it."""
        forward = self.policy if method is None else getattr(self.policy, method)
        backend = self.config["training"]["compile"]
        if backend is None:
            return forward
        made = self._made_by_compiler.get(method)
        if made is None or made[0] is not self.policy:
            # Minibatches have as many distinct rows as they happen to have.
            made = self.policy, torch.compile(forward, backend=backend, dynamic=True)
            self._made_by_compiler[method] = made
        return made[1]

    def _dense(self, batch: Batch) -> torch.Tensor:
        """Rows [U, F]: the numbers, or 0 and 1 for policies that know no other form."""
        if isinstance(self.obs_dtype, dict):
            return vectors(batch.indices, batch.offsets, self.obs_dtype)
        if self.obs_dtype != "sparse":
            return numbers(batch.indices, batch.num_rows, self.obs_dtype, self.obs_size)
        dense = torch.zeros(batch.num_rows, self.obs_size, device=batch.rows.device)
        dense[row_numbers(batch.offsets, batch.indices.shape[0]), batch.indices] = 1.0
        return dense

    def _useful_threads(self, num_rows: int) -> int:
        """Fewer than `num_threads` for an update of so few rows that sharing them costs more."""
        num_weights = sum(parameter.numel() for parameter in self.policy.parameters())
        work = 6 * num_weights * num_rows
        return max(1, min(self.num_threads, work // WORK_PER_THREAD))

    def _named(self, losses: torch.Tensor) -> dict[str, float]:
        return self._with_rate(dict(zip(self.LOSSES, losses.tolist(), strict=True)))

    def _with_rate(self, losses: dict[str, float]) -> dict[str, float]:
        return {**losses, "lr": self.held.optimizer.param_groups[0]["lr"]}


def schedule_factor(schedule: dict[str, Any], progress: float) -> float:
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


def reads_sparse(policy: torch.nn.Module) -> bool:
    """Whether `forward_sparse` is there and not older than an overridden `forward`."""
    for cls in type(policy).__mro__:
        if "forward_sparse" in vars(cls):
            return True
        if "forward" in vars(cls):
            return False
    return False
