"""What decides the description of a module, but for its weights."""

from __future__ import annotations

from typing import Any

import torch


def structure(module: torch.nn.Module) -> list[Any]:
    """Equal for a module as long as its layers and their order are; its first state included."""
    told: list[Any] = [
        (
            name,
            type(part),
            {key: value for key, value in vars(part).items() if _is_plain(value)},
            (bool(part._forward_hooks), bool(part._forward_pre_hooks), "forward" in vars(part)),
        )
        for name, part in module.named_modules()
    ]
    if getattr(module, "state_size", 0):
        told.append(module.initial_state(1).tolist())  # type: ignore[operator]
    return told


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str, type(None)))
