"""State dicts whose names are a module's own, whatever `torch.compile` has made of it."""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn.spec import plain_name


def keep_plain_names(policy: torch.nn.Module) -> None:
    """Gives and takes a state dict under plain names from now on."""
    policy.register_state_dict_post_hook(_with_plain_names)
    policy.register_load_state_dict_pre_hook(_with_own_names)


def _with_plain_names(
    policy: Any, state_dict: dict[str, torch.Tensor], prefix: str, local_metadata: Any
) -> None:
    for name in [name for name in state_dict if plain_name(name) != name]:
        state_dict[plain_name(name)] = state_dict.pop(name)


def _with_own_names(policy: Any, state_dict: dict[str, torch.Tensor], prefix: str, *_: Any) -> None:
    own = [name for name, _ in policy.named_parameters(remove_duplicate=False)]
    own += [name for name, _ in policy.named_buffers(remove_duplicate=False)]
    for name in own:
        plain = prefix + plain_name(name)
        if plain in state_dict and prefix + name != plain:
            state_dict[prefix + name] = state_dict.pop(plain)
