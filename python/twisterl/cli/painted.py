"""Boards in colour, for a terminal: blocks where there is room, else letters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisterl.pictures.shapes import tint
from twisterl.pictures.text import text_of

if TYPE_CHECKING:
    from rich.text import Text

# Columns and rows of a cell, from the largest that may fit.
_CELLS = ((6, 3), (4, 2), (3, 1), (2, 1))
_WALL, _FLOOR = "on #8a8a94", "on #3a3a44"
# What each letter of an environment that draws itself as a grid of letters looks like.
_LETTERS: dict[str, dict[str, str]] = {
    "LightsOut": {"#": "on #f5b301", ".": _FLOOR},
    "GridWorld": {"#": _WALL, ".": _FLOOR, "A": "bold white on #4338ca",
                  "G": "bold black on #f5b301"},
    "Cube2": {"U": "black on #f8f8f4", "D": "black on #f7cf2e", "F": "white on #1f9d55",
              "B": "white on #2563c9", "R": "white on #d22f3a", "L": "black on #f0802a"},
    "LinearFunction": {"1": "bold white on #0f766e", ".": _FLOOR},
}  # fmt: skip
# Those letters that say something beside the colour.
_SHOWN = {"GridWorld": "AG", "LinearFunction": "1", "Cube2": "UDFBRL", "LightsOut": ""}


def painted(env: Any, width: int, height: int) -> Text:
    """The state of `env` in colour, in at most `width` columns and `height` rows if it can be."""
    from rich.text import Text

    name = type(env).__name__ if type(env).__module__ == "twisterl.twisterl.env" else ""
    if name == "Puzzle":
        found = _tiles(env, width, height)
    elif name in _LETTERS:
        found = _grid(env, name, width, height)
    elif name in ("TopSpin", "Pancake", "Permutation"):
        found = _numbers(text_of(env))
    else:
        found = Text(text_of(env))
    return found or Text(text_of(env))


def _tiles(env: Any, width: int, height: int) -> Text | None:
    arguments, state = env.arguments(), env.get_state()
    columns, count = arguments["width"], len(state)
    rows = [
        [
            (str(tile) if tile else "", _tile(tile, place, count))
            for place, tile in enumerate(state[first : first + columns], first)
        ]
        for first in range(0, count, columns)
    ]
    return _blocks(rows, width, height)


def _tile(tile: int, place: int, count: int) -> str:
    if tile == 0:
        return _FLOOR
    at_home = (0.6, 0.4) if tile == place else (0.25, 0.33)
    return f"bold white on {tint(tile / count, *at_home)}"


def _grid(env: Any, name: str, width: int, height: int) -> Text | None:
    """What `str` draws in every second column."""
    styles, shown = _LETTERS[name], _SHOWN[name]
    lines = [line[::2] for line in str(env).rstrip("\n").split("\n")]
    rows = []
    for y, line in enumerate(lines):
        cells = []
        for x, letter in enumerate(line):
            style = styles.get(letter, "")
            if name == "LinearFunction" and letter == "1" and x != y:
                style = "bold white on #c2410c"
            cells.append((letter if letter in shown else "", style))
        rows.append(cells)
    with_names = name == "LightsOut"
    return _blocks(rows, width, height, numbered=with_names)


def _blocks(
    rows: list[list[tuple[str, str]]], width: int, height: int, numbered: bool = False
) -> Text | None:
    """Cells of a label and a style, as large as there is room for; None without room."""
    from rich.text import Text

    columns, longest = max(map(len, rows)), max(len(label) for row in rows for label, _ in row)
    margin = 3 if numbered else 0
    for wide, high in _CELLS:
        # Between blocks of several rows there is a line, as far as it fits.
        gap = int(high > 1)
        # A line is about as high as two columns are wide.
        aside = wide // 3 if gap else 0
        size = (margin + columns * (wide + aside), len(rows) * (high + gap) + numbered)
        if wide > longest and size[0] <= width and size[1] <= height:
            break
    else:
        return None
    text = Text(no_wrap=True)
    if numbered:
        heads = "".join(str(x).center(wide) + " " * aside for x in range(columns))
        text.append(f"{'':{margin}}{heads}\n", "bright_black")
    for y, row in enumerate(rows):
        for line in range(high):
            if numbered:
                head = f"{y:>2} " if line == high // 2 else ""
                text.append(f"{head:{margin}}", "bright_black")
            for label, style in row:
                text.append(label.center(wide) if line == high // 2 else " " * wide, style)
                text.append(" " * aside)
            text.append("\n")
        if gap:
            text.append("\n")
    text.right_crop(1 + gap)
    return text


def _numbers(content: str) -> Text:
    """`content` with each number in its colour."""
    from rich.text import Text

    text = Text(no_wrap=True)
    most = max(map(int, re.findall(r"\d+", content)), default=1) or 1
    for piece in re.split(r"(\d+)", content):
        if piece.isdigit():
            text.append(piece, f"bold {tint(int(piece) / most, 0.6, 0.6)}")
        else:
            text.append(piece)
    return text
