"""What the engine was given of a policy, and whether the policy is still that.

torch counts the changes of a tensor in place, but not those through `.data` or through a numpy
array that shares its memory. So the contents are compared; for the networks of this package that
takes a few microseconds.
"""

from __future__ import annotations

import copy
import operator
import threading
from typing import Any

import numpy as np

from twisterl import twisterl
from twisterl.nn.arrays import ArrayPolicy
from twisterl.on_demand import torch


class EnginePolicy:
    """The engine's copy of a policy; any thread may ask for it.

    Attributes:
        engine: the copy as it is, which may be older than the policy.
        is_held: while True, `current` leaves it so, for the policy is being updated.
    """

    engine: twisterl.nn.Policy

    def __init__(self, policy: Any) -> None:
        self.is_held = False
        self._lock = threading.Lock()
        self._copy(policy)

    def renew(self, policy: Any) -> None:
        """Gives the engine the weights of `policy` as they are now."""
        with self._lock:
            self._copy(policy)

    def current(self, policy: Any) -> twisterl.nn.Policy:
        """The engine's copy, renewed if someone has changed `policy` since."""
        if not self.is_held and not self._synced.is_current(policy):
            with self._lock:
                if not self.is_held and not self._synced.is_current(policy):
                    self._copy(policy)
        return self.engine

    def _copy(self, policy: Any) -> None:
        synced = SyncedArrays(policy) if isinstance(policy, ArrayPolicy) else Synced(policy)
        self.engine = policy.to_rust()
        self._synced: Synced | SyncedArrays = synced


class Synced:
    """What the engine has of `policy`: its modules, tensors and twists as they were."""

    def __init__(self, policy: torch.nn.Module) -> None:
        self._policy = policy
        # Walking through all modules takes several times as long, and `solve` asks at every call.
        self._owners = [
            members
            for module in policy.modules()
            for members in (module._parameters, module._buffers, module._modules)
        ]
        self._members = self._members_now()
        self._tensors = [member for member in self._members if isinstance(member, torch.Tensor)]
        self._places = self._places_now()
        self._twists = copy.deepcopy(_twists(policy))
        self._views: list[memoryview] = []
        self._others: list[torch.Tensor] = []
        for tensor in map(torch.Tensor.detach, self._tensors):
            if tensor.device.type == "cpu" and tensor.is_contiguous():
                self._views.append(tensor.view(-1).view(torch.uint8).numpy().data)
            else:
                self._others.append(tensor)
        # A bytearray is compared with a view by one memcmp.
        self._contents = [bytearray(view) for view in self._views]
        self._copies = [tensor.clone() for tensor in self._others]

    def is_current(self, policy: torch.nn.Module) -> bool:
        """Whether `policy` would give the engine the same again."""
        members = self._members_now()
        return (
            policy is self._policy
            and len(members) == len(self._members)
            and all(map(operator.is_, members, self._members))
            and self._places_now() == self._places
            and self._contents == self._views
            and all(map(torch.equal, self._others, self._copies))
            and _twists(policy) == self._twists
        )

    def _members_now(self) -> list[Any]:
        """The modules, parameters and buffers that the modules hold."""
        return [member for members in self._owners for member in members.values()]

    def _places_now(self) -> list[tuple[Any, ...]]:
        """Where the tensors are and how they are read."""
        return [(tensor.data_ptr(), tensor.shape, tensor.stride()) for tensor in self._tensors]


class SyncedArrays:
    """What the engine has of an `ArrayPolicy`, whose description never changes."""

    def __init__(self, policy: ArrayPolicy) -> None:
        self._policy = policy
        # A bytearray is compared with a view by one memcmp.
        self._contents = [bytearray(view) for view in _views(policy)]

    def is_current(self, policy: Any) -> bool:
        """Whether `policy` would give the engine the same again."""
        return policy is self._policy and self._contents == _views(policy)


def _views(policy: ArrayPolicy) -> list[memoryview]:
    return [values.reshape(-1).view(np.uint8).data for values in policy.weights.values()]


def _twists(policy: Any) -> tuple[Any, Any]:
    return getattr(policy, "obs_perms", None), getattr(policy, "act_perms", None)
