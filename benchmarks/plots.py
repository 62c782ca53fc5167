"""Draws benchmarks/plots/*.png and *.svg from the committed results.

python benchmarks/plots.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import results
from growth import WORKLOADS

FOLDER = Path(__file__).resolve().parent / "plots"
# Axis and unit of what a panel shows, its label and its title; three panels in a row.
SIDE, WIDTH = "side of the board", "width of the first layer"
EPISODES, GAMES = "episodes of a collection", "games searched together"
PANELS = [
    ("side", "ns", SIDE, "environment, ns a call"),
    ("side", "steps/s", SIDE, "collection, steps/s"),
    ("side", "simulations/s", SIDE, "search, simulations/s"),
    ("side", "sample-epochs/s", SIDE, "training, sample-epochs/s"),
    ("side", "µs", SIDE, "64 moves at a board, µs"),
    ("side", "MiB", SIDE, "peak memory, MiB"),
    ("embedding", "steps/s", WIDTH, "collection, steps/s"),
    ("embedding", "simulations/s", WIDTH, "search, simulations/s"),
    ("embedding", "sample-epochs/s", WIDTH, "training, sample-epochs/s"),
    ("embedding", "MiB", WIDTH, "peak memory, MiB"),
    ("batches", "ns", "boards evaluated together", "step with the policy, ns"),
    ("search_episodes", "simulations/s", GAMES, "search, simulations/s"),
    ("episodes", "steps/s", EPISODES, "collection, steps/s"),
    ("episodes", "MiB", EPISODES, "peak memory, MiB"),
    ("search_episodes", "MiB", GAMES, "peak memory of search, MiB"),
    ("threads", "steps/s", "threads", "collection, steps/s"),
    ("threads", "simulations/s", "threads", "search, simulations/s"),
    ("threads", "sample-epochs/s", "threads", "training, sample-epochs/s"),
]
COLUMNS = 3
# One colour for one figure, in whichever panel.
COLORS = {
    "collection, exact": "C0",
    "collection, cached": "C1",
    "search, Gumbel 16, exact": "C2",
    "training step": "C3",
    "combined step with policy": "C4",
    "reset (32 moves)": "C5",
    "rollout, a step": "C6",
    "combined step": "C7",
    "step": "C8",
    "solve, one sample, 64 moves": "C0",
    "solve, beam 16, 64 moves": "C1",
}
# Beyond this ratio a scale that begins at zero would flatten the smaller values.
MOST_LINEAR = 10

BEAMS = [
    ("optimal", "share of optimal solutions", "linear"),
    ("time a board, processors together", "CPU-ms a board", "log"),
]


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "twisterl"  # The same picture is the same file.
    content = results.read("growth")
    # As wide as a page shows it, so that its letters stay as large as the text's.
    rows = len(PANELS) // COLUMNS
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(9.6, 2.6 * rows), layout="constrained")
    for panel, axis in zip(PANELS, axes.flat, strict=True):
        draw(axis, content["rows"], *panel)
    base = WORKLOADS["growth"]["base"]
    save(
        figure,
        "growth",
        [content],
        "dots: the median of the rounds; bands: from the lowest to the highest\n"
        f"unless the axis says otherwise: boards of {base['side']}×{base['side']}, "
        f"a first layer of {base['embedding']} units",
    )

    figure, axes = picture(2)
    content = results.read("quality")
    draw_curves(axes, content["rows"][0]["runs"])
    save(figure, "learning", [content])

    contents = [
        results.read(name)
        for name in ("tasks", "task_networks")
        if (results.RESULTS / f"{name}.json").exists()
    ]
    learned = {
        row["name"].split(":")[0]: row["runs"]
        for content in contents
        for row in content["rows"]
        if "curve" in row.get("runs", [{}])[0]
    }
    if learned:
        figure, axes = picture(COLUMNS, -(-len(learned) // COLUMNS))
        draw_returns(axes.flat, learned)
        save(
            figure, "tasks", contents, "mean return of the evaluations of a training, a line a seed"
        )

    # Measured apart from the others.
    if (results.RESULTS / "curves.json").exists():
        figure, axes = picture(2)
        content = results.read("curves")
        draw_engines(axes, content["rows"][0])
        legend = "bands: from the lowest to the highest seed; lines: medians"
        save(figure, "engines", [content], legend)

    figure, axes = picture(2)
    contents = [results.read(name) for name in ("walk8", "walk15")]
    draw_beams(axes, [row for content in contents for row in content["rows"]])
    save(figure, "beams", contents)
    return 0


def picture(columns: int, rows: int = 1) -> tuple[Any, Any]:
    return plt.subplots(rows, columns, figsize=(4 * columns, 3.6 * rows), layout="tight")


def save(figure: Any, name: str, contents: list[dict[str, Any]], legend: str = "") -> None:
    """Writes plots/`name` with `legend` and the machine, date and commit of each result file."""
    lines = dict.fromkeys(
        f"{content['machine']['processor']}, {content['date']}, commit {content['commit']}"
        for content in contents
    )
    figure.suptitle("\n".join([*lines, *legend.splitlines()]), fontsize="small")
    for ending in ("png", "svg"):
        path = FOLDER / f"{name}.{ending}"
        stamp = {"Date": None} if ending == "svg" else {"Software": None}
        figure.savefig(path, metadata=stamp)
        print(path.relative_to(results.ROOT))


def draw_curves(axes: Any, runs: list[dict[str, Any]]) -> None:
    """Success of PPO on uniform boards, a line for each seed, by seconds and by steps."""
    for axis, over, label in zip(
        axes, ("seconds", "steps"), ("training time in seconds", "steps collected"), strict=True
    ):
        for seed, run in enumerate(runs):
            curve = run["curve"]
            values = [[point[key] for point in curve] for key in (over, "sampled")]
            axis.plot(*values, label=f"seed {seed}", linewidth=1)
        axis.set(xlabel=label, ylabel="8-puzzle, sampled success", ylim=(0, 1.02))
        axis.xaxis.set_major_formatter(lambda value, _: readable(value))
        axis.grid(color="0.88")
        axis.legend(fontsize=9, loc="lower right")


def draw_returns(axes: Any, learned: dict[str, list[dict[str, Any]]]) -> None:
    """The mean return of the evaluations of each config over its steps, a line for each seed."""
    axes = list(axes)
    for axis, (name, runs) in zip(axes, learned.items(), strict=False):
        for run in runs:
            values = [[point[key] for point in run["curve"]] for key in ("steps", "return")]
            axis.plot(*values, linewidth=1, marker=".", markersize=3)
        axis.set_title(name.removeprefix("ppo_").removesuffix("_v1"), loc="left", fontsize=11)
        axis.set(xlabel="steps collected", ylabel="mean return")
        axis.xaxis.set_major_formatter(lambda value, _: readable(value))
        axis.grid(color="0.88")
    for axis in axes[len(learned) :]:
        axis.remove()


def draw_engines(axes: Any, found: dict[str, Any]) -> None:
    """Success of PPO by the engine's updates and by torch's, by steps and by seconds."""
    for axis, over, label in zip(
        axes, ("steps", "seconds"), ("steps collected", "training time in seconds"), strict=True
    ):
        for side, name, color in (("peer", "torch", "C1"), ("ours", "engine", "C0")):
            curves = [
                [[point[key] for point in run["curve"]] for key in (over, "sampled")]
                for run in found["runs"][side]
            ]
            last = min(places[-1] for places, _ in curves)
            at = np.linspace(max(places[0] for places, _ in curves), last, 60)
            values = np.array([np.interp(at, *curve) for curve in curves])
            axis.fill_between(at, values.min(0), values.max(0), color=color, alpha=0.25, lw=0)
            axis.plot(at, np.median(values, 0), color=color, label=name, linewidth=1)
        axis.set(xlabel=label, ylabel="8-puzzle, sampled success", ylim=(0, 1.02))
        axis.xaxis.set_major_formatter(lambda value, _: readable(value))
        axis.grid(color="0.88")
        axis.legend(fontsize=9, loc="lower right")


def draw_beams(axes: Any, rows: list[dict[str, Any]]) -> None:
    """How wide a beam solves how well, and what it costs."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in rows:
        match = re.fullmatch(r"(.*), walks, beam ([\d,]+): (.*)", row["name"])
        if match:
            point = (int(match[2].replace(",", "")), row["ours"]["median"])
            found.setdefault((match[3], match[1]), []).append(point)
    for axis, (what, label, scale) in zip(axes, BEAMS, strict=True):
        for (which, puzzle), points in found.items():
            if which == what:
                axis.plot(*zip(*points, strict=True), marker="o", label=puzzle)
        axis.set(xlabel="width of the beam", ylabel=label, xscale="log", yscale=scale)
        widths = sorted({width for points in found.values() for width, _ in points})
        axis.set_xticks(widths, [f"{width:,}" for width in widths])
        axis.xaxis.set_minor_formatter("")
        axis.yaxis.set_major_formatter(lambda value, _: readable(value))
        axis.grid(color="0.88")
        axis.legend(fontsize=9, loc="lower right")


