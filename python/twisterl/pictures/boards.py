"""The drawing of each environment; those that none is made for are shown in letters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisterl.pictures.graph import layout
from twisterl.pictures.shapes import (
    ACCENT,
    ADVANCE,
    CARD,
    FAINT,
    GOOD,
    LAMP,
    SUNKEN,
    TEXT,
    Picture,
    Shape,
    disc,
    line,
    tint,
)
from twisterl.pictures.text import text_of

# Around every board, and the length of its longer side, at most.
MARGIN = 14.0
_SIDE = 300.0
_MOST_LETTERS = 100
_STICKERS = {"U": "#f8f8f4", "D": "#f7cf2e", "F": "#1f9d55", "B": "#2563c9", "R": "#d22f3a",
             "L": "#f0802a"}  # fmt: skip
_FRAME = "#17171c"
_STAR = ((0, -0.34), (0.1, -0.1), (0.34, -0.08), (0.15, 0.08), (0.21, 0.33), (0, 0.19),
         (-0.21, 0.33), (-0.15, 0.08), (-0.34, -0.08), (-0.1, -0.1))  # fmt: skip


def picture_of(env: Any) -> Picture:
    """The state of `env` as a picture."""
    kind = type(env)
    drawing = _DRAWINGS.get(kind.__name__) if kind.__module__ == "twisterl.twisterl.env" else None
    return drawing(env) if drawing else _letters(text_of(env))


def _framed(width: float, height: float, shapes: list[Shape]) -> Picture:
    """`shapes` of a board of that size on a card; their origin is the board's upper left corner."""
    outer, high = width + 2 * MARGIN, height + 2 * MARGIN
    card = Shape("card", outer / 2, high / 2, outer, high, 14.0, fill=CARD)
    moved = [replace(shape, x=shape.x + MARGIN, y=shape.y + MARGIN) for shape in shapes]
    return Picture(outer, high, (card, *moved))


