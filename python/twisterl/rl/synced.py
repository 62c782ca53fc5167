"""Whether a policy is still what the engine was given.

torch counts the changes of a tensor in place, but not those through `.data` or through a numpy
array that shares its memory. So the contents are compared; for the networks of this package that
takes a few microseconds.
"""

from __future__ import annotations

import copy
from typing import Any

import torch


class Synced:
    """What the engine has of `policy`: its modules, tensors and twists as they were."""

    def __init__(self, policy: torch.nn.Module) -> None:
        # Kept, so that no other module gets the address of one of these.
        self._modules = list(policy.modules())
        self._layout, tensors = _layout(policy)
        self._twists = copy.deepcopy(_twists(policy))
        self._views: list[memoryview] = []
        self._others: list[torch.Tensor] = []
        for tensor in tensors:
            tensor = tensor.detach()
            if tensor.device.type == "cpu" and tensor.is_contiguous():
                self._views.append(tensor.view(-1).view(torch.uint8).numpy().data)
            else:
                self._others.append(tensor)
        # A bytearray is compared with a view by one memcmp.
        self._contents = [bytearray(view) for view in self._views]
        self._copies = [tensor.clone() for tensor in self._others]

    def is_current(self, policy: torch.nn.Module) -> bool:
        """Whether `policy` would give the engine the same again."""
        return (
            _layout(policy)[0] == self._layout
            and self._contents == self._views
            and all(map(torch.equal, self._others, self._copies))
            and _twists(policy) == self._twists
        )


def _layout(policy: torch.nn.Module) -> tuple[list[Any], list[torch.Tensor]]:
    """Which modules and which memory `policy` is made of, and its tensors, in the same order.

    torch's own `modules()` and `parameters()` take several times as long, and `solve` asks at
    every call.
    """
    layout: list[Any] = []
    tensors: list[torch.Tensor] = []
    modules: list[torch.nn.Module] = [policy]
    for module in modules:
        layout.append(id(module))
        for kind in (module._parameters, module._buffers):
            for tensor in kind.values() if kind else ():
                if tensor is not None:
                    layout += (tensor.data_ptr(), tensor.shape, tensor.stride())
                    tensors.append(tensor)
        modules += [child for child in module._modules.values() if child is not None]
    return layout, tensors


def _twists(policy: Any) -> tuple[Any, Any]:
    return getattr(policy, "obs_perms", None), getattr(policy, "act_perms", None)
