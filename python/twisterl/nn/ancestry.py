"""Through which nodes of a graph everything has gone that a node is made of."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx


class Ancestry:
    """The dominators of nodes, found where they are asked for.

    Cooper, Harvey, Kennedy, "A simple, fast dominance algorithm".

    Args:
        start: of which all are made.
        sources: the nodes that a node is made of.
    """

    def __init__(self, start: fx.Node, sources: Callable[[fx.Node], list[fx.Node]]) -> None:
        self._start, self._sources = start, sources
        self._above: dict[fx.Node, fx.Node] = {}
        self._depth = {start: 0}

    def above(self, node: fx.Node) -> fx.Node:
        """The last node through which all that `node` is made of has gone."""
        if node not in self._above:
            waiting = [node]
            while waiting:
                top = waiting[-1]
                todo = [s for s in self._sources(top) if s not in self._depth]
                if todo:
                    waiting += todo
                    continue
                waiting.pop()
                if top not in self._depth:
                    self._above[top] = self.meeting(self._sources(top))
                    self._depth[top] = self._depth[self._above[top]] + 1
        return self._above[node]

    def meeting(self, nodes: list[fx.Node]) -> fx.Node:
        """The last node through which all that `nodes` are made of has gone, or one of them."""
        for node in nodes:
            if node is not self._start:
                self.above(node)
        met = nodes[0]
        for node in nodes[1:]:
            while met is not node:
                if self._depth[met] >= self._depth[node]:
                    met = self._above[met]
                else:
                    node = self._above[node]
        return met
