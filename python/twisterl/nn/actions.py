"""From the outputs of an actor to actions: what an action space makes of them."""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.heads import Categorical, Head, Normal, Product
from twisterl.nn.spaces import action_space_of


class Choices:
    """One of n, or one of n for each part, as nvec tells; a logit for each choice."""

    def __init__(self, nvec: list[int], is_single: bool) -> None:
        self.nvec, self.is_single = nvec, is_single
        self.num_outputs = sum(nvec)

    def head(self, log_std: torch.Tensor | None) -> Head:
        """The distribution that outputs stand for."""
        return Categorical(self.nvec[0]) if self.is_single else Product(self.nvec)

    def shown(self, outputs: torch.Tensor, log_std: torch.Tensor | None) -> tuple[Any, ...]:
        """Logits [*, A], in a tuple of one for each part where there are parts."""
        return (outputs,) if self.is_single else (outputs.split(self.nvec, -1),)

    def drawn(
        self, outputs: torch.Tensor, log_std: torch.Tensor | None, deterministic: bool
    ) -> torch.Tensor:
        """int64 [N], or [N, parts]."""
        parts = [
            logits.argmax(-1)
            if deterministic
            else torch.multinomial(logits.detach().softmax(-1), 1)[:, 0]
            for logits in outputs.split(self.nvec, -1)
        ]
        return parts[0] if self.is_single else torch.stack(parts, -1)

    def judge(
        self, outputs: torch.Tensor, log_std: torch.Tensor | None, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and entropies [N]."""
        shape = (len(outputs),) if self.is_single else (len(outputs), len(self.nvec))
        parts = checked.shape("action", actions, shape).reshape(len(outputs), -1).long()
        if not checked.is_traced():
            limits = torch.tensor(self.nvec, device=parts.device)
            if not bool(((parts >= 0) & (parts < limits)).all()):
                raise ValueError(f"action: expected choices below {self.nvec}, got others")
        return Product(self.nvec).judge(outputs, None, parts)


class Squashed:
    """tanh of a normal; a mean for each number, and deviations of all observations."""

    def __init__(self, dimensions: int) -> None:
        self.num_outputs = dimensions

    def head(self, log_std: torch.Tensor) -> Head:
        """The distribution that outputs stand for; `log_std` is the parameter."""
        return Normal(log_std, squash=True, name="actor_logstd")

    def shown(self, outputs: torch.Tensor, log_std: torch.Tensor) -> tuple[Any, ...]:
        """Means and deviations of what tanh is taken of, [*, A]."""
        return outputs, log_std[0].exp().expand_as(outputs)

    def drawn(
        self, outputs: torch.Tensor, log_std: torch.Tensor, deterministic: bool
    ) -> torch.Tensor:
        """[N, A] from -1 to 1."""
        if deterministic:
            return outputs.tanh()
        return (outputs + log_std[0].exp() * torch.randn_like(outputs)).detach().tanh()

    def judge(
        self, outputs: torch.Tensor, log_std: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and entropies [N] of `actions` as they were drawn."""
        bound = 1 - torch.finfo(outputs.dtype).eps
        u = checked.shape("action", actions, outputs.shape).clamp(-bound, bound).atanh()
        return Normal(log_std[0], squash=True).judge(outputs, None, u)


def actions_of(action_space: Any) -> Choices | Squashed:
    """What `action_space` makes of outputs."""
    space = action_space_of("action_space", action_space)
    if space["type"] == "box":
        return Squashed(len(space["low"]))
    nvec = space["nvec"] if space["type"] == "multi_discrete" else [space["n"]]
    return Choices(nvec, space["type"] == "discrete")
