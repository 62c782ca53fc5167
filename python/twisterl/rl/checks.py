"""What stops a run: before it starts, or as soon as a number is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from twisterl.faults import ConfigError, Fault
from twisterl.on_demand import is_installed, lacks_torch, torch
from twisterl.runs.errors import CheckpointError
from twisterl.runs.tensors import require_finite
from twisterl.strategy import name_of


class TrainingError(FloatingPointError):
    """Training that cannot go on; the text names the iteration and the number."""


def require_finite_update(iteration: int, losses: dict[str, float], policy: Any) -> None:
    """Raises `TrainingError` if a loss or a weight after an update is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"iteration {iteration}: the loss {name} is {value}; training stops, "
                "the weights are those of the iteration before"
            )
    try:
        require_finite(dict(policy.named_parameters()), f"iteration {iteration}")
    except CheckpointError as error:
        raise TrainingError(f"{error}; the weights are those of the iteration before") from None


@contextmanager
def named_divergence(iteration: int) -> Iterator[None]:
    """Raises `TrainingError` where the engine finds that what the policy says is not finite."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("policy: expected finite "):
            raise
        raise TrainingError(
            f"iteration {iteration}: {error}; training stops, "
            "the weights are those of the iteration before"
        ) from None


def require_no_memory(policy: Any, who: str) -> None:
    """Raises `ValueError` for a policy that remembers, where `who` shows no episodes."""
    size = getattr(policy, "state_size", 0)
    if size:
        problem = f"got one that remembers {size} numbers"
        raise ValueError(f"policy: expected one without memory, for {who}; {problem}")


def require_played_in_order(policy: Any, evals: Mapping[str, Any]) -> None:
    """Raises `ValueError` for a policy with memory and an eval that jumps between states."""
    for name, entry in evals.items():
        if name_of(entry) in ("beam", "value"):
            require_no_memory(policy, f"algorithm.evals.{name}, which is by {name_of(entry)}")


def require_device(device: str) -> None:
    """Raises `ConfigError` for a device that this machine or this torch does not have."""
    if device == "cpu":
        return
    if not is_installed():
        problem = lacks_torch(f"got {device!r}, which")
        raise ConfigError([Fault("algorithm.device", problem)])
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        problem = f"got {device!r}; expected a device of this machine: {str(error).splitlines()[0]}"
        raise ConfigError([Fault("algorithm.device", problem, error)]) from None
