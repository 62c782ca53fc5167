"""Sliding-puzzle boards outside the engine: reading, drawing, solvability."""

from __future__ import annotations

from collections.abc import Sequence

from twisterl.faults import ConfigError, Fault, shown

MOVES = ("left", "up", "right", "down")


def parse_board(text: str, width: int, height: int) -> list[int]:
    """The board in `text`, row by row, 0 the blank; commas and line breaks are fine.

    Raises `ConfigError` saying what is wrong with it: length, numbers, or parity.

    >>> parse_board("1 0 2 3", 2, 2)
    [1, 0, 2, 3]
    """
    words = text.replace(",", " ").replace("[", " ").replace("]", " ").split()

    def refuse(problem: str) -> ConfigError:
        return ConfigError([Fault("", problem)], "board")

    try:
        tiles = [int(word) for word in words]
    except ValueError:
        raise refuse(f"got {shown(text)}; expected integers") from None
    cells = width * height
    if len(tiles) != cells:
        raise refuse(f"got {len(tiles)} numbers; expected {cells} for {width} x {height} cells")
    outside = [tile for tile in tiles if not 0 <= tile < cells]
    if outside:
        raise refuse(f"got {outside[0]}; expected the numbers 0 to {cells - 1}, 0 the blank")
    twice = [tile for tile in range(cells) if tiles.count(tile) > 1]
    if twice:
        raise refuse(f"has {twice[0]} more than once; expected each of 0 to {cells - 1} once")
    if not solvable(tiles, width):
        if 1 in (width, height):
            raise refuse("cannot be solved: no tile of a single row or column passes another one")
        raise refuse(
            "cannot be solved by any sequence of moves: its parity is odd, as after swapping "
            "two tiles by hand; swap any two tiles but the blank to make it solvable"
        )
    return tiles


def solvable(tiles: Sequence[int], width: int) -> bool:
    """Whether moves lead from the solved board (tile i at cell i) to `tiles`.

    Each move swaps the blank with a neighbour: it flips the parity of the permutation and that of
    the blank's distance from its home. In a single row or column no tile passes another one.

    >>> solvable([0, 2, 1, 3, 4, 5, 6, 7, 8], 3), solvable([1, 0, 2, 3, 4, 5, 6, 7, 8], 3)
    (False, True)
    >>> solvable([2, 0, 1], 3), solvable([1, 2, 0], 1)
    (False, True)
    """
    if width in (1, len(tiles)):
        moved = [tile for tile in tiles if tile]
        return moved == sorted(moved)
    seen = [False] * len(tiles)
    swaps = 0
    for start in range(len(tiles)):
        cell, length = start, 0
        while not seen[cell]:
            seen[cell] = True
            cell, length = tiles[cell], length + 1
        swaps += max(0, length - 1)
    blank = tiles.index(0)
    return (swaps + blank // width + blank % width) % 2 == 0


def draw(tiles: Sequence[int], width: int) -> str:
    """The board as text.

    >>> print(draw([1, 0, 2, 3], 2))
    ┌───┬───┐
    │ 1 │   │
    ├───┼───┤
    │ 2 │ 3 │
    └───┴───┘
    """
    size = len(str(len(tiles) - 1)) + 2
    rows = [tiles[i : i + width] for i in range(0, len(tiles), width)]
    lines = [
        "│" + "│".join((str(tile) if tile else "").rjust(size - 1) + " " for tile in row) + "│"
        for row in rows
    ]

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join(["─" * size] * width) + right

    inside = f"\n{rule('├', '┼', '┤')}\n".join(lines)
    return f"{rule('┌', '┬', '┐')}\n{inside}\n{rule('└', '┴', '┘')}"
