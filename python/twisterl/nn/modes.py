"""The modes of a module's parts: training or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def modes_kept(module: Any) -> Iterator[None]:
    """Puts each part of `module` back into the mode that it was found in."""
    training = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        for part, was in training.items():
            part.training = was
