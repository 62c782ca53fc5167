"""How much fits into this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

# Weights, gradients, two moments, a snapshot of three of them, and the engine's packed copies.
_COPIES_OF_A_PARAMETER = 10
FLOAT_BYTES = 4
# Outputs of a first layer that would be small.
_FEW_OUTPUTS = 32


def physical_bytes() -> int | None:
    """Bytes of memory of the machine, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def training_bytes(parameters: int) -> int:
    """Bytes that a policy of so many parameters takes while it learns."""
    return parameters * FLOAT_BYTES * _COPIES_OF_A_PARAMETER


def lack(needed: int, available: int) -> str:
    """That ``needed`` bytes are more than ``available``."""
    return f"need about {needed / 2**30:.0f} GiB; this machine has {available / 2**30:.0f} GiB"


def beyond(obs_shape: Sequence[int], num_outputs: int = _FEW_OUTPUTS) -> str | None:
    """Why no policy for this shape can be trained here, even with a first layer of few outputs."""
    available, num_features = physical_bytes(), math.prod(map(int, obs_shape))
    num_outputs = min(num_outputs, _FEW_OUTPUTS)
    needed = training_bytes(num_features * num_outputs)
    if available is None or needed <= available:
        return None
    what = f"{num_features:,} features of {num_outputs} outputs each in training"
    return f"expected fewer features, got {list(obs_shape)}: {what} {lack(needed, available)}"
