"""Any torch module as a policy: played by the engine where it has the layers, else by torch.

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
import json
import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from twisterl import twisterl
from twisterl.nn import checked
from twisterl.nn.asked import Asked, answer, first_states
from twisterl.nn.compared import require_equal
from twisterl.nn.dense import as_floats
from twisterl.nn.describing import NotDescribed, describe, uncompiled
from twisterl.nn.heads import Categorical, Head
from twisterl.nn.made_for import made_for
from twisterl.nn.parts import checked_dtype, module_of_vectors
from twisterl.nn.placed import Placed
from twisterl.nn.plain_names import keep_plain_names
from twisterl.nn.policy_core import PolicyActorCritic
from twisterl.nn.recurrent import RecurrentPolicy
from twisterl.nn.spaces import DiscreteSpace, observation_space_from
from twisterl.nn.spec import NetSpec, to_engine
from twisterl.nn.structure import structure
from twisterl.nn.utils import array

_logger = logging.getLogger("twisterl")


class TorchPolicy(Placed):
    """A policy that is whatever `module` computes.

    Where the engine has all its layers (`twisterl.nn.describe`), it plays the module itself, and
    trains it. Otherwise a message says once which layer it does not have, and the engine calls the
    module for each batch of observations, on the module's device, and enters Python for that:
    several times slower. A result's last bits may then depend on the batch that an observation is
    in; one thread plays with it, so that a run is repeated bit for bit whatever `num_cores` says.

    Args:
        module: a recurrent policy of `twisterl.nn`, which gets heads, or any module that
            takes observations float32 `[B, *obs_shape]`, 0 and 1 where they are sparse and
            shares of 255 where they are bytes, or a dictionary of such where they have several
            parts; returns logits `[B, A]` before any mask and values `[B]` or `[B, 1]`.
        obs_shape, num_actions: of the environment.
            One that remembers has a `state_size` S above 0 and an `initial_state(batch_size)`
            `[B, S]`; it is called with observations, or with sequences of them
            `[B, T, *obs_shape]`, and with the state before, and returns logits and values of all
            of them, `[B, T, A]` and `[B, T]`, and the state after, `[B, S]`.
            One whose actions are no single choice has a `head` of `twisterl.nn.heads`, and
            `outputs(...)`, which is called in place of it and returns the flat outputs.
        obs_dtype: what its observations are made of: "sparse", "float32" or "uint8", or
            `env.obs_space()` where they have several parts.

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
        obs_dtype: Any = "sparse",
    ) -> None:
        super().__init__()
        checked.module("policy", module)
        if isinstance(module, RecurrentPolicy):
            seen = observation_space_from(obs_shape, obs_dtype)
            acts = DiscreteSpace(np.arange(num_actions))
            module = PolicyActorCritic(seen, acts, module)
        # A wrapper of torch.compile computes; what it wraps has the parameters under their names.
        self.compiled = (module,) if uncompiled(module, parts=False) is not module else ()
        self.module = uncompiled(module, parts=False)
        keep_plain_names(self)
        self._known: tuple[Any, NetSpec | str] | None = None
        self._compared: NetSpec | None = None
        self._said: str | None = None
        self.obs_shape = [int(side) for side in obs_shape]
        self.obs_size = math.prod(self.obs_shape)
        self.num_actions = int(num_actions)
        self.obs_dtype = checked_dtype(obs_dtype)
        self.state_size = int(getattr(self.module, "state_size", 0))
        if self.head.num_outputs != self.num_actions:
            expected = f"actions of {self.num_actions} outputs, as the environment has"
            got = f"got {type(self.module).__name__} of {self.head.num_outputs}"
            raise ValueError(f"policy: expected {expected}, {got}")
        self.obs_perms: list[list[int]] = []
        self.act_perms: list[list[int]] = []

    @classmethod
    def of(cls, module_cls: type, env: Any, arguments: dict[str, Any]) -> TorchPolicy:
        """The policy for `env` of a module that is made of `arguments`.

        It also gets those of `obs_shape`, `num_actions`, `obs_dtype`, `observation_space`,
        `action_space` and `spec` that its constructor names, the last three as
        `twisterl.nn.spaces` has them.
        """
        return cls(*made_for(module_cls, env, arguments))

    @property
    def head(self) -> Head:
        """The distribution that the outputs stand for: the module's own, if it has one."""
        return getattr(self.module, "head", None) or Categorical(self.num_actions)

    @property
    def method(self) -> str:
        """What of the module computes: `outputs`, if it has that."""
        return "outputs" if hasattr(self.module, "outputs") else "forward"

    def forward(
        self, x: torch.Tensor, perm_indices: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [B, A] before any mask and values [B, 1] of observations as arrays.

        Args:
            x: `[B, *obs_shape]`, or flattened to [B, F].
            perm_indices: not used; there are no twists.

        Raises:
            TypeError, ValueError: the module returns something else, or `x` has another shape.
        """
        x = self._floats(checked.rows("x", x, self.obs_shape), [-1])
        state = first_states(self, len(x)) if self.state_size else None
        logits, values = answer(self, x, state)[:2]
        return logits, values.reshape(-1, 1)

    def forward_sequences(
        self, x: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits [Q, T, A], values [Q, T] and states [Q, S] of observations in their order.

        Args:
            x: [Q, T, F].
            state: float32 [Q, S], what is remembered before the first of each.

        Raises:
            TypeError, ValueError: as `forward`.
        """
        lead = list(x.shape[:2])
        logits, values, after = answer(self, self._floats(x, lead), state)
        return logits, values.reshape(lead), after

    def net_spec(self) -> NetSpec:
        """The description of the module, whose parameters are called as here.

        Raises:
            NotDescribed: the engine does not have one of its layers.
        """
        now = structure(self.module)
        if self._known is None or self._known[0] != now:
            try:
                module, prefix, method = self.of_arrays(self.module)
                spec: NetSpec | str = describe(
                    module, self.obs_shape, self.obs_dtype, prefix, method
                )
                spec = {**spec, **_head_spec(self.head)}  # type: ignore[dict-item]
            except NotDescribed as error:
                spec = str(error)
            self._known = now, spec
        if isinstance(self._known[1], str):
            raise NotDescribed(self._known[1])
        return self._known[1]

    @property
    def is_described(self) -> bool:
        """Whether the engine has all its layers."""
        try:
            self.net_spec()
        except NotDescribed:
            return False
        return True

    def of_arrays(self, module: torch.nn.Module) -> tuple[torch.nn.Module, str, str]:
        """`module`, this one's or a copy, as it takes observations `[B, *obs_shape]`.

        Returns:
            Also what is in front of its parameters' names to make them those of this policy, and
            the method that computes.

        Raises:
            NotDescribed: it remembers, and its observations have several parts.
        """
        if not isinstance(self.obs_dtype, dict):
            return module, "module.", self.method
        if self.state_size:
            raise NotDescribed(f"{type(self.module).__name__} remembers what has several parts")
        return module_of_vectors(module, self.obs_dtype, self.method), "", "forward"

    def to_rust(self) -> twisterl.nn.Policy:
        """The engine's policy of the module as it is now: its own, or one that asks a copy of it.

        Raises:
            TypeError, ValueError: the module returns no logits and values.
            RuntimeError: the engine computes something else than the module, which is named.
        """
        try:
            spec = self.net_spec()
        except NotDescribed as error:
            asking = self.asking_torch()
            if self._said != str(error):
                self._said = str(error)
                _logger.warning("policy: torch plays it, for the engine does not: %s", error)
            return asking
        if self._compared == spec:
            return to_engine(self, spec)
        # What the module returns is looked at first.
        self.asking_torch()
        engine = to_engine(self, spec)
        require_equal(self, engine)
        self._compared = spec
        return engine

    def asking_torch(self) -> twisterl.nn.Policy:
        """The engine's policy that asks a copy of the module, whatever its layers are.

        Raises:
            TypeError, ValueError: the module returns no logits and values.
        """
        told = copy.copy(self)
        told.compiled = ()
        told._modules = {"module": copy.deepcopy(self.module).eval().requires_grad_(False)}
        evaluate = Asked(told)
        first, initial = np.zeros((1, *self.obs_shape), np.float32), None
        if self.state_size:
            initial = array(first_states(told, 1))
        evaluate.first(first, initial)
        return twisterl.nn.Policy.from_torch(
            evaluate,
            self.obs_shape,
            self.num_actions,
            self.obs_dtype,
            None if initial is None else initial[0],
            _head_as_told(self.head),
        )

    def _floats(self, x: torch.Tensor, lead: list[int]) -> torch.Tensor:
        return as_floats(x.reshape(*lead, *self.obs_shape), self.obs_dtype)


def _head_spec(head: Head) -> NetSpec:
    """What a description says of it; nothing of a categorical one."""
    told = head.spec()
    if told is None:
        return {}
    named = {"name": f"module.{told['name']}"} if "name" in told else {}
    return {"head": {**told, **named}}


def _head_as_told(head: Head) -> str | None:
    """The head in JSON as the engine has it, with its numbers."""
    told = head.spec()
    if told is None or told["head"] != "normal":
        return None if told is None else json.dumps(told)
    log_std = head.log_std.tolist()  # type: ignore[attr-defined]
    return json.dumps({"head": "normal", "log_std": log_std, "squash": told["squash"]})
