"""Numbers above 0 that a module learns, or keeps, as their logarithms."""

from __future__ import annotations

import math

import torch


def keep(module: torch.nn.Module, name: str, value: float | None, learnable: bool) -> None:
    """Puts `log_<name>` [1] into `module`, a parameter or a buffer; None for None and 0."""
    if not value:
        module.register_parameter(f"log_{name}", None)
        return
    log = torch.full((1,), math.log(value))
    if learnable:
        module.register_parameter(f"log_{name}", torch.nn.Parameter(log))
    else:
        module.register_buffer(f"log_{name}", log)