def draw(axis: Any, rows: list[dict[str, Any]], over: str, unit: str, x: str, title: str) -> None:
    """The medians of the rows over one axis, with their range as a band."""
    wanted = [row for row in rows if row["axis"] == over and row["unit"] == unit]
    names = list(dict.fromkeys(row["figure"] for row in wanted))
    points = sorted({row["value"] for row in wanted})
    # One step after the other: most double or quadruple.
    places = {value: place for place, value in enumerate(points)}
    for name in names:
        line = [row for row in wanted if row["figure"] == name]
        at = [places[row["value"]] for row in line]
        medians = [row["ours"]["median"] for row in line]
        axis.plot(at, medians, marker="o", markersize=4, label=name, color=COLORS[name])
        low, high = ([row["ours"][end] for row in line] for end in ("low", "high"))
        axis.fill_between(at, low, high, alpha=0.18, linewidth=0, color=COLORS[name])
    scale(axis, [row["ours"]["median"] for row in wanted], len(names))
    axis.set_xlabel(x, fontsize=10)
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_xticks(range(len(points)), [f"{value:,}" for value in points])
    axis.set_xlim(-0.3, len(points) - 0.7)
    axis.grid(color="0.88")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    if len(names) > 1:
        axis.legend(fontsize=8, labelspacing=0.3, framealpha=0.8)


def scale(axis: Any, medians: list[float], num_names: int) -> None:
    """From zero, with room above for a legend; by powers where the values are too far apart."""
    low, high = min(medians), max(medians)
    if high > MOST_LINEAR * low:
        axis.set_yscale("log")
        axis.set_ylim(low / 2, high * (high / low) ** (0.28 * num_names))
        axis.yaxis.set_minor_formatter("")
    else:
        axis.set_ylim(0, 1.35 * high)
    axis.yaxis.set_major_formatter(lambda value, _: readable(value))


def readable(value: float) -> str:
    """
    >>> readable(2_500_000), readable(400_000), readable(0.5)
    ('2.5 M', '400 k', '0.5')
    """
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


if __name__ == "__main__":
    sys.exit(main())
