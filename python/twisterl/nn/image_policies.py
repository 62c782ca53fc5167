"""Policies over images, channels first, and over images with vectors.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, DiscreteSpace
>>> policy = CNNPolicy(BoxSpace(0, 255, (4, 84, 84)), DiscreteSpace([0, 1, 2]))
>>> policy(torch.zeros(2, 4, 84, 84, dtype=torch.uint8))[0].shape
torch.Size([2, 3])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisterl.nn.actor_critic import ActorCritic, given
from twisterl.nn.encoders import CNNEncoder, ImpalaCNN, MultiInputEncoder


class CNNPolicy(ActorCritic):
    """Convolutions 32 of 8/4, 64 of 4/2 and 64 of 3/1, and a Linear, with a ReLU each.

    Pixels are shares of 255; where the space ends at 1 they are such already. Mnih et al.,
    "Human-level control through deep reinforcement learning".

    Args:
        observation_space: of images [C, H, W], bytes or floats.
        hidden_size: width of the Linear.

    Raises:
        ValueError: no images, or smaller ones than 36 x 36.
    """

    def __init__(self, observation_space: Any, action_space: Any, hidden_size: int = 512) -> None:
        self._given = {"hidden_size": hidden_size}
        super().__init__(
            CNNEncoder(observation_space, ((32, 8, 4), (64, 4, 2), (64, 3, 1)), hidden_size),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given


class ImpalaPolicy(ActorCritic):
    """`ImpalaCNN` and the heads: of images [B, C, H, W] of any size logits [B, A], values [B, 1].

    Args:
        widths: channels of each stage.
        hidden_size: width of the last Linear.
    """

    def __init__(
        self,
        observation_space: Any,
        action_space: Any,
        widths: Sequence[int] = (16, 32, 32),
        hidden_size: int = 256,
    ) -> None:
        self._given = {"widths": list(widths), "hidden_size": hidden_size}
        super().__init__(
            ImpalaCNN(observation_space, widths, hidden_size),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given


class MultiInputPolicy(ActorCritic):
    """Of a Dict space: two convolutions for each image, Linear(128) for each vector, Linear(512).

    Images are leaves [B, C, H, W], vectors [B, ...]. Observations are dicts, nested as the space;
    f [B, 512] = ReLU(Linear(all their features)). From PufferLib's guide.
    """

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        self._given = {}
        super().__init__(
            MultiInputEncoder(observation_space),
            observation_space=observation_space,
            action_space=action_space,
        )

    arguments = given
