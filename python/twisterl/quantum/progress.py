"""A bar on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

_WIDTH = 20


def bar(name: str, unit: str) -> Callable[[int, int], None]:
    """`show(done, total)`: redraws its line in a terminal; elsewhere prints the first and last.

    Where stderr takes nothing, nothing is shown: what it tells of goes on.
    """

    def show(done: int, total: int) -> None:
        # None where a program has no console; closed or full where it is a pipe or a file.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            end = "\r" if sys.stderr.isatty() and done < total else "\n"
            if end == "\r" or done in (1, total):
                full = done * _WIDTH // total
                drawn = "#" * full + "." * (_WIDTH - full)
                text = f"twisterl: {name}: [{drawn}] {done} of {total} {unit}"
                print(text, end=end, file=sys.stderr, flush=True)

    return show
