"""Pictures as SVG: one that stands still, or several that follow each other, without a script."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from twisterl.pictures.boards import picture_of
from twisterl.pictures.shapes import Picture, Shape

_SANS = (
    "ui-sans-serif,system-ui,-apple-system,Segoe UI,Roboto,Helvetica Neue,DejaVu Sans,sans-serif"
)
_MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace"
# What appears or vanishes does so within this share of the whole, in percent.
_AT_ONCE = 1e-4


def svg_of(env: Any) -> str:
    """The state of an environment as an SVG image."""
    return still(picture_of(env))


def still(picture: Picture, title: str = "") -> str:
    return _document(picture, "".join(map(_drawn, picture.shapes)), title)


def animated(pictures: Sequence[Picture], spans: Sequence[tuple[float, float]], end: float,
             title: str = "") -> str:  # fmt: skip
    """All `pictures`, over and over. Who wants less motion sees the first.

    Args:
        spans: of each picture but the first, when the move to it begins and ends, in seconds.
        end: of the last one.
    """
    times = [(0.0, 0.0), *spans]
    seen: dict[Shape, list[Shape | None]] = {}
    for place, picture in enumerate(pictures):
        for shape in picture.shapes:
            seen.setdefault(shape.identity, [None] * len(pictures))[place] = shape
    body, rules = [], []
    for number, states in enumerate(seen.values()):
        frames = _frames(states, times, end)
        name = f"s{number}"
        first = next(shape for shape in states if shape is not None)
        body.append(_drawn(first, name if frames else "", hidden=states[0] is None))
        if frames:
            rules.append(f"@keyframes {name}{{{frames}}}.{name}{{animation-name:{name}}}")
    style = (
        f"<style>[class]{{animation:{_number(end)}s linear infinite}}{''.join(rules)}"
        "@media (prefers-reduced-motion:reduce){[class]{animation:none}}</style>"
    )
    return _document(pictures[0], style + "".join(body), title)


def _frames(states: list[Shape | None], times: list[tuple[float, float]], end: float) -> str:
    """The key frames of a shape that has these states; nothing if it is always the same."""
    if all(state == states[0] for state in states):
        return ""
    frames = {0.0: _properties(states, 0), 100.0: _properties(states, len(states) - 1)}
    for place in range(1, len(states)):
        if states[place] == states[place - 1]:
            continue
        begin, arrived = (100 * time / end for time in times[place])
        if states[place] is None or states[place - 1] is None:
            arrived = begin + _AT_ONCE
        frames[begin] = _properties(states, place - 1)
        frames[arrived] = _properties(states, place)
    return "".join(f"{_number(at, 4)}%{{{frames[at]}}}" for at in sorted(frames))


def _properties(states: list[Shape | None], place: int) -> str:
    state = states[place]
    present = [shape for shape in states if shape is not None]
    parts = []
    if len(present) < len(states):
        parts.append(f"opacity:{int(state is not None)}")
    if state is not None and any((s.x, s.y) != (present[0].x, present[0].y) for s in present):
        parts.append(f"transform:translate({_number(state.x)}px,{_number(state.y)}px)")
    if state is not None and any(shape.fill != present[0].fill for shape in present):
        parts.append(f"fill:{state.fill}")
    return ";".join(parts)


def _document(picture: Picture, body: str, title: str) -> str:
    width, height = _number(picture.width), _number(picture.height)
    named = f"<title>{html.escape(title)}</title>" if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_SANS}" font-weight="700" '
        f'text-anchor="middle" role="img">{named}{body}</svg>'
    )


def _drawn(shape: Shape, name: str = "", hidden: bool = False) -> str:
    parts = []
    if shape.points:
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
        parts.append(f'<polygon points="{points}"/>')
    elif shape.width:
        width, height = shape.width, shape.height
        parts.append(
            f'<rect x="{_number(-width / 2)}" y="{_number(-height / 2)}" width="{_number(width)}" '
            f'height="{_number(height)}" rx="{_number(shape.radius)}"/>'
        )
    if shape.label:
        more = "" if shape.align == "middle" else f' text-anchor="{shape.align}"'
        if shape.mono:
            more += f' font-family="{_MONO}" font-weight="400" style="white-space:pre"'
        parts.append(
            f'<text y="{_number(0.36 * shape.size)}" font-size="{_number(shape.size)}" '
            f'fill="{shape.ink}"{more}>{html.escape(_printable(shape.label))}</text>'
        )
    fill = f' fill="{shape.fill}"' if shape.fill else ""
    known = f' class="{name}"' if name else ""
    unseen = ' opacity="0"' if hidden else ""
    place = f'transform="translate({_number(shape.x)},{_number(shape.y)})"'
    return f"<g {place}{fill}{known}{unseen}>{''.join(parts)}</g>"


def _printable(text: str) -> str:
    """`text` without what XML cannot hold."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")
