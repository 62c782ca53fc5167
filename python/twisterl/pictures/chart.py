"""Line charts as SVG, and the colours that they and the pages around them have."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from twisterl.cli.numbers import count, seconds
from twisterl.runs.curves import Line, Panel, thinned

WIDTH, HEIGHT = 420.0, 210.0
# How many colours there are for lines.
COLOURS = 8
COLOUR_RULES = """\
:root { --ground: #f6f5f1; --card: #ffffff; --ink: #1d1d22; --faint: #5f5f6b; --grid: #e7e4db;
  --line: #dcd9cf; --good: #0f766e; --busy: #4338ca; --bad: #b42318;
  --c0: #0f766e; --c1: #4338ca; --c2: #b45309; --c3: #be185d; --c4: #0369a1; --c5: #4d7c0f;
  --c6: #6d28d9; --c7: #57534e; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #131318; --card: #1c1c23; --ink: #ececf1; --faint: #a3a3b3; --grid: #2a2a34;
    --line: #33333f; --good: #2dd4bf; --busy: #a5b4fc; --bad: #fda29b;
    --c0: #2dd4bf; --c1: #a5b4fc; --c2: #fbbf24; --c3: #f9a8d4; --c4: #7dd3fc; --c5: #bef264;
    --c6: #c4b5fd; --c7: #d6d3d1; }
}
"""
RULES = """\
.chart { display: block; width: 100%; height: auto; }
.chart text { fill: var(--faint); font-size: 13px; }
.chart .y { text-anchor: end; }
.chart .x { text-anchor: middle; }
.chart .grid { stroke: var(--grid); fill: none; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .band { opacity: 0.17; }
"""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 12.0, 30.0
_CHARACTER = 6.6


def chart(
    panel: Panel,
    x_label: str = "training time",
    x_text: Callable[[float], str] = seconds,
    width: float = WIDTH,
    height: float = HEIGHT,
) -> str:
    """The panel as an SVG element; `x_text` writes a number of the horizontal axis."""
    lines = [line for line in panel.lines if line.points]
    xs = [x for line in lines for x, _ in line.points]
    x_low, x_high = min(0.0, *xs), max(xs) or 1.0
    y_low, y_high = _bounds(panel)
    y_ticks = ticks(y_low, y_high, 5 if height > 150 else 3)
    y_low, y_high = min(y_low, y_ticks[0]), max(y_high, y_ticks[-1])
    right, bottom = width - _RIGHT, height - _BOTTOM

    def at_x(x: float) -> float:
        return _LEFT + (x - x_low) / (x_high - x_low) * (right - _LEFT)

    def at_y(y: float) -> float:
        share = (y - y_low) / (y_high - y_low)
        return bottom - min(1.0, max(0.0, share)) * (bottom - _TOP)

    parts = []
    for tick in y_ticks:
        y = at_y(tick)
        parts.append(f'<path class="grid" d="M{_LEFT:.0f} {y:.1f}H{right:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8:.0f}" y="{y + 4:.1f}" class="y">{short(tick)}</text>')
    for tick in ticks(x_low, x_high, 5 if width > 400 else 4):
        if x_low <= tick <= x_high:
            text = html.escape(x_text(tick))
            x = min(at_x(tick), right - _CHARACTER * len(text) / 2 + 8)
            parts.append(f'<text x="{x:.1f}" y="{bottom + 19:.1f}" class="x">{text}</text>')
    for line in lines:
        parts += _drawn(line, at_x, at_y)
    named = "; ".join(_summary(line) for line in lines)
    title = html.escape(f"{panel.name} over {x_label}: {named}")
    return (
        f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


def image(panel: Panel) -> str:
    """The panel as an SVG document with colours of its own, light or dark as the reader's are."""
    drawn = chart(panel).replace(
        "<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" ', 1
    )
    head, end, rest = drawn.partition("</title>")
    return f"{head}{end}<style>:root{{font-family:sans-serif}}{COLOUR_RULES}{RULES}</style>{rest}"


def _bounds(panel: Panel) -> tuple[float, float]:
    """Of the vertical axis, with room where the panel gives none."""
    ys = [y for line in panel.lines for _, y in line.points]
    ys += [y for line in panel.lines for _, *pair in line.band for y in pair]
    low, high = panel.bounds
    low = min(ys) if low is None else low
    high = max(ys) if high is None else high
    # A line that stays what it is, in the middle.
    aside = abs(low) / 2 or 1.0
    return (low, high) if high > low else (low - aside, low + aside)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from `low` to `high`, `about` so many.

    >>> ticks(0, 100, 5)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    >>> ticks(0.3, 1.1, 4)
    [0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / max(1, about)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)] or [low, high]


def short(value: float) -> str:
    """
    >>> short(0.25), short(1500.0), short(40.0)
    ('0.25', '1.5k', '40')
    """
    return count(value).replace(".0", "") if value >= 1000 else f"{value:.3g}"


def _drawn(line: Line, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> list[str]:
    colour = f"var(--c{line.slot % COLOURS})"
    parts = []
    if len(line.band) > 1:
        band = thinned(line.band)
        upper = [f"{at_x(x):.1f},{at_y(high):.1f}" for x, _, high in band]
        lower = [f"{at_x(x):.1f},{at_y(low):.1f}" for x, low, _ in reversed(band)]
        parts.append(f'<polygon class="band" fill="{colour}" points="{" ".join(upper + lower)}"/>')
    points = [(at_x(x), at_y(y)) for x, y in thinned(line.points)]
    if len(points) > 1:
        path = _path(points, line.is_stepped)
        parts.append(f'<path class="line" stroke="{colour}" d="{path}"/>')
    # Few points are shown each; of many the last one says where the run is.
    shown = points if len(points) <= 40 and not line.is_stepped else points[-1:]
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in shown]
    return parts


def _path(points: Sequence[tuple[float, float]], is_stepped: bool) -> str:
    (x, y), *rest = points
    pieces = [f"M{x:.1f} {y:.1f}"]
    for x, y in rest:
        pieces.append(f"H{x:.1f}V{y:.1f}" if is_stepped else f"L{x:.1f} {y:.1f}")
    return "".join(pieces)


def _summary(line: Line) -> str:
    return f"{line.name} ends at {short(line.points[-1][1])}"
