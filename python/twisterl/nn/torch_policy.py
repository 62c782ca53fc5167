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
import inspect
import json
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from twisterl import twisterl
from twisterl.envs.protocol import act_space, num_outputs, obs_dtype
from twisterl.nn.asked import Asked, are_tensors, asked
from twisterl.nn.compared import require_equal
from twisterl.nn.dense import as_floats
from twisterl.nn.describing import NotDescribed, describe, uncompiled
from twisterl.nn.heads import Categorical, Head
from twisterl.nn.parts import checked_dtype, module_of_vectors
from twisterl.nn.placed import Placed
from twisterl.nn.policy_core import PolicyActorCritic, actor_critic_of
from twisterl.nn.recurrent import RecurrentPolicy
from twisterl.nn.spaces import DiscreteSpace, EnvSpec, action_space_from, observation_space_from
from twisterl.nn.spec import NetSpec, plain_name, to_engine
from twisterl.nn.utils import array

_logger = logging.getLogger("twisterl")

_SIZES = ("obs_shape", "num_actions", "obs_dtype", "observation_space", "action_space", "spec")


def sizes_of(module_cls: type) -> list[str]:
    """What the constructor of a module asks of its environment, in the constructor's order."""
    return [name for name in inspect.signature(module_cls).parameters if name in _SIZES]


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
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"policy: expected a torch.nn.Module, got {type(module).__name__}")
        if isinstance(module, RecurrentPolicy):
            seen = observation_space_from(obs_shape, obs_dtype)
            acts = DiscreteSpace(np.arange(num_actions))
            module = PolicyActorCritic(seen, acts, module)
        # A wrapper of torch.compile computes; what it wraps has the parameters under their names.
        self._compiled = (module,) if uncompiled(module, parts=False) is not module else ()
        self.module = uncompiled(module, parts=False)
        self.register_state_dict_post_hook(_with_plain_names)
        self.register_load_state_dict_pre_hook(_with_own_names)
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
            got = f"got {self._name()} of {self.head.num_outputs}"
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
        sizes = [env.obs_shape(), num_outputs(act_space(env)), obs_dtype(env)]
        seen: Any = observation_space_from(env.obs_shape(), obs_dtype(env))
        acts: Any = action_space_from(act_space(env))
        if _is_pyrados(module_cls):
            return cls(actor_critic_of(module_cls, EnvSpec(seen, acts), arguments), *sizes)
        # torch would take the names, and refuse them in its own words and with its traceback.
        if arguments and inspect.signature(module_cls) == inspect.signature(torch.nn.Module):
            got = ", ".join(arguments)
            raise TypeError(f"policy: {module_cls.__name__} takes no arguments, got {got}")
        if hasattr(module_cls, "spaces_of_one"):
            seen, acts = module_cls.spaces_of_one(seen, acts, arguments.get("num_agents"))
        known = dict(zip(_SIZES, [*sizes, seen, acts, EnvSpec(seen, acts)], strict=True))
        asked = {name: known[name] for name in sizes_of(module_cls)}
        made: Any = module_cls
        return cls(made(**{**asked, **arguments}), *sizes)

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
            TypeError, ValueError: the module returns something else.
        """
        x = self._floats(x, [-1])
        state = self._initial_states(x) if self.state_size else None
        logits, values = self._ask(x, state)[:2]
        return logits, values

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
        logits, values, after = self._ask(self._floats(x, list(x.shape[:2])), state)
        return logits, values[..., 0], after

    def net_spec(self) -> NetSpec:
        """The description of the module, whose parameters are called as here.

        Raises:
            NotDescribed: the engine does not have one of its layers.
        """
        now = _structure(self.module)
        if self.state_size:
            now.append(self.module.initial_state(1).tolist())  # type: ignore[operator]
        if self._known is None or self._known[0] != now:
            try:
                module, prefix, method = self.of_arrays(self.module)
                spec: NetSpec | str = describe(
                    module, self.obs_shape, self.obs_dtype, prefix, method
                )
                spec = {**spec, **self._head_spec()}  # type: ignore[dict-item]
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
            raise NotDescribed(f"{self._name()} remembers what has several parts")
        return module_of_vectors(module, self.obs_dtype, self.method), "", "forward"

    def _head_spec(self) -> NetSpec:
        head = self.head.spec()
        if head is None:
            return {}
        named = {"name": f"module.{head['name']}"} if "name" in head else {}
        return {"head": {**head, **named}}

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
        told._compiled = ()
        told._modules = {"module": copy.deepcopy(self.module).eval().requires_grad_(False)}
        evaluate = Asked(told)
        first, initial = np.zeros((1, *self.obs_shape), np.float32), None
        if self.state_size:
            initial = array(told._initial_states(torch.from_numpy(first)))
        evaluate.first(first, initial)
        return twisterl.nn.Policy.from_torch(
            evaluate,
            self.obs_shape,
            self.num_actions,
            self.obs_dtype,
            None if initial is None else initial[0],
            self._head_as_told(),
        )

    def _head_as_told(self) -> str | None:
        """The head in JSON as the engine has it, with its numbers."""
        told = self.head.spec()
        if told is None or told["head"] != "normal":
            return None if told is None else json.dumps(told)
        log_std = self.head.log_std.tolist()  # type: ignore[attr-defined]
        return json.dumps({"head": "normal", "log_std": log_std, "squash": told["squash"]})

    def _floats(self, x: torch.Tensor, lead: list[int]) -> torch.Tensor:
        return as_floats(x.reshape(*lead, *self.obs_shape), self.obs_dtype)

    def _initial_states(self, x: torch.Tensor) -> torch.Tensor:
        told: Any = self.module.initial_state(x.shape[0])  # type: ignore[operator]
        expected = [x.shape[0], self.state_size]
        if not isinstance(told, torch.Tensor) or list(told.shape) != expected:
            got = list(told.shape) if isinstance(told, torch.Tensor) else type(told).__name__
            raise ValueError(f"{self._name()}.initial_state: expected {expected}, got {got}")
        return told

    def _name(self) -> str:
        return type(self.module).__name__

    def _ask(self, x: torch.Tensor, state: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Logits [*, A], values [*, 1] and, of a module with memory, states [B, S]."""
        logits, values, *states = self._told(x, state)
        return (logits, values.reshape(*logits.shape[:-1], 1), *states)

    def _told(self, x: torch.Tensor, state: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """As `_ask`, of a step of all lanes: values [*] or [*, 1]."""
        told = asked(self._player(), self.obs_dtype, x, state)
        self._require_told(told, x, state)
        return told

    def _require_told(self, told: Any, x: torch.Tensor, state: torch.Tensor | None) -> None:
        """Refuses what is no answer for observations `x` and what was remembered before them."""
        lead = x.shape[: x.dim() - len(self.obs_shape)]
        wanted = [(*lead, self.num_actions), lead]
        if state is not None:
            wanted.append((lead[0], self.state_size))
        if not are_tensors(told):
            count = "two" if state is None else "three"
            raise TypeError(f"{self._expected(wanted)}, {count} tensors, got {type(told).__name__}")
        shapes = [tuple(part.shape) for part in told]
        if shapes[1:2] == [(*lead, 1)]:
            shapes[1] = lead
        if shapes != wanted:
            got = [list(part.shape) for part in told]
            raise ValueError(f"{self._expected(wanted)}, got tensors of {got}")

    def _player(self) -> Callable[..., Any]:
        """What computes, of the module or of what torch has compiled of it."""
        module = self._compiled[0] if self._compiled else self.module
        return module if self.method == "forward" else getattr(module, self.method)

    def _expected(self, wanted: list[tuple[int, ...]]) -> str:
        named = zip(("logits", "values", "states"), wanted, strict=False)
        return f"{self._name()}: expected ({', '.join(f'{n} {list(s)}' for n, s in named)})"


def _is_pyrados(module_cls: type) -> bool:
    return issubclass(module_cls, RecurrentPolicy)


def _structure(module: torch.nn.Module) -> list[Any]:
    """What decides the layers and their order, but for the weights."""
    return [
        (
            name,
            type(part),
            {key: value for key, value in vars(part).items() if _is_plain(value)},
            (bool(part._forward_hooks), bool(part._forward_pre_hooks), "forward" in vars(part)),
        )
        for name, part in module.named_modules()
    ]


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str, type(None)))


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
