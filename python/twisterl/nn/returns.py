"""Advantages of rollouts: generalized estimates, V-trace, and what lies between the two.

>>> import torch
>>> batch = {"rewards": torch.tensor([[1.0, 1.0, 0.0]]), "values": torch.zeros(1, 3)}
>>> told = generalized_advantage_estimate(
...     batch, gamma=0.5, gae_lambda=1.0, normalize_advantages=False
... )
>>> told["advantages"]
tensor([[1.5000, 1.0000, 0.0000]])
"""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.batches import entry, like

_EPS = 1e-8


def generalized_advantage_estimate(
    batch: Any,
    /,
    *,
    gae_lambda: float = 0.95,
    gamma: float = 0.95,
    inplace: bool = False,
    normalize_advantages: bool = True,
    return_returns: bool = True,
    reward_scale: float = 1.0,
) -> Any:
    """Generalized advantage estimates of a batch, and the returns that they stand for.

    With r = rewards / (reward_scale + 1e-8), A_T = 0, and d_t = 1 where the transition at t ended
    the episode:

        delta_t = r_t + gamma (1 - d_t) V_{t+1} - V_t
        A_t     = delta_t + gamma gae_lambda (1 - d_t) A_{t+1}
        returns = A + V

    Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
    section 3; names and layout are rl8's.

    Args:
        batch: TensorDict or mapping of "rewards" and "values", both [B, T + 1, ...], and, if
            episodes end in it, "terminated" of that shape, bool or 0 and 1.
        inplace: whether the results are written into `batch`, which is then returned.
        normalize_advantages: to mean 0 and sample deviation 1 over the steps 0 to T - 1; a single
            one becomes 0.
        return_returns: whether "returns" are told too.

    Returns:
        "advantages" and "returns" [B, T + 1, ...], in a batch of the type of the given one.

    Raises:
        TypeError, KeyError, ValueError: naming the argument or the entry.
    """
    checked.number("gae_lambda", gae_lambda, 0.0, 1.0)
    checked.number("gamma", gamma, 0.0, 1.0)
    if checked.number("reward_scale", reward_scale, 0.0) + _EPS == float("inf"):
        raise ValueError("reward_scale: expected a finite number, got inf")
    rewards, values = entry(batch, "rewards"), entry(batch, "values")
    checked.tensor('batch["values"]', values, at_least=2)
    checked.shape('batch["rewards"]', rewards, values.shape)
    going = torch.ones_like(values)
    if "terminated" in batch.keys():
        ended = checked.shape('batch["terminated"]', batch["terminated"], values.shape)
        going = 1 - ended.to(values.dtype)
    rewards = rewards / (reward_scale + _EPS)
    next_values = torch.cat((values[:, 1:], values[:, :1]), 1)
    deltas = rewards + gamma * going * next_values - values
    factors = gamma * gae_lambda * going
    advantages = _summed_back(deltas[:, :-1], factors[:, :-1], values)
    told = {"advantages": advantages}
    if return_returns:
        told["returns"] = advantages + values
    if normalize_advantages:
        told["advantages"] = _normalized(advantages)
    if not inplace:
        return like(batch, told)
    for name, result in told.items():
        batch[name] = result
    return batch


