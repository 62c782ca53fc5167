"""Policies: observation to action logits and a value.

Sparse observations are 0 everywhere but at their active features, which are 1: a batch names those
of row n as `indices[offsets[n]:offsets[n + 1]]`, the layout the collectors give. Dense ones are
numbers `[B, *obs_shape]`: floats, or bytes, which a network takes as shares of 255.

A twist is a symmetry of the environment, given as a pair of permutations: feature k of an
observation moves to `obs_perm[k]`, and `logits'[a] = logits[act_perm[a]]` leads the logits of the
moved observation back. Row n takes the twist `perm_indices[n]`, -1 for none; where a policy has
twists and none are named, each row draws one at random.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twisterl import twisterl
from twisterl.envs.protocol import ActSpace, num_outputs
from twisterl.nn import checked
from twisterl.nn.arrays import conv_positions, layer_sizes, require_squashable
from twisterl.nn.dense import as_floats
from twisterl.nn.heads import Head, head_of
from twisterl.nn.parts import checked_dtype, reading
from twisterl.nn.placed import Placed
from twisterl.nn.sparse import row_numbers, sparse_linear
from twisterl.nn.spec import RELU, Block, NetSpec, linear_blocks, require_described, to_engine
from twisterl.nn.twist_tables import TwistTables
from twisterl.nn.twists import checked_twists
from twisterl.nn.utils import (
    Floats,
    embeddingbag_to_rust,
    make_sequential,
    sequential_to_rust,
)

__all__ = [
    "BasicPolicy",
    "Conv1dPolicy",
    "Transpose",
    "embeddingbag_to_rust",
    "make_sequential",
    "sequential_to_rust",
]

# What computes the outputs: a subclass that changes one of these plays another network.
COMPUTING = ("forward", "forward_sparse", "_embed_dense", "_embed_sparse", "_heads")


class BasicPolicy(Placed):
    """Embedding, ReLU, shared layers, then one head for the logits and one for the value.

    Args:
        obs_shape: of an observation; F is its product.
        num_actions: A.
        embedding_size: width of the first layer.
        common_layers, policy_layers, value_layers: widths of the layers that both heads share and
            of those of each head alone.
        obs_perms: one permutation of 0..F a twist.
        act_perms: A actions in 0..A a twist, not necessarily a permutation; none: unchanged.
        device: where to put the parameters; None leaves them where torch makes them.
        obs_dtype: what the environment's observations are made of: "sparse", "float32" or "uint8";
            `env.obs_space()` where they have several parts, whose numbers are F then.
        act_space: what its actions are made of, `env.act_space()`; None: `num_actions` discrete
            ones. Where they are numbers, the outputs are the means of a normal distribution, and a
            parameter `log_std` holds the logarithms of its deviations.
        squash: whether numbers are tanh of what is drawn, stretched to their bounds, rather than
            moved to the nearest bound.

    Raises:
        ValueError: an `obs_dtype` or an `act_space` that is none; `squash` where actions are no
            numbers.
    """

    obs_shape: list[int]
    obs_size: int
    obs_dtype: Any
    num_actions: int
    obs_perms: list[list[int]]
    act_perms: list[list[int]]
    # Linear here, a Sequential in Conv1dPolicy.
    embeddings: Any
    common: torch.nn.Sequential
    action: torch.nn.Sequential
    value: torch.nn.Sequential

    def __init__(
        self,
        obs_shape: Sequence[int],
        num_actions: int,
        embedding_size: int,
        common_layers: Sequence[int] = (256,),
        policy_layers: Sequence[int] = (),
        value_layers: Sequence[int] = (),
        obs_perms: Sequence[Sequence[int]] = (),
        act_perms: Sequence[Sequence[int]] | None = (),
        device: str | torch.device | None = None,
        obs_dtype: Any = "sparse",
        act_space: ActSpace | None = None,
        squash: bool = False,
    ) -> None:
        super().__init__()
        self.obs_shape = [int(n) for n in obs_shape]
        self.obs_size = math.prod(self.obs_shape)
        self.obs_dtype = checked_dtype(obs_dtype)
        self.act_space = act_space or {"type": "discrete", "n": int(num_actions)}
        self.num_actions = num_outputs(self.act_space)
        self.squash = bool(squash)
        require_squashable(self.act_space, self.squash)
        self._arguments = {
            "embedding_size": int(embedding_size),
            "common_layers": [int(width) for width in common_layers],
            "policy_layers": [int(width) for width in policy_layers],
            "value_layers": [int(width) for width in value_layers],
            **({"squash": True} if squash else {}),
        }
        self.embeddings = self._make_embeddings(int(embedding_size))
        self.common = make_sequential(embedding_size, common_layers)
        width = common_layers[-1] if len(common_layers) else embedding_size
        self.action = make_sequential(width, (*policy_layers, self.num_actions), final_relu=False)
        self.value = make_sequential(width, (*value_layers, 1), final_relu=False)
        self.log_std: torch.nn.Parameter | None = None
        if self.act_space["type"] == "box":
            # Deviations of 1, where the bounds of an action are of that size.
            self.log_std = torch.nn.Parameter(torch.zeros(self.num_actions))
        self._twists = TwistTables()
        self.set_permutations(obs_perms, act_perms)
        if device is not None:
            self.to(device)

    def _make_embeddings(self, embedding_size: int) -> torch.nn.Module:
        return torch.nn.Linear(self.obs_size, embedding_size)

    @staticmethod
    def layer_sizes(
        obs_shape: Sequence[int], num_actions: int, arguments: Mapping[str, Any]
    ) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer that `arguments` of the constructor would make, at most.

        The first layer comes first; none where they do not say.
        """
        return layer_sizes(obs_shape, num_actions, arguments)

    def arguments(self) -> dict[str, Any]:
        """What the constructor was given besides the environment's sizes and twists."""
        return dict(self._arguments)

    @property
    def head(self) -> Head:
        """The distribution of actions that the outputs stand for."""
        return head_of(self.act_space, self.log_std, self.squash)

    @property
    def num_twists(self) -> int:
        """P, how many pairs of permutations there are."""
        return len(self.obs_perms)

    def set_permutations(
        self,
        obs_perms: Sequence[Sequence[int]],
        act_perms: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Replaces the twists; see the module's documentation for what they mean.

        Raises:
            ValueError: counts or lengths do not fit, an entry is out of range, or an observation
                permutation is not one.
        """
        self.obs_perms, self.act_perms = checked_twists(
            obs_perms, act_perms, self.obs_size, self.num_actions
        )
        self._twists.fill(self.obs_perms, self.act_perms, self.obs_size, self.num_actions)

    def _heads(
        self, embedded: torch.Tensor, twists: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        common = self.common(embedded.relu_())
        logits, values = self.action(common), self.value(common)
        return self._twists.led_back(logits, twists), values

    def forward(
        self, x: torch.Tensor, perm_indices: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [B, A] before any mask and values [B, 1] of observations as arrays.

        Args:
            x: `[B, *obs_shape]`, or flattened to [B, F] or [F]; 0 and 1 if observations are sparse,
                vectors [B, F] as of `twisterl.nn.parts` if they have several parts.
            perm_indices: int [B], the twist of each row, -1 for none; None draws them.

        Raises:
            ValueError: `x` has another shape.
        """
        x = as_floats(checked.rows("x", x, self.obs_shape), self.obs_dtype)
        twists = self._twists.rows(perm_indices, x.shape[0])
        return self._heads(self._embed_dense(self._twists.moved(x, twists)), twists)

    def forward_sparse(
        self,
        indices: torch.Tensor,
        offsets: torch.Tensor,
        perm_indices: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [N, A] before any mask and values [N, 1] of sparse observations.

        Args:
            indices: int32 or int64 [K], each in 0..F.
            offsets: int64 [N + 1], from 0 to K.
            perm_indices: int [N], the twist of each row, -1 for none; None draws them.
        """
        twists = self._twists.rows(perm_indices, offsets.shape[0] - 1)
        indices = self._twists.moved_sparse(indices, offsets, twists)
        return self._heads(self._embed_sparse(indices, offsets), twists)

    def _embed_dense(self, x: torch.Tensor) -> torch.Tensor:
        return self.embeddings(x)

    def _embed_sparse(self, indices: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return sparse_linear(self.embeddings.weight, self.embeddings.bias, indices, offsets)

    def predict(self, obs: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Action probabilities [A] and value [1] of one dense observation; all actions legal.

        Args:
            obs: numbers `[*obs_shape]`, or flattened to [F].

        Raises:
            ValueError: it has another number of them, as a list of active features has.
        """
        x = torch.as_tensor(np.asarray(obs), device=self.device).to(torch.float32)
        with torch.no_grad():
            logits, values = self.forward(x.reshape(1, -1))
        return torch.softmax(logits, dim=1)[0].cpu().numpy(), values[0].cpu().numpy()

    def net_spec(self) -> NetSpec:
        """The network as data, which is what the engine plays; see `twisterl.nn.spec`.

        Raises:
            TypeError: a layer that the engine does not play.
        """
        head = self.head.spec()
        return {
            "encoder": [*self._first_blocks(), RELU, *linear_blocks("common", self.common)],
            "action": linear_blocks("action", self.action),
            "value": linear_blocks("value", self.value),
            **({} if head is None else {"head": head}),
        }

    def _first_blocks(self) -> list[Block]:
        size = self.embeddings.out_features
        first = {"name": "embeddings", "features": self.obs_size, "out": size}
        if self.obs_dtype == "sparse":
            return [{"block": "bag", **first}]
        return [
            reading(self.obs_size, self.obs_dtype),
            {"block": "linear", "name": "embeddings", "inputs": self.obs_size, "out": size},
        ]

    def to_rust(self) -> twisterl.nn.Policy:
        """The engine's policy with the weights as they are now.

        Raises:
            TypeError: the engine would play another network than `forward` computes.
        """
        require_described(self, COMPUTING)
        return to_engine(self)


class Transpose(torch.nn.Module):
    """Swaps the last two axes of [B, X, Y]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2)


class Conv1dPolicy(BasicPolicy):
    """A BasicPolicy whose first layer is a convolution of kernel size 1 over one axis.

    Each position of the other axis has `embedding_size / positions` outputs of its own, from
    weights that all positions share. The weight appears in the state dict as `conv_layer.weight`
    and as `embeddings.{0|1}.weight`; either one is enough to load it.

    Args:
        obs_shape: two numbers.
        embedding_size: a multiple of the number of positions, `obs_shape[1 - conv_dim]`.
        conv_dim: the axis of the observation that is the convolution's channels.
        Others: as in BasicPolicy.

    Raises:
        ValueError: `obs_shape`, `conv_dim` or `embedding_size` do not fit.
    """

    def __init__(
        self,
        obs_shape: Sequence[int],
        num_actions: int,
        embedding_size: int,
        conv_dim: int = 0,
        common_layers: Sequence[int] = (256,),
        policy_layers: Sequence[int] = (),
        value_layers: Sequence[int] = (),
        obs_perms: Sequence[Sequence[int]] = (),
        act_perms: Sequence[Sequence[int]] | None = (),
        device: str | torch.device | None = None,
        act_space: ActSpace | None = None,
        squash: bool = False,
    ) -> None:
        conv_positions(obs_shape, conv_dim, embedding_size)
        self.conv_dim = conv_dim  # _make_embeddings needs it
        super().__init__(
            obs_shape,
            num_actions,
            embedding_size,
            common_layers,
            policy_layers,
            value_layers,
            obs_perms,
            act_perms,
            device,
            act_space=act_space,
            squash=squash,
        )
        self.conv_layer = self.embeddings[self.conv_dim]
        self.register_state_dict_post_hook(_give_the_copy_its_own_storage)
        self.register_load_state_dict_pre_hook(_fill_in_the_copy)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "conv_dim": self.conv_dim}

    def _make_embeddings(self, embedding_size: int) -> torch.nn.Module:
        channels, positions = self.obs_shape[self.conv_dim], self.obs_shape[1 - self.conv_dim]
        conv = torch.nn.Conv1d(channels, embedding_size // positions, kernel_size=1, bias=False)
        before = [Transpose()] if self.conv_dim == 1 else []
        return torch.nn.Sequential(*before, conv, Transpose(), torch.nn.Flatten())

    def _embed_dense(self, x: torch.Tensor) -> torch.Tensor:
        return self.embeddings(x.reshape(-1, *self.obs_shape))

    def _embed_sparse(self, indices: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        num_rows, positions = offsets.shape[0] - 1, self.obs_shape[1 - self.conv_dim]
        axes = (indices // self.obs_shape[1], indices % self.obs_shape[1])
        channel, position = axes[self.conv_dim], axes[1 - self.conv_dim]
        # One bag for each position of each row, most of them with a single channel.
        bag, order = torch.sort(row_numbers(offsets, indices.shape[0]) * positions + position)
        edges = torch.arange(num_rows * positions + 1, device=indices.device)
        bags = torch.searchsorted(bag, edges)
        weight = self.conv_layer.weight.squeeze(2)
        return sparse_linear(weight, None, channel[order], bags).reshape(num_rows, -1)

    def _first_blocks(self) -> list[Block]:
        block = {"block": "bag_conv1d", "name": f"embeddings.{self.conv_dim}"}
        size = self.conv_layer.out_channels
        return [{**block, "shape": self.obs_shape, "axis": self.conv_dim, "out": size}]


def _give_the_copy_its_own_storage(
    policy: Any, state_dict: dict[str, torch.Tensor], prefix: str, local_metadata: Any
) -> None:
    """safetensors refuses entries that share storage; a copy costs a few kilobytes."""
    key = f"{prefix}conv_layer.weight"
    if not state_dict[key].requires_grad:
        state_dict[key] = state_dict[key].clone()


def _fill_in_the_copy(
    policy: Any,
    state_dict: dict[str, torch.Tensor],
    prefix: str,
    local_metadata: Any,
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    """A file that holds the shared weight once is complete; two that differ are not one policy."""
    keys = [f"{prefix}conv_layer.weight", f"{prefix}embeddings.{policy.conv_dim}.weight"]
    present = [key for key in keys if key in state_dict]
    if len(present) == 1:
        state_dict.update({key: state_dict[present[0]] for key in keys})
    elif len(present) == 2 and not torch.equal(*(state_dict[key] for key in keys)):
        errors.append(f"{keys[0]} and {keys[1]} are one weight but have different values")
