"""The view of a run in a terminal: its state, its figures and its curves."""

from __future__ import annotations

import itertools
from typing import Any

from twisterl.cli import braille
from twisterl.cli.numbers import seconds
from twisterl.pictures.chart import short, ticks
from twisterl.pictures.run_page import figures_of, state_of
from twisterl.runs.curves import Panel, Points, panels_of, thinned
from twisterl.runs.history import History

_COLOURS = ("cyan", "magenta", "yellow", "red", "blue", "green", "bright_magenta", "white")
_AXIS = 8
# Of a chart: what is too narrow for two is one below the other.
_LEAST_WIDTH = 38
_HEIGHTS = (4, 10)


class Screen:
    """Draws `run` into `width` columns and `height` rows, which a terminal has."""

    def __init__(self, run: History, width: int, height: int, is_live: bool, dots: bool) -> None:
        self._run, self._width, self._height = run, width, height
        self._is_live, self._dots = is_live, dots

    def __rich__(self) -> Any:
        from rich.console import Group

        parts: list[Any] = [self._head(), self._figures()]
        parts.append(self._charts())
        if self._is_live:
            from rich.text import Text

            parts.append(Text("Ctrl-C leaves; the training goes on", style="bright_black"))
        return Group(*parts)

    def _head(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        run = self._run
        state, kind = state_of(run)
        line = Table.grid(expand=True)
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", no_wrap=True)
        line.add_row(Text(run.name, style="bold"), Text(state, style="cyan" if kind else "green"))
        parts: list[Any] = [line]
        if run.planned:
            done = min(run.iterations, run.planned)
            bar = Table.grid(expand=True)
            bar.add_row(
                ProgressBar(run.planned, done, style="bright_black", complete_style="cyan",
                            finished_style="green")
            )  # fmt: skip
            parts.append(bar)
        return Group(*parts)

    def _figures(self) -> Any:
        from rich.text import Text

        pieces = []
        for name, figure, beside in figures_of(self._run):
            piece = Text(f"{name} ", style="bright_black")
            piece.append(figure, style="not dim bold default")
            if beside and self._width >= 100:
                piece.append(f" {beside}")
            pieces.append(piece)
        # As many on a line as there is room for; none is broken.
        lines, room = [Text()], self._width
        for piece in pieces:
            if lines[-1].cell_len and lines[-1].cell_len + 3 + piece.cell_len > room:
                lines.append(Text())
            lines[-1].append("   " if lines[-1].cell_len else "").append_text(piece)
        return Text("\n").join(lines)

    def _charts(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        panels = panels_of(self._run)
        if not panels:
            return Text("no iteration has ended yet")
        columns = max(1, min(3, self._width // _LEAST_WIDTH, len(panels)))
        rows = -(-len(panels) // columns)
        low, high = _HEIGHTS
        # Each chart has a title, the axis and a line between; the head takes four rows.
        height = max(low, min(high, (self._height - 6) // rows - 3))
        shown = panels[: max(1, (self._height - 6) // (height + 3)) * columns]
        width = self._width // columns - 2
        table = Table.grid(padding=(0, 2, 0, 0))
        for first in range(0, len(shown), columns):
            table.add_row(*(self._chart(p, width, height) for p in shown[first : first + columns]))
        return table

    def _chart(self, panel: Panel, width: int, height: int) -> Any:
        from rich.text import Text

        lines = [line for line in panel.lines if line.points]
        ys = [y for line in lines for _, y in line.points]
        low = min(ys) if panel.bounds[0] is None else panel.bounds[0]
        high = max(ys) if panel.bounds[1] is None else panel.bounds[1]
        if high <= low:
            low, high = low - (abs(low) / 2 or 1), low + (abs(low) / 2 or 1)
        last_x = self._run.rows[-1]["elapsed_s"] or 1.0
        inner = max(8, width - _AXIS)
        text = Text(no_wrap=True, overflow="crop").append(f"\n{panel.name}", style="bold")
        for line in lines:
            value = short(line.points[-1][1])
            # A line that has the panel's name needs none of its own.
            name = "" if len(lines) == 1 and line.name in (panel.name, "steps") else f"{line.name} "
            text.append(f"  {name}{value}", style=_COLOURS[line.slot % len(_COLOURS)])
        text.truncate(width + 1)
        drawn = braille.plot(
            [_stepped(line.points) if line.is_stepped else thinned(line.points) for line in lines],
            (0.0, last_x), (low, high), inner, height, self._dots,
        )  # fmt: skip
        marks = {round((1 - (t - low) / (high - low)) * (height - 1)): short(t)
                 for t in ticks(low, high, max(2, height // 3)) if low <= t <= high}  # fmt: skip
        for number, row in enumerate(drawn):
            edge = "┤" if number in marks else "│"
            text.append(f"\n{marks.get(number, ''):>{_AXIS - 2}} {edge}", style="bright_black")
            for letter, owner in row:
                style = _COLOURS[lines[owner].slot % len(_COLOURS)] if owner >= 0 else ""
                text.append(letter, style=style)
        text.append(f"\n{'':>{_AXIS - 1}}0{seconds(round(last_x, 1)):>{inner}}", "bright_black")
        return text


def _stepped(points: Points) -> Points:
    """With the corner before each point but the first."""
    found = list(points[:1])
    for (_, before), (x, y) in itertools.pairwise(points):
        found += [(x, before), (x, y)]
    return found
