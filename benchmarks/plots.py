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
import results

FOLDER = Path(__file__).resolve().parent / "plots"
# Axis and unit of what a panel shows, and its labels.
PANELS = [
    ("side", "ns", "board side", "ns"),
    ("side", "steps/s", "board side", "collected steps/s, 1 thread"),
    ("side", "simulations/s", "board side", "simulations/s, 1 thread"),
    ("side", "sample-epochs/s", "board side", "sample-epochs/s, 2 threads"),
    ("side", "µs", "board side", "µs a board"),
    ("side", "MiB", "board side", "peak memory, MiB"),
    ("embedding", "steps/s", "width of the first layer", "collected steps/s, 1 thread"),
    ("embedding", "simulations/s", "width of the first layer", "simulations/s, 1 thread"),
    ("embedding", "sample-epochs/s", "width of the first layer", "sample-epochs/s, 2 threads"),
    ("embedding", "MiB", "width of the first layer", "peak memory, MiB"),
    ("batches", "ns", "boards evaluated together", "ns a step with the policy"),
    ("episodes", "steps/s", "episodes of a collection", "collected steps/s, 1 thread"),
    ("episodes", "MiB", "episodes of a collection", "peak memory, MiB"),
    ("search_episodes", "simulations/s", "games searched together", "simulations/s, 1 thread"),
    ("search_episodes", "MiB", "games searched together", "peak memory, MiB"),
    ("threads", "steps/s", "threads", "collected steps/s"),
    ("threads", "simulations/s", "threads", "simulations/s"),
    ("threads", "sample-epochs/s", "threads", "sample-epochs/s"),
]
COLUMNS = 6

BEAMS = [
    ("optimal", "share of optimal solutions", "linear"),
    ("time a board, processors together", "CPU-ms a board", "log"),
]


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "twisterl"  # The same picture is the same file.
    content = results.read("growth")
    figure, axes = picture(COLUMNS, len(PANELS) // COLUMNS)
    for panel, axis in zip(PANELS, axes.flat, strict=True):
        draw(axis, content["rows"], *panel)
    save(figure, "growth", [content])

    figure, axes = picture(2)
    content = results.read("quality")
    draw_curves(axes, content["rows"][0]["runs"])
    save(figure, "learning", [content])

    figure, axes = picture(2)
    contents = [results.read(name) for name in ("walk8", "walk15")]
    draw_beams(axes, [row for content in contents for row in content["rows"]])
    save(figure, "beams", contents)
    return 0


def picture(columns: int, rows: int = 1) -> tuple[Any, Any]:
    return plt.subplots(rows, columns, figsize=(4 * columns, 3.6 * rows), layout="tight")


def save(figure: Any, name: str, contents: list[dict[str, Any]]) -> None:
    """Writes plots/`name` with the machine, date and commit of each result file."""
    lines = dict.fromkeys(
        f"{content['machine']['processor']}, {content['date']}, commit {content['commit']}"
        for content in contents
    )
    figure.suptitle("\n".join(lines), fontsize="small")
    for ending in ("png", "svg"):
        path = FOLDER / f"{name}.{ending}"
        stamp = {"Date": None} if ending == "svg" else {"Software": None}
        figure.savefig(path, metadata=stamp)
        print(path.relative_to(results.ROOT))


def draw_curves(axes: Any, runs: list[dict[str, Any]]) -> None:
    """Success of PPO on uniform boards, a line for each seed, by seconds and by steps."""
    for axis, over, label in zip(
        axes, ("seconds", "steps"), ("s of training", "steps collected"), strict=True
    ):
        for seed, run in enumerate(runs):
            curve = run["curve"]
            values = [[point[key] for point in curve] for key in (over, "sampled")]
            axis.plot(*values, label=f"seed {seed}", linewidth=1)
        axis.set(xlabel=label, ylabel="8-puzzle, sampled success", ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        axis.legend(fontsize="x-small")


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
        axis.grid(alpha=0.3)
        axis.legend(fontsize="x-small")


def draw(axis: Any, rows: list[dict[str, Any]], over: str, unit: str, x: str, y: str) -> None:
    """The medians of the rows over one axis, with their range as a band."""
    wanted = [row for row in rows if row["axis"] == over and row["unit"] == unit]
    for name in dict.fromkeys(row["figure"] for row in wanted):
        line = [row for row in wanted if row["figure"] == name]
        values = [row["value"] for row in line]
        axis.plot(values, [row["ours"]["median"] for row in line], marker="o", label=name)
        low, high = ([row["ours"][end] for row in line] for end in ("low", "high"))
        axis.fill_between(values, low, high, alpha=0.15)
    axis.set(xlabel=x, ylabel=y, xscale="log", yscale="log")
    axis.xaxis.set_minor_formatter("")
    ticks = sorted({row["value"] for row in wanted})
    axis.set_xticks(ticks, [str(value) for value in ticks])
    axis.grid(alpha=0.3)
    axis.legend(fontsize="x-small")


if __name__ == "__main__":
    sys.exit(main())
