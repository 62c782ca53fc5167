"""Policies over vectors, and over anything that is flattened to one.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace
>>> policy = ResidualPolicy(BoxSpace(-1, 1, 9), DiscreteSpace([0, 1, 2]), num_blocks=2)
>>> logits, value = policy(torch.zeros(5, 9))
>>> logits.shape, value.shape
(torch.Size([5, 3]), torch.Size([5, 1]))
"""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.actor_critic import ActorCritic, given
from twisterl.nn.cores import RecurrentCore
from twisterl.nn.encoders import AttentionEncoder, ResidualBlock, vector_encoder
from twisterl.nn.running_norm import RunningNorm
from twisterl.nn.spaces import action_space_of, flat_dim


class MLPPolicy(ActorCritic):
    """Two Linear layers with a ReLU each: the first example of PufferLib's guide.

    f [B, H] = ReLU(W2 ReLU(W1 x + b1) + b2), logits [B, A] = W f + b, value [B, 1] = v f + c.

    `BasicPolicy`, as the guide calls it, is TwisteRL's own.
    """

    def __init__(self, observation_space: Any, action_space: Any, hidden_size: int = 256) -> None:
        self._given = {"hidden_size": checked.integer("hidden_size", hidden_size)}
        super().__init__(
            vector_encoder(observation_space, (hidden_size, hidden_size)),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given


class ContinuousPolicy(MLPPolicy):
    """`MLPPolicy` of actions that are numbers: `forward` returns (mean, std, value).

    Actions are tanh of a normal, drawn or the likeliest alike: from -1 to 1. std is
    exp(`actor_logstd`), a parameter [1, A] that starts at 0.

    Raises:
        TypeError: an `action_space` of choices.
    """

    def __init__(self, observation_space: Any, action_space: Any, hidden_size: int = 256) -> None:
        if action_space_of("action_space", action_space)["type"] != "box":
            got = type(action_space).__name__
            raise TypeError(f"action_space: expected numbers in bounds, got {got}")
        super().__init__(observation_space, action_space, hidden_size)

    arguments = given


class ResidualPolicy(ActorCritic):
    """x [B, 256] = ReLU(Linear(obs)), then x + Linear(ReLU(Linear(x))) in each block.

    He et al., "Deep residual learning for image recognition", 3.

    Args:
        num_blocks: how many blocks.
        hidden_size: width of all of it.
    """

    def __init__(
        self,
        observation_space: Any,
        action_space: Any,
        num_blocks: int = 4,
        hidden_size: int = 256,
    ) -> None:
        self._given = {
            "num_blocks": checked.integer("num_blocks", num_blocks, 0),
            "hidden_size": checked.integer("hidden_size", hidden_size),
        }
        encoder = vector_encoder(observation_space, (hidden_size,))
        for _ in range(num_blocks):
            encoder.append(ResidualBlock(hidden_size))
        super().__init__(encoder, observation_space=observation_space, action_space=action_space)

    arguments = given


class AttentionPolicy(ActorCritic):
    """Self-attention over the tokens of an observation: its rows, or the numbers of a vector [D].

    `AttentionEncoder` has the equation; a token knows its place.
    The guide attends to one token, which makes attention a linear map.

    Args:
        d_model: width of a token, a multiple of `nhead`.
        nhead: attention heads.
    """

    def __init__(
        self, observation_space: Any, action_space: Any, d_model: int = 256, nhead: int = 8
    ) -> None:
        self._given = {"d_model": d_model, "nhead": nhead}
        super().__init__(
            AttentionEncoder(observation_space, d_model, nhead),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given


class NormalizedPolicy(ActorCritic):
    """`MLPPolicy` of (x - `obs_mean`) / (`obs_std` + 1e-8), of vectors x [B, F].

    The statistics are those of everything that `update_normalization` was given; they are buffers.
    """

    def __init__(self, observation_space: Any, action_space: Any, hidden_size: int = 256) -> None:
        self._given = {"hidden_size": checked.integer("hidden_size", hidden_size)}
        norm = RunningNorm(flat_dim("observation_space", observation_space))
        encoder = vector_encoder(observation_space, (hidden_size, hidden_size))
        # Behind what flattens.
        encoder.insert(1, norm)
        super().__init__(encoder, observation_space=observation_space, action_space=action_space)

    arguments = given

    @property
    def norm(self) -> RunningNorm:
        """The statistics."""
        found = self.encoder[1]  # type: ignore[index]
        return found

    @property
    def obs_mean(self) -> torch.Tensor:
        """The mean of every number of an observation, [F]."""
        return self.norm.mean

    @property
    def obs_std(self) -> torch.Tensor:
        """Their deviations [F], 1 where there is none."""
        return self.norm.std

    def update_normalization(self, observations: torch.Tensor) -> None:
        """Adds `observations` `[B, *shape]` to what the statistics are of."""
        self.norm.update(observations.reshape(-1, *self.norm.size))


class RecurrentActorCritic(ActorCritic):
    """A Linear with a ReLU, a memory, and the heads, of PufferLib's guide.

    f [B, I] = ReLU(W x + b), y [B, H], state [B, S] = core(f, state); the heads are of y.

    Args:
        core: "lstm", "gru" or "rnn".
        input_size: width of the encoder.
        hidden_size: width of the memory.
        num_layers: of the memory.
    """

    def __init__(
        self,
        observation_space: Any,
        action_space: Any,
        core: str = "lstm",
        input_size: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
    ) -> None:
        self._given = {
            "core": checked.choice("core", core, ("lstm", "gru", "rnn")),
            "input_size": checked.integer("input_size", input_size),
            "hidden_size": hidden_size,
            "num_layers": num_layers,
        }
        super().__init__(
            vector_encoder(observation_space, (input_size,)),
            RecurrentCore(core, input_size, hidden_size, num_layers),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given
