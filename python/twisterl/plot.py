"""The learning curve of a run as a picture: `python -m twisterl.plot RUN_DIR`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from twisterl.cli import streams
from twisterl.cli.numbers import count, duration
from twisterl.on_demand import MissingPackage, optional
from twisterl.runs.files import write_atomic
from twisterl.runs.folder import CURVE, METRICS

Rows = list[dict[str, Any]]
# In inches: the picture, its title and the axis of times, a panel and what is between two, and the
# places of the panels and their labels. To measure the texts takes as long again as to draw them.
_WIDTH, _ABOVE, _BELOW, _PANEL, _BETWEEN = 8, 0.4, 0.55, 2.0, 0.25
_LEFT, _RIGHT, _LABEL = 0.98, 0.15, 0.6
_POINTS: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.6}
# Of what a training step tells.
_NOT_LEARNED_FROM = ("lr", "kl", "clip_fraction", "entropy", "l2", "success")


def read_metrics(run_path: str | Path) -> Rows:
    """The lines of `metrics.jsonl`; one cut off by a crash is left out."""
    rows = []
    for line in (Path(run_path) / METRICS).read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def draw(run_path: str | Path) -> Path | None:
    """Writes `learning_curve.png` from the metrics; None if there are none yet."""
    rows = read_metrics(run_path)
    if not rows:
        return None
    import io

    matplotlib = optional("matplotlib", CURVE)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [_solved, *(panel for panel in (_length, _difficulty, _training) if panel(None, rows))]
    # A difficulty that rises tells more than losses do.
    del panels[3:]
    number, width = len(panels), _WIDTH - _LEFT - _RIGHT
    height = _ABOVE + _BELOW + number * _PANEL + (number - 1) * _BETWEEN
    shape: dict[str, Any] = {"figsize": (_WIDTH, height), "dpi": 110}
    figure, axes = pyplot.subplots(number, 1, sharex=True, squeeze=False, **shape)
    figure.subplots_adjust(
        left=_LEFT / _WIDTH,
        right=1 - _RIGHT / _WIDTH,
        top=1 - _ABOVE / height,
        bottom=_BELOW / height,
        hspace=_BETWEEN / _PANEL,
    )
    for panel, axis in zip(panels, axes[:, 0], strict=True):
        panel(axis, rows)
        axis.yaxis.set_label_coords(-_LABEL / width, 0.5)
        axis.margins(x=0.02)
        axis.grid(color="0.88")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("training time in seconds")
    axes[0, 0].set_title(_title(Path(run_path), rows), loc="left", parse_math=False)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # A name may be in letters that the font lacks: it shows boxes.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(picture, format="png")
    pyplot.close(figure)
    target = Path(run_path) / CURVE
    write_atomic(target, picture.getvalue())
    return target


# A panel draws itself on an axis; without one it says whether it has anything to show.


def _solved(axis: Any, rows: Rows) -> bool:
    if axis is not None:
        for name in _evaluations(rows):
            found = _of(rows, name)
            shares = [100 * e["success"] for _, e in found]
            axis.plot([time for time, _ in found], shares, label=name, **_POINTS)
            bands = [(time, e["interval"]) for time, e in found if e.get("interval")]
            axis.fill_between(
                [time for time, _ in bands],
                [100 * low for _, (low, _) in bands],
                [100 * high for _, (_, high) in bands],
                alpha=0.18,
                linewidth=0,
            )
        axis.set(ylim=(-3, 103), ylabel="solved, %\n(band: 95 % interval)")
        if axis.lines:
            axis.legend(loc="lower right", title="evaluation")
    return True


def _length(axis: Any, rows: Rows) -> bool:
    lines = {
        name: [(time, e["mean_length"]) for time, e in _of(rows, name) if e.get("mean_length")]
        for name in _evaluations(rows)
    }
    if axis is not None:
        for line in lines.values():
            # Also where there is none, so that a colour is one evaluation's in every panel.
            axis.plot(*zip(*line, strict=True) if line else ([], []), **_POINTS)
        axis.set_ylabel("moves,\nmean of the solved")
        axis.set_ylim(bottom=0)
    return any(lines.values())


def _difficulty(axis: Any, rows: Rows) -> bool:
    # A difficulty of None, which bounds nothing, leaves a gap.
    difficulties = [
        float("nan") if row["difficulty"] is None else row["difficulty"] for row in rows
    ]
    if axis is not None:
        axis.step(_times(rows), difficulties, where="post", color="0.3")
        axis.set_ylabel("difficulty")
        axis.set_ylim(bottom=0)
    return len({row["difficulty"] for row in rows}) > 1


def _training(axis: Any, rows: Rows) -> bool:
    names = [name for name in rows[-1].get("losses", {}) if name not in _NOT_LEARNED_FROM]
    if axis is not None:
        times = _times(rows)
        for name in names:
            values = [row["losses"].get(name, float("nan")) for row in rows]
            axis.plot(times, values, label=name.replace("_", " "), linewidth=1.4)
        axis.set_ylabel("loss" if "total" in names else "reward of an episode")
        axis.legend(ncols=len(names))
        axis.margins(y=0.15)
    return bool(names)


def _evaluations(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row["evals"]))


def _of(rows: Rows, name: str) -> list[tuple[float, dict[str, Any]]]:
    """When the evaluation of that name was made, and what it found."""
    return [(row["elapsed_s"], row["evals"][name]) for row in rows if name in row["evals"]]


def _times(rows: Rows) -> list[float]:
    return [row["elapsed_s"] for row in rows]


def _title(run: Path, rows: Rows) -> str:
    last = rows[-1]
    done = f"{last['iteration'] + 1:,} iterations, {count(last['total_steps'])} steps"
    # Its bytes may be no text.
    name = os.fsencode(run.resolve().name).decode(errors="replace")
    return f"{name}: {done}, {duration(last['elapsed_s'])}"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m twisterl.plot", description="Draws the learning curve of a run as PNG."
    )
    parser.add_argument("run", metavar="RUN_DIR", help="folder of a training run")
    run = parser.parse_args().run
    try:
        drawn = draw(run)
    except OSError as error:
        streams.complain(f"error: {error.filename or run}: {error.strerror}")
        return 2
    except MissingPackage as error:
        streams.complain(str(error))
        return 2
    print(drawn if drawn else "no metrics yet")
    return 0


if __name__ == "__main__":
    sys.exit(streams.run(main))
