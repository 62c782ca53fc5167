"""Draws benchmarks/plots/*.png and *.svg from the committed results.

python benchmarks/plots.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import results

FOLDER = Path(__file__).resolve().parent / "plots"
PANELS = [
    ("side", "ns", "board side", "ns"),
    ("side", "steps/s", "board side", "collected steps/s, 1 thread"),
    ("embedding", "steps/s", "width of the first layer", "collected steps/s, 1 thread"),
    ("batch", "ns", "boards evaluated together", "ns a step with the policy"),
    ("threads", "steps/s", "threads", "collected steps/s"),
]


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "twisterl"  # The same picture is the same file.
    content = results.read("growth")
    figure, axes = plt.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 3.6), layout="tight")
    for panel, axis in zip(PANELS, axes, strict=True):
        draw(axis, content["rows"], *panel)
    machine = content["machine"]
    figure.suptitle(f"{machine['processor']}, {content['date']}, commit {content['commit']}")
    for ending in ("png", "svg"):
        path = FOLDER / f"growth.{ending}"
        stamp = {"Date": None} if ending == "svg" else {"Software": None}
        figure.savefig(path, metadata=stamp)
        print(path.relative_to(results.ROOT))
    return 0


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
