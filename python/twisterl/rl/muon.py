"""Muon for the weights of two axes, Adam for everything else, as one optimizer.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") follows the
momentum of a matrix with its singular values made equal. `torch.optim.Muon` scales that to the
size of Adam's steps (Liu et al. 2025, "Muon is scalable for LLM training"): one rate serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from twisterl.faults import ConfigError, Fault
from twisterl.rl.adam import make_adam


class MuonAdam(torch.optim.Optimizer):
    """What `make_muon` makes; a group of parameters belongs to the optimizer of its number."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self._parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})

    def __getstate__(self) -> dict[str, Any]:
        # What copies it keeps the state and the groups alone.
        return {**super().__getstate__(), "_parts": self._parts}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for part, group in zip(self._parts, self.param_groups, strict=True):
            # The state and the groups are those of this optimizer, which are saved and loaded.
            part.state, part.param_groups = self.state, [group]
            part.step()
        return loss


def is_matrix(name: str, parameter: torch.nn.Parameter) -> bool:
    """Whether Muon takes the parameter called `name`: a weight of two axes."""
    return parameter.ndim == 2 and "weight" in name.rpartition(".")[2]


def make_muon(
    named: Iterable[tuple[str, torch.nn.Parameter]], arguments: dict[str, Any]
) -> torch.optim.Optimizer:
    """Of a config's `optimizer` section; `momentum` is Muon's, `betas` and what follows Adam's.

    ConfigError where torch has no Muon, before 2.9.
    """
    if not hasattr(torch.optim, "Muon"):
        problem = f"muon needs torch 2.9 or later; this is {torch.__version__}"
        raise ConfigError([Fault("optimizer.kind", problem)])

    def given(*keys: str) -> dict[str, Any]:
        return {key: arguments[key] for key in keys if key in arguments}

    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in named:
        (matrices if is_matrix(name, parameter) else others).append(parameter)
    parts: list[torch.optim.Optimizer] = []
    if matrices:
        muon: dict[str, Any] = {"weight_decay": 0.0, "momentum": 0.95}
        muon |= given("lr", "weight_decay", "momentum")
        parts.append(torch.optim.Muon(matrices, **muon, adjust_lr_fn="match_rms_adamw"))
    if others:
        adam = given("lr", "weight_decay", "betas", "eps", "amsgrad")
        parts.append(make_adam(others, adam))
    return MuonAdam(parts)
