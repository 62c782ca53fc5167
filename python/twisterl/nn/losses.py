"""The loss of proximal policy optimization over batches by name.

>>> import torch
>>> ones = torch.ones(2)
>>> buffer = {"actions": ones, "advantages": ones, "logp": 0 * ones, "returns": ones}
>>> told = ppo_losses(buffer, {"values": ones}, torch.distributions.Normal(ones, ones))
>>> sorted(told)
['entropy', 'policy', 'total', 'vf']
"""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.batches import entry, like


def ppo_losses(
    buffer_batch: Any,
    sample_batch: Any,
    sample_distribution: Any,
    /,
    *,
    clip_param: float = 0.2,
    dual_clip_param: float | None = 5.0,
    entropy_coeff: float = 0.0,
    vf_clip_param: float = 1.0,
    vf_coeff: float = 1.0,
) -> Any:
    """The parts of PPO's loss, each 0-d, in a batch of the type of `buffer_batch`.

    With rho = exp(logp_new - logp) and c = clip_param:

        o       = min(A rho, A clamp(rho, 1 - c, 1 + c)); max(o, dual_clip_param A) where A < 0
        policy  = mean(o), to be maximized
        vf      = mean(clamp(smooth_l1(values, returns), 0, vf_clip_param))
        entropy = mean entropy; 0 and not computed where entropy_coeff is 0
        total   = vf_coeff vf - policy - entropy_coeff entropy

    The value term has no gradient beyond its clip: it is not the clipped value loss of PPO.
    Schulman et al., "Proximal Policy Optimization Algorithms", section 3; Ye et al., "Mastering
    Complex Control in MOBA Games with Deep Reinforcement Learning" (dual clip); names are rl8's.

    Args:
        buffer_batch: "actions", "advantages" A, "logp" and "returns", [B, ...].
        sample_batch: "values", of the shape of the returns.
        sample_distribution: has `logp(actions)` or `log_prob(actions)`, and `entropy()`.
        dual_clip_param: above 1; None or 0: no dual clip.

    Raises:
        TypeError, KeyError, ValueError: naming the argument or the entry.
    """
    checked.number("clip_param", clip_param, 0.0)
    checked.number("vf_clip_param", vf_clip_param, 0.0)
    for name, weight in (("entropy_coeff", entropy_coeff), ("vf_coeff", vf_coeff)):
        checked.number(name, weight)
    if dual_clip_param and checked.number("dual_clip_param", dual_clip_param) <= 1:
        raise ValueError(f"dual_clip_param: expected None, 0 or above 1, got {dual_clip_param}")
    advantages = entry(buffer_batch, "advantages", "buffer_batch")
    old, returns = (entry(buffer_batch, name, "buffer_batch") for name in ("logp", "returns"))
    values = entry(sample_batch, "values", "sample_batch")
    logp = _logp(sample_distribution, entry(buffer_batch, "actions", "buffer_batch"))
    checked.shape('buffer_batch["logp"]', old, advantages.shape)
    checked.shape("logp of sample_distribution", logp, advantages.shape)
    checked.shape('sample_batch["values"]', values, returns.shape)

    ratio = torch.exp(logp - old)
    clipped = ratio.clamp(1 - clip_param, 1 + clip_param)
    objective = torch.min(advantages * ratio, advantages * clipped)
    if dual_clip_param:
        bounded = torch.max(objective, dual_clip_param * advantages)
        objective = torch.where(advantages < 0, bounded, objective)
    policy = objective.mean()
    error = torch.nn.functional.smooth_l1_loss(values, returns, reduction="none")
    vf = error.clamp(0, vf_clip_param).mean()
    entropy = sample_distribution.entropy().mean() if entropy_coeff else torch.zeros_like(policy)
    total = vf_coeff * vf - policy - entropy_coeff * entropy
    parts = {"entropy": entropy, "policy": policy, "vf": vf, "total": total}
    return like(buffer_batch, parts, scalars=True)


def _logp(distribution: Any, actions: torch.Tensor) -> torch.Tensor:
    tell = getattr(distribution, "logp", None) or getattr(distribution, "log_prob", None)
    if tell is None:
        got = type(distribution).__name__
        raise TypeError(f"sample_distribution: expected logp() or log_prob(), got {got}")
    return tell(actions)
