"""Several runs beside each other; those that differ in their seed only are one line with a band."""

from __future__ import annotations

import bisect
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl.faults import joined
from twisterl.runs import history
from twisterl.runs.curves import Line, Panel, Points
from twisterl.runs.errors import RunFolderError
from twisterl.runs.folder import RunFolder
from twisterl.runs.history import History, found_by, is_number, speeds_of

# What the horizontal axis may be, and the key of a row that says it.
AXES = {"time": "elapsed_s", "steps": "total_steps", "iterations": "iteration"}
_NO_CONFIG: dict[str, Any] = {}
_EVALUATION = re.compile(r"(algorithm\.evals\.[^.]+)\.")
# The share solved whose time a table tells.
TARGET = 0.95


@dataclass
class Group:
    """Runs of one config, but for its seed; `differs` are the keys that other groups have other."""

    name: str
    runs: list[History]
    differs: dict[str, Any]

    @property
    def seeds(self) -> list[Any]:
        return [run.algorithm.get("seed", 0) for run in self.runs]


def read_all(folders: Sequence[str]) -> list[History]:
    """The runs in `folders`, or in the folders directly in them.

    Raises `RunFolderError` where there is none.
    """
    found: dict[Path, History] = {}
    for folder in map(Path, folders):
        places = [folder]
        if not RunFolder(folder).holds_run() and folder.is_dir():
            places = sorted(p for p in folder.iterdir() if p.is_dir() and RunFolder(p).holds_run())
            if not places:
                raise RunFolderError(f"{folder}: holds no run, nor does a folder in it")
        for place in places:
            found.setdefault(place.resolve(), history.read(place))
    return list(found.values())


