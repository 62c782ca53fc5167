"""Where the numbers of a run go: `metrics.jsonl` always, TensorBoard where it is wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisterl.checkpoint import METRICS
from twisterl.rl.progress import Progress


class Recorder:
    """Appends one line per iteration to the run folder's `metrics.jsonl`."""

    def __init__(self, folder: str) -> None:
        self._file = (Path(folder) / METRICS).open("a", encoding="utf-8")

    def write(self, progress: Progress) -> None:
        self._file.write(json.dumps(progress.as_dict()) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def make_writer(folder: str) -> Any:
    """A TensorBoard writer; imported here because it is slow and only a run needs it."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)


def write_scalars(writer: Any, progress: Progress) -> None:
    """One iteration under the tags that dashboards of TwisteRL know."""
    step = progress.iteration
    for name in ("difficulty", "success", "reward"):
        value = getattr(progress, name)
        if value is not None:
            writer.add_scalar(f"Benchmark/{name}", value, step, new_style=True)
    groups = {
        "Benchmark/Detail/Success": {name: e.success for name, e in progress.evaluations.items()},
        "Benchmark/Detail/Reward": {name: e.reward for name, e in progress.evaluations.items()},
        "Losses": progress.losses,
        "Times": progress.times,
    }
    for tag, values in groups.items():
        if values:
            writer.add_scalars(tag, values, step)
