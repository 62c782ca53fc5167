"""What a training run shows: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, TextIO

from twisterl.cli import streams
from twisterl.cli.numbers import count, duration
from twisterl.rl.evaluation import Evaluation
from twisterl.runs.progress import Progress

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 16
# Of the panel, where the terminal is not narrower: it stays the same whatever is shown.
_WIDTH = 78
# Iterations whose mean length is that of those to come.
_RECENT = 10
# What training tells besides losses has a line of its own.
_RATE = "lr"


class Clock:
    """A guess at the time that is left of a run, from the iterations that this process has made.

    The first one warms everything up: it may take ten times as long as the next, and is left out.
    """

    def __init__(self, has_end: bool) -> None:
        self._has_end = has_end
        self._is_warm = False
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def update(self, progress: Progress) -> None:
        if self._is_warm:
            self._recent.append(progress.times["total"])
        self._is_warm = True

    def left(self, progress: Progress) -> float | None:
        """Seconds, None where nothing can be said (yet)."""
        remaining = progress.total_iterations - progress.iteration - 1
        if not self._has_end or (remaining and not self._recent):
            return None
        return remaining * sum(self._recent) / max(1, len(self._recent))


class PlainDisplay:
    """One line per iteration; a closed stream ends the lines, not the run.

    `is_task` as in `LiveDisplay`.
    """

    def __init__(
        self, stream: TextIO | None, has_end: bool, log_freq: int = 1, is_task: bool = False
    ) -> None:
        self._stream, self._is_task = stream, is_task
        self._clock = Clock(has_end)
        self._log_freq = log_freq

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, progress: Progress) -> None:
        self._clock.update(progress)
        if self._log_freq and progress.iteration % self._log_freq == 0:
            self.say(self.line(progress))

    def line(self, progress: Progress) -> str:
        parts = [f"iteration {progress.iteration}"]
        if not self._is_task:
            parts.append(f"difficulty {level(progress.difficulty)}")
        for name, result in progress.evaluations.items():
            part = f"{name} {result.success:.2f}"
            if result.interval is not None:
                part += f" [{result.interval[0]:.2f}, {result.interval[1]:.2f}]"
            if result.mean_length is not None:
                part += f" length {result.mean_length:.1f}"
            if result.is_task:
                part += f" reward {result.reward:.2f}"
            parts.append(part)
        if progress.workers is not None:
            parts.append(workers(progress.workers))
        parts.append(f"{count(progress.steps_per_second)} steps/s")
        parts.append(f"elapsed {duration(progress.elapsed_s)}")
        left = self._clock.left(progress)
        if left is not None:
            parts.append(f"left {duration(left)}")
        return "  ".join(parts)

    def say(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError) as error:
            streams.discard(self._stream)
            self._stream = None
            if not isinstance(error, BrokenPipeError):
                why = getattr(error, "strerror", None) or error
                streams.complain(f"standard output: {why}; the run goes on without it")


class LiveDisplay:
    """A panel that rich redraws in place, as wide from beginning to end.

    `evaluations` are the names of those that the run makes; each has its line from the start. A
    task, which `is_task` says, has no difficulty.
    """

    def __init__(
        self,
        console: Any,
        has_end: bool,
        title: str,
        evaluations: Iterable[str] = (),
        is_task: bool = False,
    ) -> None:
        from rich.live import Live

        self._clock = Clock(has_end)
        self._has_end, self._is_task = has_end, is_task
        self._width = min(_WIDTH, console.width)
        # A longer title would widen the panel; its end is what tells runs apart.
        room = self._width - 8
        self._title = title if len(title) <= room else f"...{title[3 - room :]}"
        self._progress: Progress | None = None
        self._updated = time.monotonic()
        self._found: dict[str, Evaluation | None] = dict.fromkeys(evaluations)
        self._curves: dict[str, deque[float]] = {}
        self._live = Live(self, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def __call__(self, progress: Progress) -> None:
        self._clock.update(progress)
        for name, found in progress.evaluations.items():
            self._found[name] = found
            self._curves.setdefault(name, deque(maxlen=_HISTORY)).append(found.success)
        self._progress, self._updated = progress, time.monotonic()

    def say(self, text: str) -> None:
        # Neither wrapped nor read as markup: it may hold a command with a path.
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def __rich__(self) -> Any:
        from rich.panel import Panel
        from rich.text import Text

        progress = self._progress
        body = self._table(progress) if progress else "the first iteration warms everything up ..."
        return Panel(
            body,
            title=Text(self._title),
            title_align="left",
            subtitle="Ctrl-C saves and ends",
            subtitle_align="right",
            width=self._width,
            border_style="cyan",
        )

    def _table(self, progress: Progress) -> Any:
        from rich.table import Table
        from rich.text import Text

        since = time.monotonic() - self._updated
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="crop")
        table.add_row("iteration", self._iterations(progress))
        if not self._is_task:
            table.add_row("difficulty", level(progress.next_difficulty))
        for name, found in self._found.items():
            curve = "".join(_BARS[round(share * 7)] for share in self._curves.get(name, ()))
            line = Text(_describe(found))
            table.add_row(Text(name), line.append(curve, "green"))
        table.add_row("training", _numbers(progress.losses))
        if _RATE in progress.losses:
            table.add_row("learning rate", f"{progress.losses[_RATE]:.3g}")
        per_second = f"{count(progress.steps_per_second)}/s"
        table.add_row("steps", f"{per_second:<{_CELL}}{count(progress.total_steps)} so far")
        if progress.workers is not None:
            table.add_row("played by", workers(progress.workers))
        left = self._clock.left(progress)
        elapsed = duration(progress.elapsed_s + since)
        if left is not None:
            elapsed = f"{elapsed:<{_CELL}}{duration(max(0.0, left - since))} left"
        table.add_row("time", elapsed)
        return table

    def _iterations(self, progress: Progress) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        done, total = progress.iteration + 1, progress.total_iterations
        if not self._has_end:
            return str(done)
        bar = ProgressBar(
            total, done, style="bright_black", complete_style="cyan", finished_style="green"
        )
        row = Table.grid(expand=True)
        row.add_column(width=_CELL, no_wrap=True)
        row.add_column(ratio=1)
        row.add_row(f"{done} of {total}", bar)
        return row


def workers(counts: dict[str, Any]) -> str:
    """Who played, and what of it twice.

    >>> workers({"workers": 3, "ranges": 12, "lost": 1, "repeated": 0})
    '3 workers, 12 ranges, 1 lost'
    """
    named = [f"{counts['workers']} workers", f"{counts['ranges']} ranges"]
    named += [f"{counts[name]} {name}" for name in ("lost", "repeated") if counts[name]]
    return ", ".join(named)


def level(difficulty: int | None) -> str:
    """A difficulty in words; None bounds nothing."""
    return "none" if difficulty is None else str(difficulty)


# Of a number and what it is, so that numbers stay where they are.
_CELL = 19


def _numbers(named: dict[str, float]) -> Any:
    """What a training step tells, in columns."""
    from rich.table import Table

    columns = 3
    table = Table.grid()
    for _ in range(columns):
        table.add_column(width=_CELL, no_wrap=True)
    cells = []
    for name, value in named.items():
        if name != _RATE:
            number = f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"
            cells.append(f"{name.replace('_', ' ')[: _CELL - len(number) - 1]} {number}")
    for first in range(0, len(cells), columns):
        table.add_row(*cells[first : first + columns])
    return table


def _describe(found: Evaluation | None) -> str:
    """What an evaluation found, always as wide."""
    if found is None:
        return "not yet"
    if found.is_task:
        return f"reward {found.reward:.2f}, {100 * found.success:.1f} % solved".ljust(43)
    text = f"{100 * found.success:.1f} % solved"
    if found.interval is not None:
        low, high = found.interval
        text += f" ({100 * low:.1f} to {100 * high:.1f})"
    if found.mean_length is not None:
        text = f"{text:<31}{found.mean_length:.1f} moves"
    return f"{text:<43}"


def make_display(
    has_end: bool,
    title: str,
    log_freq: int = 1,
    evaluations: Iterable[str] = (),
    is_task: bool = False,
) -> PlainDisplay | LiveDisplay:
    """The display that fits where stdout goes."""
    try:
        on_terminal = sys.stdout.isatty()
    except (AttributeError, ValueError):
        on_terminal = False
    if on_terminal:
        from rich.console import Console

        console = Console()
        if console.is_terminal and not console.is_dumb_terminal:
            return LiveDisplay(console, has_end, title, evaluations, is_task)
    return PlainDisplay(sys.stdout, has_end, log_freq, is_task)
