"""The keys of an algorithm's section that ask for updates which torch alone computes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from twisterl.config.algorithm import TORCH_ONLY
from twisterl.config.registry import ALGORITHMS


@functools.cache
def _defaults() -> dict[tuple[str, str], Any]:
    """By section and key: the value that the engine knows."""
    return {
        (section, key): field.default
        for model in ALGORITHMS.values()
        for section in ("training", "optimizer")
        for key, field in model.model_fields[section].annotation.model_fields.items()  # type: ignore[union-attr]
        if field.json_schema_extra == TORCH_ONLY
    }


def torch_only(get: Callable[[str, str], Any]) -> tuple[str, Any] | None:
    """The first key with another value than the engine knows, and the value; None: there is none.

    Args:
        get: what a config has under a section and a key; None where it has nothing.
    """
    for (section, key), default in _defaults().items():
        value = get(section, key)
        if value is not None and value != default:
            return f"{section}.{key}", value
    return None