def grouped(runs: Sequence[History]) -> list[Group]:
    """`runs` by their configs without the seed, in the order in which they come."""
    groups: dict[str, list[History]] = {}
    for number, run in enumerate(runs):
        whole = _without_seed(run)
        # A run without a config is nobody's equal.
        key = json.dumps(whole, sort_keys=True, default=str) if whole else str(number)
        groups.setdefault(key, []).append(run)
    flat = _together([dict(_flat(_without_seed(members[0]))) for members in groups.values()])
    order = [key for own in flat for key, value in own.items() if value != "–"]
    keys = [key for key in dict.fromkeys(order)
            if len({own.get(key) for own in flat}) > 1]  # fmt: skip
    if "algorithm_cls" in keys:
        # Most keys of one algorithm are none of another.
        keys = [key for key in keys if not key.startswith("algorithm.")]
    names: list[str] = []
    for members in groups.values():
        name = _name(members)
        again = sum(other.partition(" (")[0] == name for other in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return [
        Group(name, members, {key: own.get(key) for key in keys})
        for name, members, own in zip(names, groups.values(), flat, strict=True)
    ]


def _together(flat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The configs `flat`, in which an evaluation that not all have is one key, and what another
    environment takes is told from a default.
    """
    named = [{found[1] for key in own if (found := _EVALUATION.match(key))} for own in flat]
    some = set().union(*named) - set.intersection(*named)
    is_mixed = len({own.get("env_cls") for own in flat}) > 1
    of_env = {key for own in flat for key in own if is_mixed and key.startswith("env.")}
    whole = []
    for own, names in zip(flat, named, strict=True):
        kept = {
            key: value
            for key, value in own.items()
            if not ((found := _EVALUATION.match(key)) and found[1] in some)
        }
        evals = {name: "yes" if name in names else "no" for name in sorted(some)}
        whole.append({**dict.fromkeys(of_env - own.keys(), "–"), **kept, **evals})
    return whole


def _name(runs: Sequence[History]) -> str:
    """The name of a run, or what the names of several begin with."""
    first, last = min(run.name for run in runs), max(run.name for run in runs)
    if first == last:
        return first
    pairs = zip(first, last, strict=False)
    common = "".join(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return common.rstrip("-_. =0123456789") or runs[0].folder.resolve().parent.name


def panels_of(groups: Sequence[Group], axis: str) -> list[Panel]:
    """A panel for each figure that at least one group has; a line of the mean and a band."""
    is_task = not any(run.has_difficulty for group in groups for run in group.runs)
    wanted: list[tuple[str, str, Callable[[History, str], Points], tuple[Any, Any]]] = [
        ("solved", "%", lambda run, key: _results(run, key, "success", 100.0), (0, 100)),
        ("moves", "mean of the solved", lambda run, key: _results(run, key, "mean_length"),
         (0, None)),
        ("difficulty", "", lambda run, key: _told(run, key, "difficulty"), (0, None)),
        ("speed", "steps a second", _speeds, (0, None)),
    ]  # fmt: skip
    if is_task:
        wanted[1:3] = [
            ("reward", "mean of an episode", lambda run, key: _results(run, key, "reward"),
             (None, None)),
        ]  # fmt: skip
    panels = []
    for name, unit, of, bounds in wanted:
        lines = []
        for slot, group in enumerate(groups):
            points, band = merged([of(run, AXES[axis]) for run in group.runs])
            lines.append(Line(group.name, points, band, slot, is_stepped=name == "difficulty"))
        panels.append(Panel(name, unit, lines, bounds))
    return [panel for panel in panels if not panel.is_empty and not _is_constant(panel)]


def _is_constant(panel: Panel) -> bool:
    """Whether nothing is to be seen of it: a difficulty that stays, the same in all runs."""
    values = {y for line in panel.lines for _, y in line.points}
    return panel.name == "difficulty" and len(values) < 2


def merged(lines: Sequence[Points]) -> tuple[Points, list[tuple[float, float, float]]]:
    """The mean of lines wherever all of them are, and from the least to the most of them.

    >>> merged([[(0, 1.0), (2, 3.0)], [(0, 3.0), (1, 5.0), (4, 5.0)]])
    ([(0, 2.0), (1, 3.5), (2, 4.0)], [(0, 1.0, 3.0), (1, 2.0, 5.0), (2, 3.0, 5.0)])
    """
    lines = [line for line in lines if line]
    if len(lines) < 2:
        return (list(lines[0]) if lines else []), []
    first, last = max(line[0][0] for line in lines), min(line[-1][0] for line in lines)
    places = sorted({x for line in lines for x, _ in line if first <= x <= last})
    points, band = [], []
    for x in places:
        values = [_at(line, x) for line in lines]
        points.append((x, sum(values) / len(values)))
        band.append((x, min(values), max(values)))
    return points, band


def _at(line: Points, x: float) -> float:
    """The line at `x`, which is within it."""
    after = bisect.bisect_left(line, x, key=lambda point: point[0])
    u, v = line[after]
    if u == x or after == 0:
        return v
    before_x, before_y = line[after - 1]
    return before_y + (v - before_y) * (x - before_x) / (u - before_x)


def summary(group: Group) -> dict[str, Any]:
    """The figures of a table: of every run of the group, means and how far they reach."""
    from twisterl.pictures.run_page import metric_of

    figures: dict[str, list[float]] = {}
    for run in group.runs:
        metric = metric_of(run)
        results = list(found_by(run.rows, metric)) if metric else []
        if results:
            last = results[-1][1]
            values = {"success": last["success"], "length": last.get("mean_length"),
                      "reward": last.get("reward")}  # fmt: skip
            reached = (row["elapsed_s"] for row, one in results if one["success"] >= TARGET)
            values["seconds_to_target"] = next(reached, None)
            for name, value in values.items():
                if is_number(value):
                    figures.setdefault(name, []).append(float(value))
        if run.rows:
            figures.setdefault("seconds", []).append(run.rows[-1]["elapsed_s"])
            figures.setdefault("iterations", []).append(run.iterations)
            if is_number(run.rows[-1].get("total_steps")):
                figures.setdefault("steps", []).append(run.rows[-1]["total_steps"])
    return {
        "name": group.name,
        "runs": [str(run.folder) for run in group.runs],
        "seeds": group.seeds,
        "differs": group.differs,
        "is_running": any(run.is_running for run in group.runs),
        # A run that has not reached the target has no time to it, and a mean of others none.
        "reached": len(figures.get("seconds_to_target", [])),
        **{
            name: {"mean": sum(values) / len(values), "least": min(values), "most": max(values)}
            for name, values in figures.items()
        },
    }


def _results(run: History, key: str, what: str, scale: float = 1.0) -> Points:
    from twisterl.pictures.run_page import metric_of

    metric = metric_of(run)
    found = found_by(run.rows, metric) if metric else iter(())
    return [
        (row[key], scale * result[what])
        for row, result in found
        if is_number(result.get(what)) and is_number(row.get(key))
    ]


def _told(run: History, key: str, what: str) -> Points:
    return [
        (row[key], row[what])
        for row in run.rows
        if is_number(row.get(what)) and is_number(row.get(key))
    ]


def _speeds(run: History, key: str) -> Points:
    return [(row[key], speed) for row, speed in speeds_of(run.rows) if is_number(row.get(key))]


def _without_seed(run: History) -> dict[str, Any]:
    if not run.config:
        return _NO_CONFIG
    algorithm = {key: value for key, value in run.algorithm.items() if key != "seed"}
    whole = {key: value for key, value in run.config.items() if key != "$schema"}
    return {**whole, "algorithm": algorithm}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object, with its dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, joined(path, key))
    else:
        yield path, json.dumps(value, default=str)
