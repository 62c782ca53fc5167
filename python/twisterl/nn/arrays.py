"""The policies of this package without PyTorch: their description, and their weights as arrays.

>>> policy = ArrayPolicy("BasicPolicy", [3], 2, {"embedding_size": 4, "common_layers": []}, seed=0)
>>> {name: values.shape for name, values in policy.weights.items()}["embeddings.weight"]
(4, 3)

A seed gives the weights that it gives where PyTorch makes the policy, bit for bit on processors
with fused multiply-add: see `twisterl.nn.drawn`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl import twisterl
from twisterl.envs.protocol import ActSpace, num_outputs
from twisterl.nn.drawn import Generator
from twisterl.nn.parts import reading
from twisterl.nn.twists import checked_twists

Floats = npt.NDArray[np.float32]
Weights = dict[str, npt.NDArray[Any]]
Block = dict[str, Any]

_RELU: Block = {"block": "relu"}
# Each has its keys, and `conv_dim` where it is a convolution.
DESCRIBED = ("BasicPolicy", "Conv1dPolicy")


class ArrayPolicy:
    """A `BasicPolicy` or `Conv1dPolicy` whose weights are arrays.

    Args:
        name: which of the two.
        obs_shape, num_actions, obs_perms, act_perms, obs_dtype, act_space: as of `BasicPolicy`.
        arguments: the other arguments of its constructor.
        seed: of the weights.

    Attributes:
        weights: float32 by name, in the order of torch's parameters.
        generator: uint8 [5056], the state that torch's generator would have after drawing them.

    Raises:
        ValueError: what the class itself refuses.
    """

    def __init__(
        self,
        name: str,
        obs_shape: Sequence[int],
        num_actions: int,
        arguments: Mapping[str, Any],
        obs_perms: Sequence[Sequence[int]] = (),
        act_perms: Sequence[Sequence[int]] | None = (),
        obs_dtype: Any = "sparse",
        act_space: ActSpace | None = None,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.obs_shape = [int(side) for side in obs_shape]
        self.obs_size, self.obs_dtype = math.prod(self.obs_shape), obs_dtype
        self.act_space = act_space or {"type": "discrete", "n": int(num_actions)}
        self.num_actions = num_outputs(self.act_space)
        self._arguments = dict(arguments)
        squash = bool(arguments.get("squash"))
        require_squashable(self.act_space, squash)
        self._width = int(arguments["embedding_size"])
        self._conv_dim: int | None = None
        if name == "Conv1dPolicy":
            self._conv_dim = int(arguments.get("conv_dim", 0))
            conv_positions(self.obs_shape, self._conv_dim, self._width)
        self.obs_perms, self.act_perms = checked_twists(
            obs_perms, act_perms, self.obs_size, self.num_actions
        )
        self._head: Block | None = None
        if self.act_space["type"] == "multi_discrete":
            self._head = {"head": "product", "nvec": [int(n) for n in self.act_space["nvec"]]}
        elif self.act_space["type"] == "box":
            dim = {"dim": self.num_actions, "squash": squash}
            self._head = {"head": "normal", "name": "log_std", **dim}
        self.weights: Weights = {}
        self._draw(Generator(seed))

    @property
    def num_twists(self) -> int:
        return len(self.obs_perms)

    def named_parameters(self) -> Iterable[tuple[str, npt.NDArray[Any]]]:
        """The weights by name."""
        return self.weights.items()

    def arguments(self) -> dict[str, Any]:
        """What the constructor was given besides the environment's sizes and twists."""
        return dict(self._arguments)

    def _draw(self, generator: Generator) -> None:
        """Weights by the distributions of torch's layers, in the order in which it makes them."""
        if self._head is not None and self._head["head"] == "normal":
            self.weights["log_std"] = np.zeros(self.num_actions, np.float32)
        if self._conv_dim is not None:
            channels = self.obs_shape[self._conv_dim]
            shape = (self._width // self.obs_shape[1 - self._conv_dim], channels, 1)
            weight = generator.uniform(shape, channels)
            self.weights[f"embeddings.{self._conv_dim}.weight"] = weight
        else:
            self._draw_linear("embeddings", self.obs_size, self._width, generator)
        for stack in ("common", "action", "value"):
            for block in self._blocks(stack):
                if block != _RELU:
                    self._draw_linear(block["name"], block["inputs"], block["out"], generator)
        self.generator = generator.torch_state()

    def _draw_linear(self, name: str, inputs: int, out: int, generator: Generator) -> None:
        self.weights[f"{name}.weight"] = generator.uniform((out, inputs), inputs)
        self.weights[f"{name}.bias"] = generator.uniform((out,), inputs)

    def _blocks(self, stack: str) -> list[Block]:
        """The linear layers of a stack, each with its ReLU; that of a head ends without one."""
        common = [self._width, *self._arguments.get("common_layers", ())]
        widths = {
            "common": common,
            "action": [common[-1], *self._arguments.get("policy_layers", ()), self.num_actions],
            "value": [common[-1], *self._arguments.get("value_layers", ()), 1],
        }[stack]
        blocks: list[Block] = []
        for place, (inputs, out) in enumerate(pairwise(widths)):
            name = f"{stack}.{2 * place}"
            blocks += [{"block": "linear", "name": name, "inputs": inputs, "out": out}, _RELU]
        return blocks if stack == "common" else blocks[:-1]

    def net_spec(self) -> dict[str, Any]:
        """The network as data; see `twisterl.nn.spec`."""
        return {
            "encoder": [*self._first_blocks(), _RELU, *self._blocks("common")],
            "action": self._blocks("action"),
            "value": self._blocks("value"),
            **({} if self._head is None else {"head": self._head}),
        }

    def _first_blocks(self) -> list[Block]:
        if self._conv_dim is not None:
            block = {"block": "bag_conv1d", "name": f"embeddings.{self._conv_dim}"}
            out = self._width // self.obs_shape[1 - self._conv_dim]
            return [{**block, "shape": self.obs_shape, "axis": self._conv_dim, "out": out}]
        named = {"name": "embeddings"}
        if self.obs_dtype == "sparse":
            return [{"block": "bag", **named, "features": self.obs_size, "out": self._width}]
        return [
            reading(self.obs_size, self.obs_dtype),
            {"block": "linear", **named, "inputs": self.obs_size, "out": self._width},
        ]

    def to_rust(self) -> twisterl.nn.Policy:
        """The engine's policy with the weights as they are now."""
        return twisterl.nn.Policy.from_spec(*self.engine_parts())

    def engine_parts(self) -> tuple[str, Weights, Any, Any]:
        """What the engine makes its policy of: description, arrays by name, and permutations."""
        return json.dumps(self.net_spec()), dict(self.weights), self.obs_perms, self.act_perms

    def state_dict(self) -> Weights:
        """The parameters under all names that they have in torch's `state_dict`."""
        if self._conv_dim is None:
            return dict(self.weights)
        return {**self.weights, "conv_layer.weight": self.weights[self._convolution]}

    @property
    def _convolution(self) -> str:
        return f"embeddings.{self._conv_dim}.weight"

    def load_state_dict(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes a copy of `weights`, whose names and shapes are those of `state_dict`.

        Raises:
            ValueError: two names of one weight have different values.
        """
        found = dict(weights)
        if self._conv_dim is not None and "conv_layer.weight" in found:
            other = found.pop("conv_layer.weight")
            if not np.array_equal(other, found.setdefault(self._convolution, other)):
                names = f"conv_layer.weight and {self._convolution}"
                raise ValueError(f"{names} are one weight but have different values")
        for name in self.weights:
            self.weights[name] = np.array(found[name], np.float32, order="C")


def layer_sizes(
    obs_shape: Sequence[int], num_actions: int, arguments: Mapping[str, Any]
) -> list[tuple[int, int]]:
    """(inputs, outputs) of each layer that `arguments` of a policy would make, at most.

    The first layer comes first; none where they do not say.
    """
    first, common = arguments.get("embedding_size"), arguments.get("common_layers") or []
    widths = [math.prod(map(int, obs_shape)), first, *common]
    if not all(isinstance(width, int) for width in widths):
        return []
    sizes = list(pairwise(widths))
    for key, outputs in (("policy_layers", num_actions), ("value_layers", 1)):
        sizes += pairwise([widths[-1], *(arguments.get(key) or []), outputs])
    return sizes


def require_squashable(act_space: ActSpace, squash: bool) -> None:
    """Raises ValueError for a `squash` of actions that are no numbers."""
    if squash and act_space["type"] != "box":
        raise ValueError("squash: expected false, for actions are not numbers, got true")


def conv_positions(obs_shape: Sequence[int], conv_dim: int, embedding_size: int) -> int:
    """How many positions a convolution over `conv_dim` has; ValueError if the sizes do not fit."""
    if len(obs_shape) != 2:
        raise ValueError(f"obs_shape: expected two numbers, got {list(obs_shape)}")
    if conv_dim not in (0, 1):
        raise ValueError(f"conv_dim: expected 0 or 1, got {conv_dim!r}")
    positions = obs_shape[1 - conv_dim]
    if embedding_size % positions:
        raise ValueError(
            f"embedding_size: expected a multiple of {positions}, got {embedding_size}"
        )
    return positions
