"""Named entries of n steps, n or n + 1 rows each; what a `StepSequence` keeps.

>>> import numpy as np
>>> entries = Entries(2, "numpy", True)
>>> entries.add("observations", np.zeros((3, 4)))
>>> entries.rows("observations", truncate_last=True).shape
(2, 4)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisterl.nn import checked
from twisterl.nn.nested import FORMATS, converted, has_tensors, joined, leaves, mapped, stacked


class Entries:
    """Arrays or tensors by name, nested in dicts and tuples.

    Args:
        length: n.
        data_format: "numpy" or "torch".
        may_be_longer: whether entries may have n + 1 rows.

    Raises:
        ValueError: another format.
    """

    def __init__(self, length: int, data_format: str, may_be_longer: bool) -> None:
        self.length = length
        self.data_format = checked.choice("data_format", data_format, FORMATS)
        self.allowed = (length, length + 1) if may_be_longer else (length,)
        self.named: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> None:
        """Adds an entry; ValueError for another number of rows, or tensors with a gradient."""
        rows = stacked(name, value, self.data_format)
        for leaf in leaves(rows):
            if leaf.ndim == 0 or len(leaf) not in self.allowed:
                got = "a number" if leaf.ndim == 0 else len(leaf)
                expected = " or ".join(map(str, self.allowed))
                raise ValueError(f"{name}: expected {expected} rows, got {got}")
        self.named[name] = rows

    def rows(self, name: str, truncate_last: bool = False) -> Any:
        """The rows of an entry, with `truncate_last` n of them; KeyError if there is none."""
        if name not in self.named:
            raise KeyError(f"expected one of {', '.join(self.named)}, got {name!r}")
        rows = self.named[name]
        return mapped(lambda leaf: leaf[: self.length], rows) if truncate_last else rows

    def of_step(self, name: str) -> str | None:
        """The entry that a step calls `name`: that, or its plural; None if there is none."""
        return next((each for each in (name, f"{name}s") if each in self.named), None)

    def row(self, name: str, index: int) -> Any:
        """Row `index` of an entry; IndexError behind its last one."""
        rows = self.named[name]
        if any(index >= len(leaf) for leaf in leaves(rows)):
            raise IndexError(f"{name}: expected a row that is there, got {index}")
        return mapped(lambda leaf: leaf[index], rows)

    def part(self, index: Any, longer: Any) -> dict[str, Any]:
        """Some rows of all entries; `longer` picks them from those of n + 1 rows."""

        def picked(leaf: Any) -> Any:
            return leaf[index if len(leaf) == self.length else longer]

        return {name: mapped(picked, rows) for name, rows in self.named.items()}

    def convert(self, form: str, dtype: Any) -> None:
        """Makes all entries arrays or tensors, of `dtype` where it is given."""
        self.named = {
            name: mapped(lambda leaf: converted(leaf, form, dtype), rows)
            for name, rows in self.named.items()
        }
        self.data_format = form


def format_of(values: Any) -> str:
    """ "torch" if there are tensors among `values`, else "numpy"."""
    return "torch" if any(map(has_tensors, values)) else "numpy"


def concatenated(parts: Sequence[Entries], form: str, truncate_last: bool) -> dict[str, Any]:
    """The rows of all `parts`, one after the other, in a format.

    Raises:
        ValueError: they have different entries, or rows of different kinds.
    """
    names = list(parts[0].named)
    for part in parts:
        if set(part.named) != set(names):
            expected = f"expected the entries {', '.join(names)} in all of them"
            raise ValueError(f"parts: {expected}, got {', '.join(part.named)}")
    return {
        name: joined(name, [part.rows(name, truncate_last) for part in parts], form)
        for name in names
    }
