"""The engine's arrays as torch's module and optimizer, which hold the weights from then on."""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn.arrays import ArrayPolicy
from twisterl.nn.policy import BasicPolicy, Conv1dPolicy
from twisterl.rl.adam import Adam, make_adam

_CLASSES = {"BasicPolicy": BasicPolicy, "Conv1dPolicy": Conv1dPolicy}


def module_of(policy: ArrayPolicy) -> BasicPolicy:
    """The policy in torch, with copies of the weights."""
    arguments: dict[str, Any] = policy.arguments()
    if policy.obs_dtype != "sparse":
        arguments["obs_dtype"] = policy.obs_dtype
    module = _CLASSES[policy.name](
        policy.obs_shape,
        policy.num_actions,
        **arguments,
        obs_perms=policy.obs_perms,
        act_perms=policy.act_perms,
        act_space=policy.act_space,
    )
    module.load_state_dict(
        {name: torch.from_numpy(values) for name, values in policy.state_dict().items()}
    )
    return module


def adam_of(optimizer: Any, policy: BasicPolicy) -> Adam:
    """An `ArrayAdam` as the optimizer of `policy` in torch, with copies of the moments."""
    group = optimizer.param_groups[0]
    names = ("lr", "betas", "eps", "weight_decay", "amsgrad")
    adam = make_adam(policy.parameters(), {name: group[name] for name in names})
    state = {
        index: {name: torch.from_numpy(value.copy()) for name, value in moments.items()}
        for index, moments in optimizer.state.items()
    }
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
    return adam
