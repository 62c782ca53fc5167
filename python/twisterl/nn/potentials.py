"""Dynamics of the potentials of neurons, as time derivatives.

With d = h - p, each function tells dp/dt of the shape of p, and ignores the parameters that it
does not need. The fixed points named are those for s = h = 0.

Luksch et al., "Adaptive Movement Sequences and Predictive Decisions based on Hierarchical
Dynamical Systems", IROS 2012; names are Pyrado's.

>>> import torch
>>> C = torch.tensor(2.0)
>>> p = torch.tensor([-2.0, 0.0, 2.0])
>>> pd_capacity_32(p, 0 * p, 0 * p, torch.tensor(1.0), capacity=C).abs()
tensor([0., 0., 0.])
"""

from __future__ import annotations

from typing import Any

import torch

from twisterl.nn import checked


def pd_linear(
    p: torch.Tensor, s: torch.Tensor, h: torch.Tensor, tau: torch.Tensor, **kwargs: Any
) -> torch.Tensor:
    """tau dp/dt = s + d; falls back to the resting level.

    Args:
        p, s: potentials and stimuli [..., n].
        h: resting levels [n].
        tau: time constant above 0, 0-d, [1] or [n]; else ValueError.
    """
    return (s + h - p) / _positive("tau", tau)


def pd_cubic(
    p: torch.Tensor,
    s: torch.Tensor,
    h: torch.Tensor,
    tau: torch.Tensor,
    *,
    kappa: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """tau dp/dt = s + d + kappa d^3.

    Args:
        p, s, h, tau: as `pd_linear`.
        kappa: cubic decay from 0, 0-d, [1] or [n]; else ValueError.
    """
    d = h - p
    return (s + d + _positive("kappa", kappa, or_zero=True) * d**3) / _positive("tau", tau)


def pd_capacity_21(
    p: torch.Tensor,
    s: torch.Tensor,
    h: torch.Tensor,
    tau: torch.Tensor,
    *,
    capacity: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """tau dp/dt = s - d (1 - d^2 / C^2); stable at -C and C, unstable at 0.

    Args:
        p, s, h, tau: as `pd_linear`.
        capacity: C above 0, 0-d, [1] or [n].
    """
    d, share = _relative(p, h, capacity)
    return (s - d * (1 - share**2)) / _positive("tau", tau)


def pd_capacity_21_abs(
    p: torch.Tensor,
    s: torch.Tensor,
    h: torch.Tensor,
    tau: torch.Tensor,
    *,
    capacity: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """tau dp/dt [..., n] = s - d (1 - |d| / C); fixed points of `pd_capacity_21`, less steep."""
    d, share = _relative(p, h, capacity)
    return (s - d * (1 - share.abs())) / _positive("tau", tau)


def pd_capacity_32(
    p: torch.Tensor,
    s: torch.Tensor,
    h: torch.Tensor,
    tau: torch.Tensor,
    *,
    capacity: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """tau dp/dt [..., n] = s + d (1 - d^2 / C^2) (1 - (2 d)^2 / C^2).

    Stable at -C, 0 and C, unstable at -C/2 and C/2. The text of the original has the other sign
    before d, which would make the stable points unstable; its code has this one.
    """
    d, share = _relative(p, h, capacity)
    return (s + d * (1 - share**2) * (1 - (2 * share) ** 2)) / _positive("tau", tau)


def pd_capacity_32_abs(
    p: torch.Tensor,
    s: torch.Tensor,
    h: torch.Tensor,
    tau: torch.Tensor,
    *,
    capacity: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """tau dp/dt [..., n] = s + d (1 - |d| / C) (1 - 2 |d| / C); see `pd_capacity_32`."""
    d, share = _relative(p, h, capacity)
    return (s + d * (1 - share.abs()) * (1 - 2 * share.abs())) / _positive("tau", tau)


def _relative(
    p: torch.Tensor, h: torch.Tensor, capacity: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    if capacity is None:
        raise ValueError("capacity: expected a tensor, got None")
    d = h - p
    return d, d / capacity


def _positive(name: str, value: Any, or_zero: bool = False) -> Any:
    if value is None:
        raise ValueError(f"{name}: expected a tensor, got None")
    if not checked.is_traced():
        numbers = torch.as_tensor(value)
        if not numbers.is_meta and not bool((numbers >= 0 if or_zero else numbers > 0).all()):
            raise ValueError(f"{name}: expected numbers {'from' if or_zero else 'above'} 0")
    return value
