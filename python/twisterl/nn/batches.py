"""Batches by name: a `TensorDict`, if that is installed, or any mutable mapping."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch

from twisterl.nn import checked


def entry(batch: Any, name: str, argument: str = "batch") -> torch.Tensor:
    """`batch[name]`; KeyError names what is missing."""
    if not (isinstance(batch, Mapping) or is_tensordict(batch)):
        got = type(batch).__name__
        raise TypeError(f"{argument}: expected a TensorDict or a mapping, got {got}")
    if name not in batch.keys():
        raise KeyError(f'{argument}: expected an entry "{name}", got {sorted(batch.keys())}')
    return checked.tensor(f'{argument}["{name}"]', batch[name])


def is_tensordict(batch: Any) -> bool:
    return hasattr(batch, "batch_size") and hasattr(batch, "keys")


def like(batch: Any, entries: dict[str, torch.Tensor], scalars: bool = False) -> Any:
    """A batch of the type of `batch` with the `entries`, which are `scalars` or of its size."""
    if is_tensordict(batch):
        size = [] if scalars else batch.batch_size
        return type(batch)(entries, batch_size=size, device=batch.device)
    made: MutableMapping[str, torch.Tensor] = type(batch)()
    made.update(entries)
    return made
