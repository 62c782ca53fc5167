"""Where a policy is."""

from __future__ import annotations

import torch


class Placed(torch.nn.Module):
    """A module whose parameters are on one device."""

    @property
    def device(self) -> torch.device:
        """Where the parameters are; assigning moves them."""
        return next(self.parameters()).device

    @device.setter
    def device(self, device: str | torch.device) -> None:
        self.to(device)
