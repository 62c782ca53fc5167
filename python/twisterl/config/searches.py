"""What a tree search goes by, and how large a tree may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisterl.faults import Fault, joined

# Beside the number of simulations; AZ's collection and entries of `evals` both say them.
TREE_RULES = ("C", "max_expand_depth", "root_selection", "gamma", "transpositions")


def impossible_trees(search: Any, path: str) -> Iterator[Fault]:
    """Simulations that the engine would refuse, but only when the search begins."""
    count, path = search.num_mcts_searches, joined(path, "num_mcts_searches")
    if getattr(search, "strategy", None) == "mcts" and count == 0:
        yield Fault(path, 'got 0; expected at least 1 with the strategy "mcts"')
    from twisterl.twisterl import collector

    tree = (search.max_expand_depth, search.root_selection, getattr(search, "reuse", True))
    most = collector.most_simulations(*tree)
    if count > most:
        shape = f"with {search.root_selection} and max_expand_depth {search.max_expand_depth}"
        yield Fault(path, f"got {count}; expected at most {most} {shape}, for memory")
