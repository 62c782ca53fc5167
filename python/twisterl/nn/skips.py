"""Modules in a row, each with a skip connection around it.

>>> import torch
>>> skip = SequentialSkipConnection(4, kind="residual")
>>> skip.append(torch.nn.Linear(4, 4))
1
>>> skip(torch.zeros(2, 4), torch.ones(2, 4)).shape
torch.Size([2, 4])
"""

from __future__ import annotations

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.masking import skip_connection

KINDS = ("cat", "residual", None)


class SequentialSkipConnection(nn.Module):
    """y = skip(x, y), then y = skip(y, module(y)) for each module that was appended. rl8's.

    With "cat" a Linear(2 E, E) follows every skip.

    Args:
        embed_dim: E.
        kind: "cat", "residual", or None for no skips.

    Raises:
        ValueError: another `kind`.
    """

    def __init__(self, embed_dim: int, kind: str | None = "cat") -> None:
        super().__init__()
        self.embed_dim = checked.integer("embed_dim", embed_dim)
        self.kind = checked.choice("kind", kind, KINDS)
        self.blocks = nn.ModuleList()
        # One for every skip, where two widths become one.
        self.narrow = nn.ModuleList([self._narrowing()])

    @property
    def in_features(self) -> int:
        """E."""
        return self.embed_dim

    @property
    def out_features(self) -> int:
        """E."""
        return self.embed_dim

    def append(self, module: nn.Module) -> int:
        """Adds a `module` from [..., E] to [..., E]; returns how many there are."""
        checked.module("module", module)
        self.blocks.append(module)
        own = next(self.narrow.parameters(), None)
        self.narrow.append(self._narrowing() if own is None else self._narrowing().to(own))
        return len(self.blocks)

    def forward(self, x: torch.Tensor, y: torch.Tensor, /) -> torch.Tensor:
        """[..., E] of `x` and `y` [..., E]."""
        checked.last_axis("x", x, self.embed_dim)
        checked.last_axis("y", y, self.embed_dim)
        y = self.narrow[0](skip_connection(x, y, kind=self.kind))
        for block, narrow in zip(self.blocks, list(self.narrow)[1:], strict=True):
            y = narrow(skip_connection(y, block(y), kind=self.kind))
        return y

    def _narrowing(self) -> nn.Module:
        width = self.embed_dim
        return nn.Linear(2 * width, width) if self.kind == "cat" else nn.Identity()
