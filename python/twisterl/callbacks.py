"""Callbacks: who is told of a run while it trains, and adapters for the usual trackers.

A callback is given to `Algorithm.subscribe`: a function of a `Progress`, or an object with some of
the methods of `Callback`. All are called in the thread of `learn`, one after the other, between two
iterations: what they raise ends the run, after it has been saved. They may read the algorithm, call
`request_stop` and `request_save`, and change nothing else of it.

>>> from twisterl.callbacks import Callback
>>> class StopWhenSolved(Callback):
...     def on_iteration(self, algorithm, progress):
...         if progress.success == 1:
...             algorithm.request_stop()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl.rl.algorithm import Algorithm
    from twisterl.runs.progress import Progress

__all__ = [
    "Callback",
    "MlflowCallback",
    "OptunaCallback",
    "ProgressCallback",
    "TensorBoardCallback",
    "WandbCallback",
]


class Callback:
    """Does nothing; a subclass replaces what it wants to be told."""

    def on_start(self, algorithm: Algorithm) -> None:
        """`learn` has begun."""

    def on_evaluation(self, algorithm: Algorithm, progress: Progress) -> None:
        """An iteration with an evaluation has ended; told before `on_iteration`."""

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        """An iteration has ended and is counted."""

    def on_save(self, algorithm: Algorithm) -> None:
        """The run was committed to `algorithm.run_path`."""

    def on_end(self, algorithm: Algorithm) -> None:
        """`learn` ends, as planned, by request or by an error; what could be saved is saved."""


def numbers(progress: Progress) -> dict[str, float]:
    """The figures of an iteration under the names that its TensorBoard scalars have."""
    from twisterl.runs.dashboard import scalars

    return scalars(progress)


class ProgressCallback(Callback):
    """Shows how `learn` gets on: a panel in a notebook or on a terminal, elsewhere lines.

    >>> ppo.subscribe(ProgressCallback())  # doctest: +SKIP

    Args:
        title: of the panel; the algorithm's and the environment's names if it is not given.
    """

    def __init__(self, title: str | None = None) -> None:
        self._title = title
        self._display: Any = None

    def on_start(self, algorithm: Algorithm) -> None:
        from twisterl.cli.display import make_display
        from twisterl.cli.notebook import NotebookDisplay, is_notebook
        from twisterl.envs.protocol import is_task

        env, names = algorithm.env, (type(algorithm).__name__, type(algorithm.env).__name__)
        title = self._title or " on ".join(names)
        if is_notebook():
            self._display = NotebookDisplay(title, type(env).__name__)
        else:
            evals = algorithm.config["evals"]
            self._display = make_display(True, title, 1, evals, is_task(env))
        self._display.__enter__()

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        self._display(progress)

    def on_end(self, algorithm: Algorithm) -> None:
        if self._display is not None:
            self._display.__exit__(None, None, None)
            self._display = None


class WandbCallback(Callback):
    """Logs to a Weights & Biases run: `WandbCallback(wandb.init(...))`, or one of its own.

    Args:
        run: what `wandb.init` returned; None: `wandb.init(**options)` at the start, ended by us.
    """

    def __init__(self, run: Any = None, **options: Any) -> None:
        self.run, self._options, self._is_ours = run, options, run is None
        if run is None:
            self._wandb = _imported("wandb")

    def on_start(self, algorithm: Algorithm) -> None:
        if self.run is None:
            self.run = self._wandb.init(config=algorithm.config, **self._options)

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        self.run.log(numbers(progress), step=progress.iteration)

    def on_end(self, algorithm: Algorithm) -> None:
        if self._is_ours and self.run is not None:
            self.run.finish()
            self.run = None


class MlflowCallback(Callback):
    """Logs to the active MLflow run, or to one of its own that ends with `learn`."""

    def __init__(self) -> None:
        self._mlflow = _imported("mlflow")
        self._is_ours = False

    def on_start(self, algorithm: Algorithm) -> None:
        if self._mlflow.active_run() is None:
            self._mlflow.start_run()
            self._is_ours = True
        self._mlflow.log_params(_flat(algorithm.config))

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        self._mlflow.log_metrics(numbers(progress), step=progress.iteration)

    def on_end(self, algorithm: Algorithm) -> None:
        if self._is_ours:
            self._mlflow.end_run()
            self._is_ours = False


class TensorBoardCallback(Callback):
    """Writes the scalars that a run folder gets into another writer: `SummaryWriter(folder)`."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        for name, value in numbers(progress).items():
            self.writer.add_scalar(name, value, progress.iteration)

    def on_end(self, algorithm: Algorithm) -> None:
        self.writer.flush()


class OptunaCallback(Callback):
    """Reports to an Optuna trial and ends a run that its pruner gives up, by `TrialPruned`.

    Args:
        trial: an `optuna.Trial`.
        metric: a name of `numbers`, as "Benchmark/success".
    """

    def __init__(self, trial: Any, metric: str = "Benchmark/success") -> None:
        self.trial, self.metric = trial, metric
        self._optuna = _imported("optuna")

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        found = numbers(progress)
        if self.metric not in found:
            if progress.success is None and self.metric.startswith("Benchmark/"):
                return  # Not evaluated in this iteration.
            raise ValueError(f"metric: got {self.metric!r}; expected one of {', '.join(found)}")
        self.trial.report(found[self.metric], progress.iteration)
        if self.trial.should_prune():
            raise self._optuna.TrialPruned(f"given up after iteration {progress.iteration}")


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"this callback needs the package {name}: pip install {name}") from error


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