def puff_advantage(
    values: torch.Tensor,
    rewards: torch.Tensor,
    dones: torch.Tensor,
    ratio: torch.Tensor,
    *,
    gamma: float,
    gae_lambda: float,
    rho_clip: float = 1.0,
    c_clip: float = 1.0,
) -> torch.Tensor:
    """Advantages [N, T] that weigh each step by how probable it has become.

    Rewards and dones at index t + 1 belong to the action at t. With n_t = 1 - dones_{t+1}:

        A_t = min(ratio_t, rho_clip) (rewards_{t+1} + gamma V_{t+1} n_t - V_t)
              + gamma gae_lambda min(ratio_t, c_clip) n_t A_{t+1},    A_{T-1} = 0

    With ratios of 1 these are generalized advantage estimates. PufferLib computes the same.

    Args:
        values, rewards, dones, ratio: [N, T].
    """
    _same_shapes(values, values.shape, rewards=rewards, dones=dones, ratio=ratio)
    checked.number("gamma", gamma, 0.0, 1.0)
    checked.number("gae_lambda", gae_lambda, 0.0, 1.0)
    ratio = ratio[:, :-1].to(values.dtype)
    rho = ratio.clamp(max=checked.number("rho_clip", rho_clip, 0.0))
    c = ratio.clamp(max=checked.number("c_clip", c_clip, 0.0))
    going = 1 - dones[:, 1:].to(values.dtype)
    deltas = rho * (rewards[:, 1:] + gamma * values[:, 1:] * going - values[:, :-1])
    return _summed_back(deltas, gamma * gae_lambda * c * going, values)


def vtrace(
    values: torch.Tensor,
    rewards: torch.Tensor,
    dones: torch.Tensor,
    ratio: torch.Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
    rho_clip: float = 1.0,
    c_clip: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """V-trace targets and the advantages of the policy gradient, both [N, T].

    With n_t = 1 - dones_t, rho_t = min(ratio_t, rho_clip), c_t = min(ratio_t, c_clip):

        v_t - V_t = rho_t (r_t + gamma n_t V_{t+1} - V_t)
                    + gamma gae_lambda c_t n_t (v_{t+1} - V_{t+1})
        A_t       = rho_t (r_t + gamma n_t v_{t+1} - V_t)

    Espeholt et al., "IMPALA: Scalable Distributed Deep-RL with Importance Weighted
    Actor-Learner Architectures", section 4.1.

    Args:
        values: [N, T + 1]; the last ones bootstrap.
        rewards, dones, ratio: [N, T], of the action at t; ratio is pi(a) / mu(a).
    """
    checked.tensor("values", values, ndim=2)
    shape = (values.shape[0], values.shape[1] - 1)
    _same_shapes(values, shape, rewards=rewards, dones=dones, ratio=ratio)
    checked.number("gamma", gamma, 0.0, 1.0)
    checked.number("gae_lambda", gae_lambda, 0.0, 1.0)
    ratio = ratio.to(values.dtype)
    rho = ratio.clamp(max=checked.number("rho_clip", rho_clip, 0.0))
    c = ratio.clamp(max=checked.number("c_clip", c_clip, 0.0))
    going = 1 - dones.to(values.dtype)
    deltas = rho * (rewards + gamma * going * values[:, 1:] - values[:, :-1])
    targets = _summed_back(deltas, gamma * gae_lambda * c * going, values) + values
    advantages = rho * (rewards + gamma * going * targets[:, 1:] - values[:, :-1])
    return targets[:, :-1], advantages


def _summed_back(deltas: torch.Tensor, factors: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """x_t = deltas_t + factors_t x_{t+1} along axis 1, and a last one of 0."""
    last = torch.zeros_like(values[:, 0])
    backwards = [last]
    for t in reversed(range(deltas.shape[1])):
        last = deltas[:, t] + factors[:, t] * last
        backwards.append(last)
    return torch.stack(backwards[::-1], 1).to(values.dtype)


def _normalized(advantages: torch.Tensor) -> torch.Tensor:
    steps = advantages[:, :-1]
    if steps.numel() < 2:
        return torch.zeros_like(advantages)
    normal = (steps - steps.mean()) / (steps.std() + _EPS)
    return torch.cat((normal, advantages[:, -1:]), 1)


def _same_shapes(values: torch.Tensor, shape: Any, **others: torch.Tensor) -> None:
    checked.tensor("values", values, ndim=2)
    if not values.shape[1]:
        raise ValueError(f"values: expected a step, got shape {list(values.shape)}")
    for name, other in others.items():
        checked.shape(name, other, shape)
