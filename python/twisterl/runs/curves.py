"""What there is to draw of a run: lines over its training time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisterl.runs.history import History, Rows, evaluations_of, found_by, is_number, speeds_of

# (x, y), and (x, low, high).
Points = list[tuple[float, float]]
Band = list[tuple[float, float, float]]
# Of what a training step tells, what is no loss.
_NOT_LEARNED_FROM = ("lr", "kl", "clip_fraction", "entropy", "l2", "success")
_MOST_POINTS = 300


@dataclass
class Line:
    """`slot` is the number of its colour, one evaluation's in every panel."""

    name: str
    points: Points
    band: Band = field(default_factory=list)
    slot: int = 0
    is_stepped: bool = False


@dataclass
class Panel:
    """`bounds` of the vertical axis are those of the lines where None."""

    name: str
    unit: str
    lines: list[Line]
    bounds: tuple[float | None, float | None] = (None, None)

    @property
    def is_empty(self) -> bool:
        return not any(line.points for line in self.lines)


def panels_of(run: History) -> list[Panel]:
    """Those that have something to show: solved, moves, reward, difficulty, losses, speed."""
    rows = run.rows
    names = evaluations_of(rows)
    steps = "moves" if run.has_difficulty else "length"
    solved = [_solved(rows, name, slot) for slot, name in enumerate(names)]
    panels = [
        Panel("solved", "%", solved, (0, 100)),
        Panel(steps, "mean of the solved", _found(rows, names, "mean_length"), (0, None)),
    ]
    if run.has_difficulty:
        points = _points(rows, lambda row: row.get("difficulty"))
        if len({difficulty for _, difficulty in points}) > 1:
            line = Line("difficulty", points, slot=2, is_stepped=True)
            panels.append(Panel("difficulty", "random moves of a scramble", [line], (0, None)))
    else:
        panels.insert(0, Panel("reward", "mean of an episode", _found(rows, names, "reward")))
    panels.append(Panel("loss", "of a training step", _losses(rows)))
    speeds = [(row["elapsed_s"], speed) for row, speed in speeds_of(rows)]
    panels.append(Panel("speed", "steps a second", [Line("steps", speeds, slot=4)], (0, None)))
    return [panel for panel in panels if not panel.is_empty]


def others_of(run: History) -> list[Panel]:
    """What training tells besides losses, a panel each."""
    told = dict.fromkeys(name for row in run.rows for name in row["losses"])
    panels = [
        Panel(
            name.replace("_", " "),
            "",
            [Line(name.replace("_", " "), _loss(run.rows, name), slot=6)],
        )
        for name in told
        if name in _NOT_LEARNED_FROM
    ]
    return [panel for panel in panels if not panel.is_empty]


def thinned(points: Sequence[tuple[float, ...]], most: int = _MOST_POINTS) -> list[Any]:
    """At most `most` of `points`, each the mean of as many neighbours; the last one stays.

    >>> thinned([(0, 0.0), (1, 2.0), (2, 4.0), (3, 6.0), (4, 9.0)], 2)
    [(0.5, 1.0), (2.5, 5.0), (4, 9.0)]
    """
    if len(points) <= most:
        return list(points)
    size = len(points) // most
    groups = [points[start : start + size] for start in range(0, len(points) - size, size)]
    means = [tuple(sum(axis) / len(axis) for axis in zip(*group, strict=True)) for group in groups]
    return [*means, points[-1]]


def _solved(rows: Rows, name: str, slot: int) -> Line:
    found = list(found_by(rows, name))
    points = [(row["elapsed_s"], 100 * result["success"]) for row, result in found]
    band = []
    for row, result in found:
        interval = result.get("interval")
        if isinstance(interval, (list, tuple)) and len(interval) == 2:
            band.append((row["elapsed_s"], 100 * interval[0], 100 * interval[1]))
    return Line(name, points, band, slot)


def _found(rows: Rows, names: Sequence[str], key: str) -> list[Line]:
    """What evaluations say under `key`; also those that say nothing, so that colours stay."""
    lines = []
    for slot, name in enumerate(names):
        found = found_by(rows, name)
        points = [(row["elapsed_s"], r[key]) for row, r in found if is_number(r.get(key))]
        lines.append(Line(name, points, slot=slot))
    return lines


def _losses(rows: Rows) -> list[Line]:
    names = dict.fromkeys(name for row in rows for name in row["losses"])
    learned = [name for name in names if name not in _NOT_LEARNED_FROM]
    return [
        Line(name.replace("_", " "), _loss(rows, name), slot=slot)
        for slot, name in enumerate(learned, 3)
    ]


def _loss(rows: Rows, name: str) -> Points:
    return _points(rows, lambda row: row["losses"].get(name))


def _points(rows: Rows, value: Callable[[dict[str, Any]], Any]) -> Points:
    return [(row["elapsed_s"], value(row)) for row in rows if is_number(value(row))]