def _tiles(env: Any) -> Picture:
    arguments, state = env.arguments(), env.get_state()
    width, height = arguments["width"], arguments["height"]
    cell = min(84.0, _SIDE / max(width, height))
    size = cell * (0.42 if len(state) <= 100 else 0.36)
    board = (width * cell, height * cell)
    shapes = [Shape("board", board[0] / 2, board[1] / 2, *board, 0.16 * cell, fill=SUNKEN)]
    places = {tile: place for place, tile in enumerate(state)}
    for tile in range(1, len(state)):
        place = places[tile]
        x, y = cell * (place % width + 0.5), cell * (place // width + 0.5)
        colour = tint(tile / len(state), *((0.55, 0.37) if tile == place else (0.2, 0.38)))
        shapes.append(Shape(f"tile {tile}", x, y, 0.9 * cell, 0.9 * cell, 0.2 * cell, fill=colour,
                            label=str(tile), size=size))  # fmt: skip
    return _framed(*board, shapes)


def _lamps(env: Any) -> Picture:
    arguments, state = env.arguments(), env.get_state()
    width, height = arguments["width"], arguments["height"]
    cell = min(64.0, _SIDE / max(width, height))
    shapes = []
    for place, lit in enumerate(state):
        x, y = cell * (place % width + 0.5), cell * (place // width + 0.5)
        side = 0.84 * cell
        frame, glass = ("#d99a00", LAMP) if lit else ("#d8d5ca", SUNKEN)
        shapes.append(Shape(f"frame {place}", x, y, 0.9 * cell, 0.9 * cell, 0.2 * cell, fill=frame))
        shapes.append(Shape(f"lamp {place}", x, y, side, side, 0.17 * cell, fill=glass))
        shine = "#fff0b8" if lit else SUNKEN
        shapes.append(disc(f"shine {place}", x, y - 0.03 * cell, 0.2 * cell, shine))
    return _framed(width * cell, height * cell, shapes)


def _cube(env: Any) -> Picture:
    cell, gap = 34.0, 6.0
    shapes = []
    for row, text in enumerate(str(env).rstrip("\n").split("\n")):
        for column, letter in enumerate(text[::2]):
            if letter == " ":
                continue
            x = (column + 0.5) * cell + column // 2 * gap
            y = (row + 0.5) * cell + row // 2 * gap
            name = f"{row} {column}"
            shapes.append(Shape(f"edge {name}", x, y, cell, cell, 6.0, fill=_FRAME))
            shapes.append(Shape(f"sticker {name}", x, y, cell - 4, cell - 4, 4.5,
                                fill=_STICKERS[letter]))  # fmt: skip
    return _framed(8 * cell + 3 * gap, 6 * cell + 2 * gap, shapes)


def _graph(env: Any) -> Picture:
    arguments, state = env.arguments(), env.get_state()
    count = len(state)
    places = layout(count, "circle" if arguments["edges"] else arguments["topology"])
    radius = min(7.0, 30 / math.sqrt(count))
    left, top = (min(axis) - 1.5 * radius for axis in zip(*places, strict=True))
    right, bottom = (max(axis) + 1.5 * radius for axis in zip(*places, strict=True))
    scale = min(3.6, _SIDE / max(right - left, bottom - top))
    points = [(scale * (x - left), scale * (y - top)) for x, y in places]
    radius *= scale
    shapes = []
    for name in env.action_names():
        a, b = map(int, re.findall(r"\d+", name))
        shapes.append(line(f"edge {name}", points[a], points[b], 0.22 * radius, "#b9b6ad"))
    for vertex, (x, y) in enumerate(points):
        shapes.append(disc(f"home {vertex}", x, y, 1.36 * radius, tint(vertex / count, 0.42)))
        shapes.append(disc(f"inside {vertex}", x, y, 1.2 * radius, CARD))
    where = {token: points[vertex] for vertex, token in enumerate(state)}
    for token in range(count):
        shapes.append(disc(f"token {token}", *where[token], radius, tint(token / count, 0.42),
                           str(token)))  # fmt: skip
    return _framed(scale * (right - left), scale * (bottom - top), shapes)


def _matrix(env: Any) -> Picture:
    count, state = env.arguments()["num_qubits"], env.get_state()
    cell = min(44.0, _SIDE / (count + 0.9))
    edge = 0.9 * cell
    shapes = []
    for row in range(count):
        shapes.append(Shape(f"row {row}", edge / 2, (row + 0.5) * cell, label=str(row),
                            size=0.4 * cell, ink=FAINT))  # fmt: skip
    for entry, bit in enumerate(state):
        x, y = edge + cell * (entry % count + 0.5), cell * (entry // count + 0.5)
        is_diagonal = entry % (count + 1) == 0
        colour = (GOOD if is_diagonal else "#c2410c") if bit else SUNKEN
        if is_diagonal:
            shapes.append(Shape(f"frame {entry}", x, y, 0.92 * cell, 0.92 * cell, 0.18 * cell,
                                fill=GOOD))  # fmt: skip
        side = (0.86 if is_diagonal else 0.9) * cell
        shapes.append(Shape(f"bit {entry}", x, y, side, side, 0.16 * cell, fill=colour))
    return _framed(edge + count * cell, count * cell, shapes)


def _maze(env: Any) -> Picture:
    arguments, (at, goal, *blocked) = env.arguments(), env.get_state()
    width, height = arguments["width"], arguments["height"]
    cell = min(56.0, _SIDE / max(width, height))

    def centre(place: int) -> tuple[float, float]:
        return cell * (place % width + 0.5), cell * (place // width + 0.5)

    shapes = []
    for place in range(width * height):
        colour = FAINT if place in blocked else SUNKEN
        shapes.append(Shape(f"cell {place}", *centre(place), 0.92 * cell, 0.92 * cell, 0.14 * cell,
                            fill=colour))  # fmt: skip
    shapes.append(disc("agent", *centre(at), 0.32 * cell, ACCENT))
    star = tuple((cell * x, cell * y) for x, y in _STAR)
    shapes.append(Shape("goal", *centre(goal), points=star, fill=LAMP))
    return _framed(width * cell, height * cell, shapes)


def _ring(env: Any) -> Picture:
    arguments, state = env.arguments(), env.get_state()
    count, turnstile = len(state), arguments["turnstile"]
    radius = 118.0
    size = min(22.0, 0.42 * 2 * math.pi * radius / count)
    half = radius + size + 6
    turn = 2 * math.pi / count

    def at(place: float, out: float = radius) -> tuple[float, float]:
        angle = (place - (turnstile - 1) / 2) * turn
        return half + out * math.sin(angle), half - out * math.cos(angle)

    shapes = [disc("track", half, half, radius + size + 4, SUNKEN),
              disc("inside", half, half, radius - size - 4, CARD)]  # fmt: skip
    # The turnstile, an arc of many discs.
    steps = 12 * (turnstile - 1)
    for step in range(steps + 1):
        shapes.append(disc(f"gate {step}", *at(step / 12), size + 4, "#bfbaf0"))
    where = {token: at(place) for place, token in enumerate(state)}
    for token in range(count):
        shapes.append(disc(f"token {token}", *where[token], size, tint(token / count, 0.42),
                           str(token + 1)))  # fmt: skip
    return _framed(2 * half, 2 * half, shapes)


def _pile(env: Any) -> Picture:
    burnt, state = env.arguments()["burnt"], env.get_state()
    count = len(state)
    high = min(34.0, _SIDE / count)
    where = {(entry >> 1 if burnt else entry): (place, burnt and entry % 2 == 1)
             for place, entry in enumerate(state)}  # fmt: skip
    shapes = []
    for size in range(count):
        place, is_up = where[size]
        width = _SIDE * (0.28 + 0.68 * (size + 1) / count)
        y = (place + 0.5) * high
        shapes.append(Shape(f"pancake {size}", _SIDE / 2, y, width, 0.86 * high, 0.4 * high,
                            fill=tint(size / count, 0.42), label=str(size + 1),
                            size=0.5 * high))  # fmt: skip
        if burnt:
            burn_y = y + (-0.3 if is_up else 0.3) * high
            shapes.append(Shape(f"burn {size}", _SIDE / 2, burn_y, width - 0.6 * high, 0.14 * high,
                                0.07 * high, fill="#3b2416"))  # fmt: skip
    return _framed(_SIDE, count * high, shapes)


def _letters(text: str) -> Picture:
    lines = [_cut(piece) for piece in text.expandtabs().split("\n")]
    longest = max(map(len, lines), default=1) or 1
    size = min(18.0, 2 * _SIDE / (longest * ADVANCE))
    shapes = [
        Shape(f"line {row}", 0, 1.35 * size * (row + 0.5), label=content, size=size, ink=TEXT,
              align="start", mono=True)
        for row, content in enumerate(lines) if content.strip()
    ]  # fmt: skip
    return _framed(longest * size * ADVANCE, 1.35 * size * len(lines), shapes)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


_DRAWINGS: dict[str, Callable[[Any], Picture]] = {
    "Puzzle": _tiles,
    "LightsOut": _lamps,
    "Cube2": _cube,
    "Permutation": _graph,
    "LinearFunction": _matrix,
    "GridWorld": _maze,
    "TopSpin": _ring,
    "Pancake": _pile,
}
