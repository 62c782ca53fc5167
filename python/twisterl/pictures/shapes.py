"""What pictures are made of: shapes that can be told from one picture to the next."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

SUNKEN = "#eceae3"
CARD = "#ffffff"
TEXT = "#1d1d22"
FAINT = "#5f5f6b"
ACCENT = "#4338ca"
GOOD = "#0f766e"
LAMP = "#f5b301"
# Of a letter of the monospaced font, as a share of its size.
ADVANCE = 0.602


@dataclass(frozen=True)
class Shape:
    """A rounded box or a polygon around (`x`, `y`), with a label in the middle; in pixels.

    Shapes of two pictures that differ in nothing but place and colour are one that moves; `name`
    tells those apart that look alike.
    """

    name: str
    x: float
    y: float
    width: float = 0.0
    height: float = 0.0
    radius: float = 0.0
    points: tuple[tuple[float, float], ...] = ()
    fill: str = ""
    label: str = ""
    size: float = 0.0
    ink: str = CARD
    align: str = "middle"
    mono: bool = False

    @property
    def identity(self) -> Shape:
        return replace(self, x=0.0, y=0.0, fill="")


@dataclass(frozen=True)
class Picture:
    width: float
    height: float
    shapes: tuple[Shape, ...]


def disc(name: str, x: float, y: float, radius: float, fill: str, label: str = "") -> Shape:
    side = 2 * radius
    return Shape(name, x, y, side, side, radius, fill=fill, label=label, size=0.95 * radius)


def line(name: str, start: Sequence[float], end: Sequence[float], width: float, fill: str) -> Shape:
    (x, y), (u, v) = start, end
    length = math.hypot(u - x, v - y) or 1.0
    dx, dy = (u - x) / 2, (v - y) / 2
    nx, ny = -dy / length * width, dx / length * width
    points = ((dx + nx, dy + ny), (dx - nx, dy - ny), (-dx - nx, -dy - ny), (nx - dx, ny - dy))
    return Shape(name, (x + u) / 2, (y + v) / 2, points=points, fill=fill)


def tint(share: float, saturation: float = 0.55, lightness: float = 0.37) -> str:
    """A colour on the way from teal to violet, as on the page of a run."""
    channels = colorsys.hls_to_rgb((172 + 110 * share) / 360, lightness, saturation)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)


def between(start: Picture, end: Picture, share: float) -> Picture:
    """`share` of the way from one picture to the next; what only one of them has is the next's."""
    before = {shape.identity: shape for shape in start.shapes}

    def on_the_way(shape: Shape) -> Shape:
        old = before.get(shape.identity, shape)
        x, y = old.x + share * (shape.x - old.x), old.y + share * (shape.y - old.y)
        fill = shape.fill if old.fill == shape.fill else _mixed(old.fill, shape.fill, share)
        return replace(shape, x=x, y=y, fill=fill)

    return Picture(end.width, end.height, tuple(map(on_the_way, end.shapes)))


def _mixed(start: str, end: str, share: float) -> str:
    """
    >>> _mixed("#000000", "#ff8000", 0.5)
    '#804000'
    """
    pairs = zip(bytes.fromhex(start[1:]), bytes.fromhex(end[1:]), strict=True)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)
