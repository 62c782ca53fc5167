"""Lines drawn in a terminal, two by four dots a character."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Points = Sequence[tuple[float, float]]
_BLANK = 0x2800
# The bit of each dot of a character, by column and row.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def plot(
    lines: Sequence[Points], x_range: tuple[float, float], y_range: tuple[float, float],
    width: int, height: int, dots: bool = True,
) -> list[list[tuple[str, int]]]:  # fmt: skip
    """`height` rows of `width` (character, line that it is of); -1 is of none.

    Without `dots`, for a terminal that has no such letters, every character is one point.

    >>> rows = plot([[(0, 0), (1, 1)]], (0, 1), (0, 1), 2, 1)
    >>> "".join(letter for letter, _ in rows[0])
    '⡠⠊'
    """
    across, down = (2, 4) if dots else (1, 1)
    columns, rows = width * across, height * down
    masks = [[0] * width for _ in range(height)]
    owners = [[-1] * width for _ in range(height)]
    for number, line in enumerate(lines):
        for column, row in _pixels(line, x_range, y_range, columns, rows):
            x, y = column // across, row // down
            masks[y][x] |= _DOTS[column % across][row % down] if dots else 1
            owners[y][x] = number

    def letter(mask: int) -> str:
        if not mask:
            return " "
        return chr(_BLANK + mask) if dots else "*"

    return [
        [(letter(mask), owner) for mask, owner in zip(*pair, strict=True)]
        for pair in zip(masks, owners, strict=True)
    ]


def _pixels(
    line: Points, x_range: tuple[float, float], y_range: tuple[float, float], columns: int,
    rows: int,
) -> set[tuple[int, int]]:  # fmt: skip
    """The dots that `line` goes through, from the upper left corner."""

    def at(point: tuple[float, float]) -> tuple[int, int]:
        shares = [
            (value - low) / (high - low) if high > low else 0.5
            for value, (low, high) in zip(point, (x_range, y_range), strict=True)
        ]
        x, y = (min(1.0, max(0.0, share)) for share in shares)
        return round(x * (columns - 1)), round((1 - y) * (rows - 1))

    places = [at(point) for point in line]
    found = set(places)
    for (x, y), (u, v) in itertools.pairwise(places):
        steps = max(abs(u - x), abs(v - y))
        for step in range(1, steps):
            found.add((round(x + (u - x) * step / steps), round(y + (v - y) * step / steps)))
    return found
