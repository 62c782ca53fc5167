"""What the engine asks of a module that torch plays: observations as arrays, outputs as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from twisterl.nn.parts import split
from twisterl.nn.utils import Floats, array


class Asked:
    """What the engine calls for a step of all lanes; picklable, as its policy is.

    Args:
        policy: a `TorchPolicy` whose module is nobody else's.
    """

    def __init__(self, policy: Any) -> None:
        self.policy, self.play = policy, policy._player()
        parameter = next(iter(policy.module.parameters()), None)
        self.device = (
            None if parameter is None or parameter.device.type == "cpu" else parameter.device
        )

    def first(self, observations: Floats, states: Floats | None) -> None:
        """Looks at what the module returns before anything is played."""
        x, state = self._tensors(observations, states)
        with torch.inference_mode():
            self.policy._told(x, state)

    def __call__(self, observations: Floats, states: Floats | None = None) -> tuple[Floats, ...]:
        # What is spared here counts: there is one entry a step. The engine looks at the shapes.
        x, state = self._tensors(observations, states)
        with torch.inference_mode():
            told = asked(self.play, self.policy.obs_dtype, x, state)
            if not are_tensors(told):
                self.policy._require_told(told, x, state)
            return tuple(map(_array, told))

    def _tensors(
        self, observations: Floats, states: Floats | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        x = torch.from_numpy(observations)
        state = None if states is None else torch.from_numpy(states)
        if self.device is not None:
            x = x.to(self.device)
            state = None if state is None else state.to(self.device)
        return x, state


def asked(
    play: Callable[..., Any], obs_dtype: Any, x: torch.Tensor, state: torch.Tensor | None
) -> Any:
    """Whatever a module returns."""
    seen = split(x, obs_dtype) if isinstance(obs_dtype, dict) else x
    return play(seen) if state is None else play(seen, state)


def are_tensors(told: Any) -> bool:
    return isinstance(told, tuple) and all(isinstance(part, torch.Tensor) for part in told)


def _array(tensor: torch.Tensor) -> Floats:
    """The values as float32, which are no copy where they are already."""
    if tensor.dtype is torch.float32 and tensor.device.type == "cpu" and not tensor.requires_grad:
        return tensor.numpy()
    return array(tensor)
