"""What learns: a policy and its optimizer, the engine's arrays until somebody asks for torch's."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.nn.arrays import ArrayPolicy
from twisterl.on_demand import MissingPackage, is_installed, lacks_torch, torch


class Held:
    """A policy and its optimizer: torch's, or an `ArrayPolicy` and an optimizer of arrays."""

    def __init__(self, policy: Any, optimizer: Any = None) -> None:
        self.policy, self.optimizer = policy, optimizer
        # Whether a program has put in the optimizer, whose rates are its own then.
        self.is_given = False
        # torch's generators, where torch does not hold them.
        self._random: dict[str, npt.NDArray[np.uint8]] = {}
        if isinstance(policy, ArrayPolicy):
            self._random["cpu"] = policy.generator

    @property
    def is_array(self) -> bool:
        return isinstance(self.policy, ArrayPolicy)

    def own(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values`, tensors or arrays, as what is held takes them."""
        kind = np.asarray if self.is_array else torch.as_tensor
        return {name: kind(value) for name, value in values.items()}

    def own_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """As `own`, of what an optimizer's `state_dict` gives."""
        own = {
            index: self.own(moments) if isinstance(moments, dict) else moments
            for index, moments in state["state"].items()
        }
        return {**state, "state": own}

    def generators(self, device: str) -> dict[str, Any]:
        """The states of torch's generators, uint8 each."""
        if self.is_array:
            return dict(self._random)
        states = {"cpu": torch.get_rng_state()}
        if device.startswith("cuda"):
            states["cuda"] = torch.cuda.get_rng_state(device)
        return states

    def set_generators(self, states: Mapping[str, Any], device: str) -> None:
        """Puts back what `generators` gave."""
        if self.is_array:
            self._random |= {name: state for name, state in states.items() if name == "cpu"}
            return
        if "cpu" in states:
            torch.set_rng_state(states["cpu"])
        if "cuda" in states and device.startswith("cuda"):
            torch.cuda.set_rng_state(states["cuda"], device)

    def to_torch(self) -> None:
        """Makes torch's module and optimizer of the arrays, which are not used any more.

        Raises `MissingPackage` where torch is not installed.
        """
        if not is_installed():
            raise MissingPackage(lacks_torch("the policy of an algorithm as a torch module"))
        from twisterl.rl.torch_view import module_of

        policy = module_of(self.policy)
        self.policy, self.optimizer = policy, self.optimizer.in_torch(policy)
        # As if the policy had been torch's from the first.
        torch.set_rng_state(torch.as_tensor(self._random["cpu"]))


class Holding:
    """Gives an algorithm `policy` and `optimizer` in torch, made when they are first asked for."""

    held: Held
    _held_lock: Any

    def _start_holding(self) -> None:
        """Makes what no copy shares, nor takes to another process."""
        # No other thread gets weights while they are changed.
        self._held_lock = threading.RLock()

    @property
    def policy(self) -> Any:
        """The torch module that learns; may be assigned.

        Without torch in the process, the engine holds the weights until this is first asked for.
        """
        return self._in_torch().policy

    @policy.setter
    def policy(self, policy: Any) -> None:
        self._in_torch().policy = policy

    @property
    def optimizer(self) -> Any:
        """Its optimizer in torch; may be assigned.

        The rates of one that is assigned are its own: `optimizer.lr` is not read, and
        `training.lr_schedule` goes from what they are, kept as `initial_lr` of each group.
        """
        return self._in_torch().optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Any) -> None:
        held = self._in_torch()
        held.optimizer, held.is_given = optimizer, True

    def _in_torch(self) -> Held:
        if self.held.is_array:
            with self._held_lock:
                if self.held.is_array:
                    memory = self.memory()
                    self.held.to_torch()
                    self.remember(self.held.own(memory))
        return self.held

    def memory(self) -> dict[str, Any]:
        raise NotImplementedError

    def remember(self, memory: dict[str, Any]) -> None:
        raise NotImplementedError
