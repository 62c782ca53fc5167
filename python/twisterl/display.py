"""What a training run shows: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any, TextIO

from twisterl.rl.progress import Progress

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 60


def duration(seconds: float) -> str:
    """
    >>> duration(59.4), duration(3725)
    ('59s', '1h02m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def count(number: float) -> str:
    """
    >>> count(987), count(12_345), count(4_200_000)
    ('987', '12.3k', '4.2M')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


class Clock:
    """Elapsed time of a run and a guess at what is left, from its recent iterations."""

    def __init__(self, has_end: bool) -> None:
        self._has_end = has_end
        self._recent: deque[float] = deque(maxlen=20)

    def update(self, progress: Progress) -> None:
        self._recent.append(progress.times["total"])

    def left(self, progress: Progress) -> float | None:
        if not self._has_end:
            return None
        remaining = progress.total_iterations - progress.iteration - 1
        return remaining * sum(self._recent) / len(self._recent)


class PlainDisplay:
    """One line per iteration; a closed stream ends the lines, not the run."""

    def __init__(self, stream: TextIO, has_end: bool, log_freq: int = 1) -> None:
        self._stream: TextIO | None = stream
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
        parts = [f"iteration {progress.iteration}", f"difficulty {level(progress.difficulty)}"]
        for name, result in progress.evaluations.items():
            part = f"{name} {result.success:.2f}"
            if result.interval is not None:
                part += f" [{result.interval[0]:.2f}, {result.interval[1]:.2f}]"
            if result.mean_length is not None:
                part += f" length {result.mean_length:.1f}"
            parts.append(part)
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
        except (OSError, ValueError):
            self._stream = None


class LiveDisplay:
    """A panel that rich redraws in place."""

    def __init__(self, console: Any, has_end: bool, title: str) -> None:
        from rich.live import Live

        self._clock = Clock(has_end)
        self._title = title
        self._progress: Progress | None = None
        self._updated = time.monotonic()
        self._curve: deque[float] = deque(maxlen=_HISTORY)
        self._live = Live(self, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def __call__(self, progress: Progress) -> None:
        self._clock.update(progress)
        if progress.success is not None:
            self._curve.append(progress.success)
        self._progress, self._updated = progress, time.monotonic()

    def say(self, text: str) -> None:
        self._live.console.print(text, highlight=False)

    def __rich__(self) -> Any:
        from rich.panel import Panel
        from rich.table import Table

        progress = self._progress
        if progress is None:
            return Panel("collecting the first episodes ...", title=self._title)
        since = time.monotonic() - self._updated
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        last = progress.total_iterations
        total = f" of {last}" if self._clock.left(progress) is not None else ""
        table.add_row("iteration", f"{progress.iteration + 1}{total}")
        table.add_row("difficulty", level(progress.next_difficulty))
        for name, result in progress.evaluations.items():
            table.add_row(name, _describe(result))
        if self._curve:
            table.add_row("success", "".join(_BARS[round(s * 7)] for s in self._curve))
        for name, value in progress.losses.items():
            table.add_row(f"loss {name}", f"{value:.4g}")
        steps = f"{count(progress.steps_per_second)}/s, {count(progress.total_steps)} so far"
        table.add_row("steps", steps)
        table.add_row("elapsed", duration(progress.elapsed_s + since))
        left = self._clock.left(progress)
        if left is not None:
            table.add_row("time left", duration(max(0.0, left - since)))
        return Panel(table, title=self._title, subtitle="Ctrl-C saves and ends", expand=False)


def level(difficulty: int | None) -> str:
    """A difficulty in words; None bounds nothing."""
    return "none" if difficulty is None else str(difficulty)


def _describe(result: Any) -> str:
    text = f"{result.success:6.1%}"
    if result.interval is not None:
        text += f"  ({result.interval[0]:.1%} to {result.interval[1]:.1%})"
    if result.mean_length is not None:
        text += f"  {result.mean_length:.1f} moves"
    return text


def make_display(has_end: bool, title: str, log_freq: int = 1) -> PlainDisplay | LiveDisplay:
    """The display that fits where stdout goes."""
    try:
        on_terminal = sys.stdout.isatty()
    except (AttributeError, ValueError):
        on_terminal = False
    if on_terminal:
        from rich.console import Console

        console = Console()
        if console.is_terminal and not console.is_dumb_terminal:
            return LiveDisplay(console, has_end, title)
    return PlainDisplay(sys.stdout, has_end, log_freq)
