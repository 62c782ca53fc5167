"""What is asked of a module that torch plays, and whether its answers are any."""

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
        self.policy, self.play = policy, player(policy)
        parameter = next(iter(policy.module.parameters()), None)
        self.device = (
            None if parameter is None or parameter.device.type == "cpu" else parameter.device
        )

    def first(self, observations: Floats, states: Floats | None) -> None:
        """Looks at what the module returns before anything is played."""
        x, state = self._tensors(observations, states)
        with torch.inference_mode():
            answer(self.policy, x, state)

    def __call__(self, observations: Floats, states: Floats | None = None) -> tuple[Floats, ...]:
        # What is spared here counts: there is one entry a step. The engine looks at the shapes.
        x, state = self._tensors(observations, states)
        with torch.inference_mode():
            told = _asked(self.play, self.policy.obs_dtype, x, state)
            if not _are_tensors(told):
                _require_answer(self.policy, told, x, state)
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


def player(policy: Any) -> Callable[..., Any]:
    """What computes, of the module of a `TorchPolicy` or of what torch has compiled of it."""
    module = policy.compiled[0] if policy.compiled else policy.module
    return module if policy.method == "forward" else getattr(module, policy.method)


def answer(
    policy: Any, x: torch.Tensor, state: torch.Tensor | None = None
) -> tuple[torch.Tensor, ...]:
    """Logits [*, A], values [*] or [*, 1] and, of a module with memory, states [B, S].

    Args:
        policy: a `TorchPolicy`.
        x: observations `[*, *obs_shape]`, of an axis or two in front.
        state: [B, S], what was remembered before them.

    Raises:
        TypeError, ValueError: the module returns something else.
    """
    told = _asked(player(policy), policy.obs_dtype, x, state)
    _require_answer(policy, told, x, state)
    return told


def first_states(policy: Any, batch_size: int) -> torch.Tensor:
    """[B, S], what the module of a `TorchPolicy` remembers before an episode.

    Raises:
        ValueError: it is something else.
    """
    told: Any = policy.module.initial_state(batch_size)
    expected = [batch_size, policy.state_size]
    if not isinstance(told, torch.Tensor) or list(told.shape) != expected:
        got = list(told.shape) if isinstance(told, torch.Tensor) else type(told).__name__
        name = type(policy.module).__name__
        raise ValueError(f"{name}.initial_state: expected {expected}, got {got}")
    return told


def _asked(
    play: Callable[..., Any], obs_dtype: Any, x: torch.Tensor, state: torch.Tensor | None
) -> Any:
    """Whatever a module returns."""
    seen = split(x, obs_dtype) if isinstance(obs_dtype, dict) else x
    return play(seen) if state is None else play(seen, state)


def _are_tensors(told: Any) -> bool:
    return isinstance(told, tuple) and all(isinstance(part, torch.Tensor) for part in told)


def _require_answer(policy: Any, told: Any, x: torch.Tensor, state: torch.Tensor | None) -> None:
    lead = x.shape[: x.dim() - len(policy.obs_shape)]
    wanted = [(*lead, policy.num_actions), lead]
    if state is not None:
        wanted.append((lead[0], policy.state_size))
    named = zip(("logits", "values", "states"), wanted, strict=False)
    expected = f"expected ({', '.join(f'{name} {list(shape)}' for name, shape in named)})"
    expected = f"{type(policy.module).__name__}: {expected}"
    if not _are_tensors(told):
        count = "two" if state is None else "three"
        raise TypeError(f"{expected}, {count} tensors, got {type(told).__name__}")
    shapes = [tuple(part.shape) for part in told]
    if shapes[1:2] == [(*lead, 1)]:
        shapes[1] = lead
    if shapes != wanted:
        got = [list(part.shape) for part in told]
        raise ValueError(f"{expected}, got tensors of {got}")


def _array(tensor: torch.Tensor) -> Floats:
    """The values as float32, which are no copy where they are already."""
    if tensor.dtype is torch.float32 and tensor.device.type == "cpu" and not tensor.requires_grad:
        return tensor.numpy()
    return array(tensor)
