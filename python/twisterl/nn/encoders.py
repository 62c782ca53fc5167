"""From observations [N, *shape] to features [N, out_features].

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace
>>> ImpalaCNN(BoxSpace(0, 255, (3, 15, 15)))(torch.zeros(2, 3, 15, 15)).shape
torch.Size([2, 256])
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.init import layer_init
from twisterl.nn.observations import at, leaf_shape, leaves
from twisterl.nn.spaces import flat_dim, is_choice, shape_of


class VectorEncoder(nn.Sequential):
    """Flattened observations [N, F] through layers [N, width], each ReLU(W x + b)."""

    def __init__(self, observation_space: Any, widths: Sequence[int]) -> None:
        sizes = [flat_dim("observation_space", observation_space), *widths]
        super().__init__(nn.Flatten(), *_layers(sizes))
        self.out_features = sizes[-1]


def vector_encoder(observation_space: Any, widths: Sequence[int]) -> VectorEncoder:
    """A `VectorEncoder` of whole observations; ValueError for a choice, which has no axis."""
    if is_choice(observation_space) or not shape_of("observation_space", observation_space):
        kind = type(observation_space).__name__
        advice = "of a choice among n take a BoxSpace(0, 1, n), 1 at what is chosen"
        raise ValueError(f"observation_space: expected an array, got a {kind}; {advice}")
    return VectorEncoder(observation_space, widths)


class Pixels(nn.Module):
    """Pixels [...] as shares of 255; those of a space that ends at 1 are such already."""

    def __init__(self, observation_space: Any) -> None:
        super().__init__()
        high = getattr(observation_space, "bound_up", getattr(observation_space, "high", 255))
        self.scale = 1.0 if np.max(high) <= 1 else 255.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.scale == 1.0 else x / self.scale


class CNNEncoder(nn.Sequential):
    """Convolutions of the given (channels, kernel, stride) with a ReLU each, then flat.

    Args:
        observation_space: of images [C, H, W], bytes or floats up to 255, or up to 1.
        hidden_size: width of a last Linear with a ReLU; None for none.

    Raises:
        ValueError: no images, or too small ones.
    """

    def __init__(
        self,
        observation_space: Any,
        convolutions: Sequence[tuple[int, int, int]],
        hidden_size: int | None = None,
    ) -> None:
        shape = _image("observation_space", observation_space)
        layers: list[nn.Module] = [Pixels(observation_space)]
        channels = shape[0]
        for width, kernel, stride in convolutions:
            layers += [layer_init(nn.Conv2d(channels, width, kernel, stride)), nn.ReLU()]
            channels = width
        size = _flat_size(layers, shape)
        layers.append(nn.Flatten())
        if hidden_size is not None:
            layers += _layers([size, hidden_size])
            size = hidden_size
        super().__init__(*layers)
        self.out_features = size


class ImpalaCNN(nn.Sequential):
    """Stages of a 3 x 3 convolution, a max-pooling 3/2/1 and two residual blocks, then a Linear.

    A stage leads to ceil(H / 2) x ceil(W / 2). Espeholt et al., "IMPALA", figure 3.

    Args:
        observation_space: of images [C, H, W], as `CNNEncoder`.
        widths: channels of each stage.
        hidden_size: width of the last Linear.
    """

    def __init__(
        self,
        observation_space: Any,
        widths: Sequence[int] = (16, 32, 32),
        hidden_size: int = 256,
    ) -> None:
        shape = _image("observation_space", observation_space)
        layers: list[nn.Module] = [Pixels(observation_space)]
        channels = shape[0]
        for width in widths:
            layers += [layer_init(nn.Conv2d(channels, width, 3, padding=1))]
            layers += [nn.MaxPool2d(3, 2, 1), _ImageBlock(width), _ImageBlock(width)]
            channels = width
        size = _flat_size(layers, shape)
        layers += [nn.ReLU(), nn.Flatten(), *_layers([size, hidden_size])]
        super().__init__(*layers)
        self.out_features = hidden_size


class _ImageBlock(nn.Module):
    """x + Conv(ReLU(Conv(ReLU(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convolutions = [layer_init(nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(2)]
        self.block = nn.Sequential(nn.ReLU(), convolutions[0], nn.ReLU(), convolutions[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)


class ResidualBlock(nn.Module):
    """x + Linear(ReLU(Linear(x))) of vectors [..., dim]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        checked.integer("dim", dim)
        first, second = (layer_init(nn.Linear(dim, dim)) for _ in range(2))
        self.block = nn.Sequential(first, nn.ReLU(), second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., dim] of `x` [..., dim]."""
        return x + self.block(x)


class AttentionEncoder(nn.Module):
    """Tokens x [T, E] that attend to each other: ReLU(Linear(all numbers of x + MHA(x, x, x))).

    An observation [T, ...] is T tokens; one of [D] is D tokens of one number. A token is
    ReLU(Linear(numbers) + a learned vector of its place), without which attention knows no order.
    Vaswani et al., "Attention is all you need", 3.2.

    Args:
        d_model: width of the tokens, a multiple of `nhead`.
    """

    def __init__(self, observation_space: Any, d_model: int, nhead: int) -> None:
        super().__init__()
        shape = shape_of("observation_space", observation_space)
        self.out_features = checked.integer("d_model", d_model)
        if d_model % checked.integer("nhead", nhead):
            raise ValueError(f"d_model: expected a multiple of nhead {nhead}, got {d_model}")
        self.num_tokens = shape[0] if shape else 1
        self.embed = layer_init(nn.Linear(math.prod(shape[1:]), d_model))
        # As large as what the Linear makes of a one.
        self.place = nn.Parameter(torch.empty(self.num_tokens, d_model))
        nn.init.orthogonal_(self.place, math.sqrt(2))
        self.attention = nn.MultiheadAttention(d_model, nhead, batch_first=True)
        self.joined = layer_init(nn.Linear(self.num_tokens * d_model, d_model))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, d_model] of observations `[N, *shape]`."""
        tokens = self.embed(x.reshape(x.shape[0], self.num_tokens, -1)) + self.place
        tokens = tokens.relu()
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.joined((tokens + attended).flatten(1)).relu()


class MultiInputEncoder(nn.Module):
    """Images and vectors of a Dict space, each by an encoder of its own, joined: [N, 512]."""

    def __init__(self, observation_space: Any, width: int = 128, out_features: int = 512) -> None:
        super().__init__()
        found = list(leaves(observation_space))
        self.paths = [path for path, _ in found]
        self.are_numbers = [not leaf_shape(leaf) for _, leaf in found]
        self.encoders = nn.ModuleList(
            CNNEncoder(leaf, ((32, 8, 4), (64, 4, 2)))
            if len(leaf_shape(leaf)) == 3
            else VectorEncoder(leaf, (width,))
            for _, leaf in found
        )
        widths: list[Any] = [encoder.out_features for encoder in self.encoders]
        self.combiner = nn.Sequential(*_layers([sum(widths), out_features]))
        self.out_features = out_features

    def forward(self, obs: Any) -> torch.Tensor:
        parts = [at(obs, path) for path in self.paths]
        # A choice is one number.
        kinds = zip(parts, self.are_numbers, strict=True)
        parts = [part[:, None] if is_one else part for part, is_one in kinds]
        pairs = zip(self.encoders, parts, strict=True)
        return self.combiner(torch.cat([encoder(part) for encoder, part in pairs], -1))


def _layers(sizes: Sequence[int]) -> Iterator[nn.Module]:
    """Linear and ReLU for each size but the first."""
    for inputs, outputs in pairwise(sizes):
        yield layer_init(nn.Linear(inputs, checked.integer("width", outputs)))
        yield nn.ReLU()


def _image(name: str, space: Any) -> tuple[int, ...]:
    shape = shape_of(name, space)
    if len(shape) != 3:
        raise ValueError(f"{name}: expected images [channels, height, width], got {list(shape)}")
    return shape


def _flat_size(layers: Sequence[nn.Module], shape: Sequence[int]) -> int:
    """What `layers` make of an observation, found by a dry run."""
    with torch.no_grad():
        try:
            return nn.Sequential(*layers)(torch.zeros(1, *shape)).numel()
        except RuntimeError as error:
            got = f"got {list(shape)}"
            problem = f"observation_space: expected larger images, {got} ({error})"
            raise ValueError(problem) from None
