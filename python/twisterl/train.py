"""Training from a config file: `python -m twisterl.train --config C`.

>>> from twisterl.train import main
>>> main("examples/ppo_puzzle8_v1.json", num_steps=2)  # doctest: +SKIP
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisterl.runs.training import Options, Training
from twisterl.utils import load_config, prepare_algorithm

__all__ = ["Options", "Training", "draw_curve", "load_config", "main", "prepare_algorithm"]


def main(
    config_path: str | os.PathLike[str],
    run_path: str | os.PathLike[str] | None = None,
    load_checkpoint_path: str | os.PathLike[str] | None = None,
    num_steps: int | None = None,
    *,
    trust: bool = False,
) -> None:
    """Trains as the config file says, into `run_path` (default: `runs/<config name>`).

    `trust` imports the classes of other packages that a config from the model hub names.

    Raises `RunFolderError` if the folder holds a run already.
    """
    training = Training(
        Options(
            os.fspath(config_path),
            None if run_path is None else os.fspath(run_path),
            None if load_checkpoint_path is None else os.fspath(load_checkpoint_path),
            num_steps,
            trust=trust,
        )
    )
    training.start()
    training.learn()
    draw_curve(training.folder.path)


def draw_curve(run_path: str | os.PathLike[str], *, wait: bool = True) -> None:
    """Draws the learning curve in a process of its own, whose memory is not the run's."""
    # `-m` would find modules in the working directory before all others.
    places = f"[*filter(None, sys.path), {os.fspath(Path(__file__).parents[1])!r}]"
    load = "from twisterl import plot; from twisterl.cli import streams"
    start = f"import sys; sys.path[:] = {places}; {load}; streams.run(plot.main)"
    command = [sys.executable, "-c", start, os.fspath(run_path)]
    nothing = subprocess.DEVNULL
    # What is not waited for must not keep the streams of the run open.
    errors = None if wait else nothing
    child = subprocess.Popen(
        command, stdin=nothing, stdout=nothing, stderr=errors, start_new_session=True
    )
    if wait:
        child.wait()


if __name__ == "__main__":
    from twisterl import cli

    cli.entry(["train", *sys.argv[1:]], program="python -m twisterl.train")
