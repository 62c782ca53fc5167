"""What the layers of a traced module remember: which numbers of its state are whose.

A module with memory may only move the numbers of its state, never change them. So its graph is run
with numbers that nothing else makes, and where they turn up tells whose they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import fx

from twisterl.nn.cells import Cells
from twisterl.nn.layers import RECURRENT, leaf_type
from twisterl.nn.spec import NotDescribed
from twisterl.nn.tracing import Traced, who


class Moves(fx.Interpreter):
    """Runs a graph whose recurrent layers return numbers of their own.

    Attributes:
        given, made: of each recurrent layer, what it is told to remember and what it then
            remembers, `[B, S]` as the engine has it.
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.given: dict[fx.Node, torch.Tensor] = {}
        self.made: dict[fx.Node, torch.Tensor] = {}
        self._random = torch.Generator().manual_seed(0)

    def numbers(self, *shape: int) -> torch.Tensor:
        """Numbers that are no others."""
        return 1e4 * torch.randn(*shape, generator=self._random)

    def run_node(self, n: fx.Node) -> Any:
        told = super().run_node(n)
        if n.op != "call_module":
            return told
        module = self.submodules[n.target]
        if leaf_type(module) not in RECURRENT:
            return told
        args, _ = self.fetch_args_kwargs_from_env(n)
        self.given[n] = flat(module, args[1])
        self.made[n] = self.numbers(*self.given[n].shape)
        return _told(module, told, self.made[n])

    def require_in_order(
        self, known: Traced, nodes: Iterable[fx.Node], state: torch.Tensor, told: torch.Tensor
    ) -> None:
        """Refuses a module whose state is not that of its layers, one after another.

        Args:
            nodes: of all layers, in the order of the description.
            state, told: `[B, S]`, what ran was given, and returned.
        """
        first, after = 0, []
        for node in nodes:
            if node not in self.given:
                continue
            given = self.given[node]
            end = first + given.shape[1]
            if not torch.equal(given, state[:, first:end]):
                raise NotDescribed(
                    f"{known.who(node)} is not given numbers {first} to {end} of the state, "
                    "h of all its layers, then c"
                )
            first = end
            after.append(self.made[node])
        if first != state.shape[1] or not torch.equal(told, torch.cat(after, 1)):
            raise NotDescribed(
                f"{who('', known.root)} does not return what its layers remember, in their "
                "order, as its state"
            )


def flat(module: torch.nn.Module, state: Any) -> torch.Tensor:
    """The state of a recurrent layer as the engine has it, `[B, S]`: all h, then all c."""
    if isinstance(module, Cells):
        return state
    parts = state if isinstance(state, (tuple, list)) else (state,)
    # Of a layer [L, B, H], of a cell [B, H].
    layered = [part if part.dim() == 3 else part[None] for part in parts]
    return torch.cat([part.transpose(0, 1).flatten(1) for part in layered], 1)


def _told(module: Any, told: Any, state: torch.Tensor) -> Any:
    """What a layer returned, with another state."""
    if isinstance(module, Cells):
        return told[0], state
    is_cell = isinstance(module, torch.nn.RNNCellBase)
    shape = (1 if is_cell else module.num_layers, module.hidden_size)
    parts = [
        part.unflatten(1, shape).transpose(0, 1) for part in state.split(shape[0] * shape[1], 1)
    ]
    if is_cell:
        parts = [part[0] for part in parts]
    states = tuple(parts) if len(parts) > 1 else parts[0]
    return states if is_cell else (told[0], states)
