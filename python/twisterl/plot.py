"""The learning curve of a run as a picture: `python -m twisterl.plot RUN_DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twisterl.checkpoint import CURVE, METRICS, write_atomic


def read_metrics(run_path: str | Path) -> list[dict[str, Any]]:
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

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 6), dpi=110)
    for name in {name: None for row in rows for name in row["evals"]}:
        points = [(row["elapsed_s"], row["evals"][name]) for row in rows if name in row["evals"]]
        times = [time for time, _ in points]
        (line,) = above.plot(times, [e["success"] for _, e in points], label=name, linewidth=1.5)
        bands = [(time, e["interval"]) for time, e in points if e["interval"]]
        above.fill_between(
            [time for time, _ in bands],
            [interval[0] for _, interval in bands],
            [interval[1] for _, interval in bands],
            color=line.get_color(),
            alpha=0.15,
            linewidth=0,
        )
    above.set_ylim(-0.02, 1.02)
    above.set_ylabel("solved (band: 95 %)")
    if above.lines:
        above.legend(loc="lower right", fontsize="small")
    elapsed = [row["elapsed_s"] for row in rows]
    # A difficulty of None, which bounds nothing, leaves a gap.
    difficulties = [
        float("nan") if row["difficulty"] is None else row["difficulty"] for row in rows
    ]
    below.step(elapsed, difficulties, where="post")
    below.set_ylabel("difficulty")
    below.set_xlabel("training time in seconds")
    for axis in (above, below):
        axis.grid(alpha=0.3)
    figure.suptitle(f"{Path(run_path).name}: {rows[-1]['total_steps']:,} steps")
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    pyplot.close(figure)
    target = Path(run_path) / CURVE
    write_atomic(target, picture.getvalue())
    return target


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m twisterl.plot", description="Draws the learning curve of a run as PNG."
    )
    parser.add_argument("run", metavar="RUN_DIR", help="folder of a training run")
    run = parser.parse_args().run
    try:
        drawn = draw(run)
    except OSError as error:
        print(f"error: {error.filename or run}: {error.strerror}", file=sys.stderr)
        return 2
    print(drawn if drawn else "no metrics yet")
    return 0


if __name__ == "__main__":
    sys.exit(main())
