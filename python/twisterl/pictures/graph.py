"""Where the vertices of a coupling graph stand."""

from __future__ import annotations

import math


def layout(count: int, topology: str) -> list[tuple[float, float]]:
    """The place of each vertex; neighbours of lines and grids are 26 apart.

    >>> layout(4, "grid")
    [(0.0, 0.0), (26.0, 0.0), (0.0, 26.0), (26.0, 26.0)]
    """
    if topology == "grid":
        rows = max(row for row in range(1, math.isqrt(count) + 1) if count % row == 0)
        columns = count // rows
        return [(26.0 * (vertex % columns), 26.0 * (vertex // columns)) for vertex in range(count)]
    if topology == "line":
        # In rows like a snake, so that long ones stay large.
        columns = max(3, math.ceil(math.sqrt(count)))
        places = [divmod(vertex, columns) for vertex in range(count)]
        return [
            (26.0 * (columns - 1 - place if row % 2 else place), 26.0 * row)
            for row, place in places
        ]
    if topology == "star":
        return [(0.0, 0.0), *_circle(count - 1)]
    return _circle(count)


def _circle(count: int) -> list[tuple[float, float]]:
    radius = max(42.0, 26 * count / (2 * math.pi))
    angles = [2 * math.pi * vertex / count for vertex in range(count)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles]
