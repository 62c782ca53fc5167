"""The twists of a policy as tables, and rows seen through them: see `twisterl.nn.policy`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from twisterl.nn.rows import row_numbers


class TwistTables(torch.nn.Module):
    """Row t of a table belongs to twist t, the last row to "none", which is also what -1 selects.

    They move with the module that has them, and are in no state dict.
    """

    features: torch.Tensor
    inverse: torch.Tensor
    actions: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("features", "inverse", "actions"):
            empty = torch.empty(0, dtype=torch.int64)
            self.register_buffer(name, empty, persistent=False)

    def fill(
        self,
        obs_perms: Sequence[Sequence[int]],
        act_perms: Sequence[Sequence[int]],
        obs_size: int,
        num_actions: int,
    ) -> None:
        """Takes P permutations of `obs_size` features and of `num_actions` actions, checked."""
        device = self.features.device
        self.features = torch.tensor([*obs_perms, list(range(obs_size))], device=device)
        self.inverse = self.features.argsort(dim=1)
        self.actions = torch.tensor([*act_perms, list(range(num_actions))], device=device)

    def rows(self, perm_indices: torch.Tensor | None, num_rows: int) -> torch.Tensor | None:
        """Rows of the tables [N], drawn where None is given; None if there are no twists."""
        num_twists = len(self.features) - 1
        if not num_twists:
            return None
        device = self.features.device
        if perm_indices is None:
            return torch.randint(num_twists, (num_rows,), device=device)
        return perm_indices.to(device, torch.int64).remainder(num_twists + 1)

    def moved(self, x: torch.Tensor, twists: torch.Tensor | None) -> torch.Tensor:
        """Observations [N, F] as they are seen through `rows`."""
        return x if twists is None else x.gather(1, self.inverse[twists])

    def moved_sparse(
        self, indices: torch.Tensor, offsets: torch.Tensor, twists: torch.Tensor | None
    ) -> torch.Tensor:
        """Active features [K] of observations as they are seen through `rows`."""
        if twists is None:
            return indices
        rows = row_numbers(offsets, indices.shape[0])
        return self.features[twists[rows], indices.to(torch.int64)]

    def led_back(self, logits: torch.Tensor, twists: torch.Tensor | None) -> torch.Tensor:
        """Logits [N, A] of the observations before they were moved."""
        return logits if twists is None else logits.gather(1, self.actions[twists])
