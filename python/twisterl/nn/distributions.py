"""Distributions of actions over a model's features, as rl8 has them.

>>> import torch
>>> told = Categorical({"logits": torch.zeros(2, 3, 4)})
>>> told.logp(told.sample()).shape, round(float(told.entropy()[0, 0]), 4)
(torch.Size([2, 1]), 4.1589)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.batches import entry

_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


class Distribution(ABC):
    """Of k actions in each of B rows: draws [B, k].

    Args:
        features: TensorDict or mapping of what the subclass reads.
        model: what made them; kept, not read.
    """

    def __init__(self, features: Any, model: Any = None) -> None:
        self.features, self.model = features, model

    @abstractmethod
    def sample(self) -> torch.Tensor:
        """Actions [B, k] that are drawn."""

    @abstractmethod
    def deterministic_sample(self) -> torch.Tensor:
        """The actions [B, k] that stand for the distribution."""

    @abstractmethod
    def logp(self, actions: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [B, 1] of `actions` [B, k], summed over the k."""

    @abstractmethod
    def entropy(self) -> torch.Tensor:
        """Entropies [B, 1], summed over the k."""

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """`logp` [B, 1], as torch calls it."""
        return self.logp(actions)


class Categorical(Distribution):
    """k choices of A each, from "logits" [B, k, A]."""

    def __init__(self, features: Any, model: Any = None) -> None:
        super().__init__(features, model)
        logits = checked.tensor("logits", entry(features, "logits", "features"), at_least=2)
        self.log_probs = logits.log_softmax(-1)

    def sample(self) -> torch.Tensor:
        flat = self.log_probs.detach().exp().flatten(0, -2)
        return torch.multinomial(flat, 1).reshape(self.log_probs.shape[:-1])

    def deterministic_sample(self) -> torch.Tensor:
        return self.log_probs.argmax(-1)

    def logp(self, actions: torch.Tensor) -> torch.Tensor:
        checked.shape("actions", actions, self.log_probs.shape[:-1])
        actions, choices = actions.long(), self.log_probs.shape[-1]
        if not checked.is_traced() and not bool(((actions >= 0) & (actions < choices)).all()):
            raise ValueError(f"actions: expected from 0 to {choices - 1}, got others")
        return self.log_probs.gather(-1, actions[..., None])[..., 0].sum(-1, keepdim=True)

    def entropy(self) -> torch.Tensor:
        # A choice that cannot be has a log-probability of -inf, and adds nothing.
        floor = torch.finfo(self.log_probs.dtype).min
        each = self.log_probs.exp() * self.log_probs.clamp(min=floor)
        return -each.sum(-1).sum(-1, keepdim=True)


class Normal(Distribution):
    """k independent normals, from "mean" and "log_std" [B, k]."""

    def __init__(self, features: Any, model: Any = None) -> None:
        super().__init__(features, model)
        self.mean = checked.tensor("mean", entry(features, "mean", "features"), at_least=1)
        self.log_std = checked.shape(
            "log_std", entry(features, "log_std", "features"), self.mean.shape
        )

    def sample(self) -> torch.Tensor:
        with torch.no_grad():
            return self.mean + self.log_std.exp() * torch.randn_like(self.mean)

    def deterministic_sample(self) -> torch.Tensor:
        return self.mean

    def logp(self, actions: torch.Tensor) -> torch.Tensor:
        checked.shape("actions", actions, self.mean.shape)
        return self._each(actions).sum(-1, keepdim=True)

    def _each(self, z: torch.Tensor) -> torch.Tensor:
        """log N(z), of each number alone."""
        return -0.5 * ((z - self.mean) / self.log_std.exp()) ** 2 - self.log_std - _HALF_LOG_TAU

    def entropy(self) -> torch.Tensor:
        return (self.log_std + 0.5 + _HALF_LOG_TAU).sum(-1, keepdim=True)


class SquashedNormal(Normal):
    """a = tanh(z) [B, k] of a normal z: log p(a) = sum log N(z) - 2 (log 2 - z - softplus(-2 z)).

    Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", appendix C. At -1 and 1, which
    no z reaches, the log-probability is that of the nearest number inside.
    """

    def sample(self) -> torch.Tensor:
        return super().sample().tanh()

    def deterministic_sample(self) -> torch.Tensor:
        return self.mean.tanh()

    def logp(self, actions: torch.Tensor) -> torch.Tensor:
        checked.shape("actions", actions, self.mean.shape)
        bound = 1 - torch.finfo(actions.dtype).eps
        z = actions.clamp(-bound, bound).atanh()
        slope = 2 * (math.log(2.0) - z - torch.nn.functional.softplus(-2 * z))
        return (self._each(z) - slope).sum(-1, keepdim=True)

    def entropy(self) -> torch.Tensor:
        """NotImplementedError in place of [B, 1]: there is no closed form."""
        raise NotImplementedError("SquashedNormal: the entropy has no closed form")
