"""Layers of one scale an element, and mirrored convolutions.

>>> import torch
>>> layer = IndiNonlinLayer(2, [torch.tanh, torch.sigmoid], bias=True)
>>> layer(torch.zeros(3, 2)).tolist()[0]
[0.0, 0.5]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked

Nonlinearity = Callable[[torch.Tensor], torch.Tensor]


class IndiNonlinLayer(nn.Module):
    """f(w * (x + b)) of vectors [..., n], w and b [n] one number an element.

    Older versions of Pyrado compute f(exp(w) * (x - b)).

    Args:
        in_features: n.
        nonlin: f, or a list of n functions, one an element.
        bias: whether there is a b, 0 at the start.
        weight: whether there is a w, 1 at the start.

    Raises:
        TypeError: `nonlin` is no function.
        ValueError: a list of another length.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        nonlin: Nonlinearity | Sequence[Nonlinearity],
        bias: bool,
        weight: bool = True,
    ) -> None:
        super().__init__()
        self.in_features = checked.integer("in_features", in_features)
        self.nonlin = functions("nonlin", nonlin, in_features)
        self.weight = nn.Parameter(torch.ones(in_features)) if weight else None
        self.bias = nn.Parameter(torch.zeros(in_features)) if bias else None

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, bias={self.bias is not None}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., n] of `x` [..., n]."""
        checked.last_axis("x", x, self.in_features)
        if self.bias is not None:
            x = x + self.bias
        if self.weight is not None:
            x = x * self.weight
        if not isinstance(self.nonlin, (list, tuple)):
            return self.nonlin(x)
        return torch.stack([f(x[..., i]) for i, f in enumerate(self.nonlin)], -1)


def functions(name: str, value: Any, count: int) -> Any:
    """`value`, which must be a function or a list of `count`."""
    if isinstance(value, (list, tuple)) and len(value) != count:
        raise ValueError(f"{name}: expected {count} functions, got {len(value)}")
    for each in value if isinstance(value, (list, tuple)) else [value]:
        checked.function(name, each)
    return value


class MirrConv1d(nn.Conv1d):
    """A convolution of [B, C, T] whose kernel is symmetric: its first ceil(k / 2) taps are kept.

    The arguments are those of torch's Conv1d, but there is no bias by default. "circular" adds
    `padding` in all, half of it at each side, so that `padding=k - 1` keeps the length.

    Args:
        padding_mode: "circular", "zeros" or "reflect".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        padding_mode: str = "zeros",
    ) -> None:
        checked.choice("padding_mode", padding_mode, ("circular", "zeros", "reflect"))
        checked.integer("kernel_size", kernel_size)
        checked.integer("padding", padding, 0)
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        super().__init__(*sizes, padding_mode=padding_mode)  # type: ignore[arg-type]
        half = (kernel_size + 1) // 2
        self.weight = nn.Parameter(self.weight.detach()[..., :half].clone())

    def kernel(self) -> torch.Tensor:
        """The whole kernel [out, in / groups, k]."""
        mirrored = self.weight[..., : self.kernel_size[0] // 2].flip(-1)
        return torch.cat((self.weight, mirrored), -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, out_channels, L'] of `x` [N, in_channels, L]."""
        # For torch's own type the padding is a tuple of one number.
        size = int(self.padding[0])
        if self.padding_mode == "circular":
            x = nn.functional.pad(x, (size // 2, size - size // 2), mode="circular")
        elif self.padding_mode == "reflect":
            x = nn.functional.pad(x, (size, size), mode="reflect")
        inside = size if self.padding_mode == "zeros" else 0
        return nn.functional.conv1d(
            x, self.kernel(), self.bias, self.stride, inside, self.dilation, self.groups
        )
