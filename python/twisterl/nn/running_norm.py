"""Statistics of everything seen, and numbers made normal by them.

>>> import torch
>>> norm = RunningNorm(1)
>>> norm.update(torch.tensor([[1.0], [3.0]]))
>>> norm(torch.tensor([[3.0]]))
tensor([[1.]])
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from twisterl.nn import checked


class RunningNorm(torch.nn.Module):
    """(x - mean) / (std + eps), with mean and population deviation of all that `update` was given.

    Batches are merged exactly (Chan et al., "Updating formulae and a pairwise algorithm for
    computing sample variances"), so that the statistics are those of the data in one piece. Before
    the first update nothing changes, and a column that has been constant is only moved. `forward`
    never updates.

    Args:
        size: of an observation, a number or a shape.
        eps: what a deviation must exceed to be divided by.
    """

    mean: torch.Tensor
    var: torch.Tensor
    count: torch.Tensor

    def __init__(self, size: int | Sequence[int], eps: float = 1e-8) -> None:
        super().__init__()
        sizes = size if isinstance(size, Sequence) else (size,)
        self.size = tuple(checked.integer("size", each) for each in sizes)
        self.eps = checked.number("eps", eps, 0.0)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("var", torch.ones(self.size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @property
    def std(self) -> torch.Tensor:
        """The deviations `[*size]`, 1 where there is none."""
        std = self.var.sqrt()
        return torch.where(std > self.eps, std, torch.ones_like(std))

    @torch.no_grad()
    def update(self, x: torch.Tensor) -> None:
        """Adds the observations `x` `[..., *size]`.

        Raises:
            ValueError: another shape, or numbers that are not finite; nothing is added then.
        """
        rows = self._checked(x).to(self.mean.device, torch.float64).reshape(-1, *self.size)
        if not rows.isfinite().all():
            raise ValueError("x: expected finite numbers, got others")
        if not len(rows):
            return
        added, before = len(rows), self.count.double()
        total = before + added
        # A variance of 1 stands for none before the first update.
        var = torch.where(self.count > 0, self.var, torch.zeros_like(self.var)).double()
        mean = self.mean.double()
        delta = rows.mean(0) - mean
        spread = var * before + rows.var(0, unbiased=False) * added
        spread = spread + delta**2 * before * added / total
        self.mean.copy_(mean + delta * added / total)
        self.var.copy_(spread / total)
        self.count += added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` `[..., *size]` made normal, of its dtype."""
        x = self._checked(x)
        if not x.is_floating_point():
            x = x.to(self.mean.dtype)
        normal = (x - self.mean.to(x)) / (self.std.to(x) + self.eps)
        return torch.where(self.count > 0, normal, x)

    def _checked(self, x: torch.Tensor) -> torch.Tensor:
        checked.tensor("x", x, at_least=len(self.size))
        if tuple(x.shape[x.ndim - len(self.size) :]) != self.size:
            raise ValueError(f"x: expected shape [..., {self.size}], got {list(x.shape)}")
        return x
