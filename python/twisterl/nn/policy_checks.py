"""Whether a policy tells what it should, and learns from it.

>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace
>>> from twisterl.nn.vector_policies import MLPPolicy
>>> space = BoxSpace(-1, 1, 3)
>>> policy = MLPPolicy(space, DiscreteSpace([0, 1]))
>>> check_policy_shapes(policy, space)
>>> sorted(set(check_gradients(policy, space).values()))
['ok']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.actions import Choices, actions_of
from twisterl.nn.observations import zeros


def check_policy_shapes(policy: Any, observation_space: Any, batch_size: int = 32) -> None:
    """Raises ValueError unless logits are [B, n] and values [B, 1] for `policy.action_space`.

    Of parts of a MultiDiscrete space each has its logits; of numbers, means and deviations are
    [B, A].
    """
    checked.integer("batch_size", batch_size)
    if not hasattr(policy, "action_space"):
        raise TypeError(f"policy: expected an action_space, got {type(policy).__name__} without")
    told = policy(zeros(observation_space, batch_size, torch.randn))
    if getattr(policy, "state_size", 0):
        told = told[:-1]
    actions = actions_of(policy.action_space)
    widths: Any = [actions.num_outputs] * 2
    if isinstance(actions, Choices):
        widths = [actions.num_outputs] if actions.is_single else [tuple(actions.nvec)]
    if len(told) != len(widths) + 1:
        raise ValueError(f"policy: expected {len(widths) + 1} results, got {len(told)}")
    for part, width in zip(told, [*widths, 1], strict=True):
        inner = zip(part, width, strict=True) if isinstance(width, tuple) else [(part, width)]
        for each, columns in inner:
            checked.shape("what policy returns", each, (batch_size, columns))


def check_gradients(policy: Any, observation_space: Any) -> dict[str, str]:
    """For every parameter whether it gets a gradient of a batch [1, ...]: "ok", "missing", "nan".

    The gradients that the parameters hold stay as they are.
    """
    told = policy(zeros(observation_space, 1, torch.randn))
    total = sum(each.sum() for each in _tensors(told) if each.requires_grad)
    named = {name: each for name, each in policy.named_parameters() if each.requires_grad}
    if isinstance(total, int):
        return dict.fromkeys(named, "missing")
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return {
        name: "missing" if gradient is None else "nan" if bool(gradient.isnan().any()) else "ok"
        for name, gradient in zip(named, gradients, strict=True)
    }


def _tensors(told: Any) -> Iterator[torch.Tensor]:
    for part in told:
        if isinstance(part, torch.Tensor):
            yield part
        else:
            yield from _tensors(part)
