"""The threads of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from twisterl.on_demand import torch

# Beyond this many threads the layers of these networks are too small to share.
MAX_THREADS = 16


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
