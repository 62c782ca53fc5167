"""What the outputs of a policy say of actions: the distributions that the engine draws from.

With the outputs x of an observation, masks aside, and s = exp(log_std):

    categorical   log p(a) = x_a - log sum_b exp(x_b)
    product       the sum of that over the parts, each with its own outputs
    normal        log p(a) = sum_d -(a_d - x_d)^2 / (2 s_d^2) - log s_d - log(2 pi) / 2
    tanh-normal   of tanh(u): log p = log p(u) as of a normal - sum_d log(1 - tanh(u_d)^2)

A rollout holds a, or u. The environment got it bounded: a normal's is moved to the nearest bound,
and a tanh-normal's tanh(u) is stretched to the bounds.

>>> import torch
>>> head = head_of({"type": "multi_discrete", "nvec": [2, 3]})
>>> log_probs, entropies = head.judge(torch.zeros(1, 5), None, torch.tensor([[1, 2]]))
>>> round(float(-log_probs), 4), round(float(entropies), 4)
(1.7918, 1.7918)
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from twisterl.envs.protocol import ActSpace, num_outputs
from twisterl.on_demand import torch

# Logits of illegal actions are set to it.
MASKED_LOGIT = -1e10
_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
# A mean under a standard normal is taken by the trapezoidal rule: what is smooth is summed exactly
# but for the last digits.
_STEP = 0.25
_NODES = _STEP * np.arange(-20, 21)
_WEIGHTS = _STEP * np.exp(-0.5 * _NODES**2) / math.sqrt(2.0 * math.pi)


class Head(Protocol):
    """A distribution of actions; `num_outputs` numbers an observation decide it."""

    num_outputs: int

    def judge(
        self, outputs: torch.Tensor, illegal: torch.Tensor | None, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [N] of actions and entropies [N].

        Args:
            outputs: float32 [N, A].
            illegal: bool [N, A], True where a choice must not be played; None if all may be.
            actions: as a rollout holds them, int64 [N] or [N, parts], or float32 [N, dimensions].
        """
        ...

    def spec(self) -> dict[str, Any] | None:
        """As the engine's description has it; None for a categorical one, which it takes unsaid."""
        ...


class Categorical:
    """A logit for each action."""

    def __init__(self, num_actions: int) -> None:
        self.num_outputs = num_actions

    def judge(
        self, outputs: torch.Tensor, illegal: torch.Tensor | None, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if illegal is not None:
            outputs = outputs.masked_fill(illegal, MASKED_LOGIT)
        log_probs = outputs.log_softmax(1)
        # In this order: that in which gradients are added up decides their last bits.
        chosen = log_probs.gather(1, actions[:, None])[:, 0]
        return chosen, -(log_probs.exp() * log_probs).sum(1)

    def spec(self) -> dict[str, Any] | None:
        return None


class Product:
    """A logit for each choice of each part, part after part."""

    def __init__(self, nvec: list[int]) -> None:
        self.nvec = nvec
        self.num_outputs = sum(nvec)

    def judge(
        self, outputs: torch.Tensor, illegal: torch.Tensor | None, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts = outputs.split(self.nvec, dim=1)
        masks = [None] * len(parts) if illegal is None else illegal.split(self.nvec, dim=1)
        judged = [
            Categorical(part.shape[1]).judge(part, mask, actions[:, place])
            for place, (part, mask) in enumerate(zip(parts, masks, strict=True))
        ]
        log_probs, entropies = zip(*judged, strict=True)
        return torch.stack(log_probs, 1).sum(1), torch.stack(entropies, 1).sum(1)

    def spec(self) -> dict[str, Any] | None:
        return {"head": "product", "nvec": self.nvec}


class Normal:
    """A mean for each dimension; the deviations are those of all observations.

    Args:
        log_std: parameter [dimensions] or [1, dimensions], the logarithms of the deviations.
        squash: whether it is of tanh(u), whose entropy is a mean by the trapezoidal rule.
        name: of the parameter, in the policy.
    """

    def __init__(self, log_std: torch.Tensor, squash: bool, name: str = "log_std") -> None:
        # The parameter itself, which a copy of the policy's owner copies with it.
        self.parameter, self.squash, self.name = log_std, squash, name
        self.num_outputs = log_std.shape[-1]

    @property
    def log_std(self) -> torch.Tensor:
        """[dimensions]"""
        return self.parameter if self.parameter.ndim == 1 else self.parameter[0]

    def judge(
        self, outputs: torch.Tensor, illegal: torch.Tensor | None, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        log_std = self.log_std
        z = (actions - outputs) * (-log_std).exp()
        log_probs = -0.5 * z * z - log_std - _HALF_LOG_TAU
        entropies = (log_std + 0.5 + _HALF_LOG_TAU).expand_as(outputs)
        if self.squash:
            log_probs = log_probs - log_slope(actions)
            nodes, weights = (
                torch.as_tensor(numbers, dtype=outputs.dtype, device=outputs.device)
                for numbers in (_NODES, _WEIGHTS)
            )
            points = outputs[..., None] + log_std.exp()[:, None] * nodes
            entropies = entropies + (log_slope(points) * weights).sum(-1)
        return log_probs.sum(1), entropies.sum(1)

    def spec(self) -> dict[str, Any] | None:
        dim = self.num_outputs
        return {"head": "normal", "name": self.name, "dim": dim, "squash": self.squash}


def log_slope(u: torch.Tensor) -> torch.Tensor:
    """log(1 - tanh(u)^2), finite however large u is."""
    u = u.abs()
    return 2.0 * (math.log(2.0) - u - torch.nn.functional.softplus(-2.0 * u))


def head_of(
    space: ActSpace, log_std: torch.nn.Parameter | None = None, squash: bool = False
) -> Head:
    """The head for actions of `space`; numbers need `log_std` [dimensions]."""
    if space["type"] == "discrete":
        return Categorical(num_outputs(space))
    if space["type"] == "multi_discrete":
        return Product([int(n) for n in space["nvec"]])
    if log_std is None:
        raise ValueError("log_std: expected a parameter, for actions are numbers")
    return Normal(log_std, squash)
