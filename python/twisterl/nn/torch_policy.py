"""Any torch module as a policy: the engine asks torch, once a batch.

>>> import torch
>>> from twisterl.envs import Puzzle
>>> from twisterl.nn import TorchPolicy
>>> class Net(torch.nn.Module):
...     def __init__(self):
...         super().__init__()
...         self.first, self.heads = torch.nn.Linear(81, 32), torch.nn.Linear(32, 5)
...     def forward(self, x):
...         outputs = self.heads(torch.tanh(self.first(x.flatten(1))))
...         return outputs[:, :4], outputs[:, 4]
>>> env = Puzzle(3, 3, 1, 2, 256)
>>> policy = TorchPolicy(Net(), env.obs_shape(), env.num_actions())
>>> len(policy.to_rust().predict(env.observe(), env.masks())[0])
4
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from twisterl import twisterl
from twisterl.envs.protocol import obs_dtype
from twisterl.nn.dense import as_floats, checked_dtype
from twisterl.nn.placed import Placed
from twisterl.nn.utils import Floats, array

_SIZES = ("obs_shape", "num_actions", "obs_dtype")


def sizes_of(module_cls: type) -> list[str]:
    """What the constructor of a module asks of its environment, in the constructor's order."""
    return [name for name in inspect.signature(module_cls).parameters if name in _SIZES]


class TorchPolicy(Placed):
    """A policy that is whatever `module` computes.

    The engine calls it for each batch of observations, on the module's device, and enters Python
    for that: several times slower than `BasicPolicy`, which the engine computes itself. A result's
    last bits may depend on the batch that an observation is in, so that runs are repeated bit for
    bit only with the same `num_cores`.

    Args:
        module: takes observations float32 `[B, *obs_shape]`, 0 and 1 where they are sparse and
            shares of 255 where they are bytes; returns logits `[B, A]` before any mask and values
            `[B]` or `[B, 1]`.
        obs_shape, num_actions: of the environment.
        obs_dtype: what its observations are made of: "sparse", "float32" or "uint8".

    Raises:
        TypeError: a `module` that is none.
        ValueError: an `obs_dtype` that is none of these.
    """

    num_twists = 0

    def __init__(
        self,
        module: torch.nn.Module,
        obs_shape: Sequence[int],
        num_actions: int,
        obs_dtype: str = "sparse",
    ) -> None:
        super().__init__()
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"policy: expected a torch.nn.Module, got {type(module).__name__}")
        self.module = module
        self.obs_shape = [int(side) for side in obs_shape]
        self.obs_size = math.prod(self.obs_shape)
        self.num_actions = int(num_actions)
        self.obs_dtype = checked_dtype(obs_dtype)
        self.obs_perms: list[list[int]] = []
        self.act_perms: list[list[int]] = []

    @classmethod
    def of(cls, module_cls: type, env: Any, arguments: dict[str, Any]) -> TorchPolicy:
        """The policy for `env` of a module that is made of `arguments`.

        It also gets those of `obs_shape`, `num_actions` and `obs_dtype` that its constructor names.
        """
        # torch would take the names, and refuse them in its own words and with its traceback.
        if arguments and inspect.signature(module_cls) == inspect.signature(torch.nn.Module):
            got = ", ".join(arguments)
            raise TypeError(f"policy: {module_cls.__name__} takes no arguments, got {got}")
        sizes = [env.obs_shape(), env.num_actions(), obs_dtype(env)]
        known = dict(zip(_SIZES, sizes, strict=True))
        asked = {name: known[name] for name in sizes_of(module_cls)}
        return cls(module_cls(**{**asked, **arguments}), *sizes)

    def forward(
        self, x: torch.Tensor, perm_indices: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [B, A] before any mask and values [B, 1] of observations as arrays.

        Args:
            x: [B, *obs_shape], or flattened to [B, F].
            perm_indices: not used; there are no twists.

        Raises:
            TypeError, ValueError: the module returns something else.
        """
        x = as_floats(x.reshape(-1, *self.obs_shape), self.obs_dtype)
        return _checked(self.module(x), x.shape[0], self.num_actions, type(self.module).__name__)

    def to_rust(self) -> twisterl.nn.Policy:
        """The engine's policy, which asks a copy of the module as it is now.

        Raises:
            TypeError, ValueError: the module returns no logits and values.
        """
        module = copy.deepcopy(self.module).eval().requires_grad_(False)
        evaluate = _Evaluate(module, self.num_actions)
        # What it returns is looked at before anything is played.
        evaluate(np.zeros((1, *self.obs_shape), np.float32))
        return twisterl.nn.Policy.from_torch(
            evaluate, self.obs_shape, self.num_actions, self.obs_dtype
        )


class _Evaluate:
    """What the engine calls; picklable, as its policy is."""

    def __init__(self, module: torch.nn.Module, num_actions: int) -> None:
        self.module, self.num_actions = module, num_actions
        parameter = next(iter(module.parameters()), None)
        self.device = None if parameter is None else parameter.device

    def __call__(self, observations: Floats) -> tuple[Floats, Floats]:
        x = torch.from_numpy(observations).to(self.device)
        with torch.inference_mode():
            told = self.module(x)
        name = type(self.module).__name__
        logits, values = _checked(told, len(observations), self.num_actions, name)
        return array(logits), array(values)


def _checked(
    told: Any, num_rows: int, num_actions: int, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    expected = f"{name}: expected (logits [{num_rows}, {num_actions}], values [{num_rows}])"
    if not isinstance(told, tuple) or not all(isinstance(part, torch.Tensor) for part in told):
        raise TypeError(f"{expected}, two tensors, got {type(told).__name__}")
    shapes = [list(part.shape) for part in told]
    if len(told) != 2 or shapes[0] != [num_rows, num_actions]:
        raise ValueError(f"{expected}, got tensors of {shapes}")
    if shapes[1] not in ([num_rows], [num_rows, 1]):
        raise ValueError(f"{expected}, got tensors of {shapes}")
    return told[0], told[1].reshape(num_rows, 1)
