"""`twisterl compare`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl.runs.comparison import Group

DESCRIPTION = "Compare runs in a table, or on one page with bands over seeds."
EPILOG = """\
examples:
  twisterl compare runs/ppo_puzzle8_v1 runs/rw_puzzle8_v1
      a line each, and which keys of their configs differ
  twisterl compare runs/ppo_puzzle8_v1 runs/rw_puzzle8_v1 --html compared.html --by steps
      the same as one page with curves; --by time (the default), steps or iterations
  twisterl compare runs/seeds
      all runs in a folder; those that differ in their seed only are one: mean (least to most)"""

# A difference that takes more room is on the page.
_MOST_DIFFERENCES = 12


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("runs", metavar="RUN_DIR", nargs="+", help="folders of runs, or folders of such folders")
    add("--by", choices=["time", "steps", "iterations"], default="time", help="along the page")
    add("--html", metavar="FILE", help="write one page too")
    add("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli.outputs import writable
    from twisterl.cli.signals import interruptible
    from twisterl.runs import comparison

    page = None if arguments.html is None else writable("--html", arguments.html)
    with interruptible():
        groups = comparison.grouped(comparison.read_all(arguments.runs))
        figures = [comparison.summary(group) for group in groups]
        rows = table(figures)
        if page is not None:
            from twisterl.pictures.comparison_page import comparison_page
            from twisterl.runs.files import write_atomic

            content = comparison_page(groups, arguments.by, rows).encode()
            write_atomic(page, content)
        if arguments.json:
            print(json.dumps(figures, indent=2))
        else:
            print(_text(rows))
            print(*_differences(groups), sep="\n", end="")
            if page is not None:
                print(f"{page}: {len(content):,} bytes; open it in a browser")
    return 0


def table(figures: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The head and a row for each group; columns that no group fills are left out."""
    from twisterl.cli.numbers import count, duration
    from twisterl.runs.comparison import TARGET

    forms = {
        "solved": ("success", lambda share: f"{100 * share:.1f} %"),
        "moves": ("length", lambda value: f"{value:.2f}"),
        "reward": ("reward", lambda value: f"{value:.2f}"),
        f"to {100 * TARGET:.0f} %": ("seconds_to_target", lambda value: f"{value:.1f} s"),
        "iterations": ("iterations", lambda value: f"{value:,.0f}"),
        "steps": ("steps", count),
        "time": ("seconds", duration),
    }
    rows = [["run", "seeds", *forms]]
    for one in figures:
        name = one["name"] + (" (training)" if one["is_running"] else "")
        num_seeds, num_runs = len(set(one["seeds"])), len(one["runs"])
        # Equal seeds give equal runs: copies of one are no others.
        row = [name, str(num_seeds) + (f" ({num_runs} runs)" if num_runs > num_seeds else "")]
        for key, form in forms.values():
            found, text = one.get(key), ""
            if found is not None:
                text = form(found["mean"])
                if form(found["least"]) != form(found["most"]):
                    text += f" ({form(found['least'])} to {form(found['most'])})"
            is_target = key == "seconds_to_target" and found is not None
            if is_target and one["reached"] < len(one["runs"]):
                text += f", {one['reached']} of {len(one['runs'])}"
            row.append(text)
        rows.append(row)
    filled = [place for place, cells in enumerate(zip(*rows, strict=True)) if any(cells[1:])]
    return [[row[place] for place in filled] for row in rows]


def _text(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _differences(groups: Sequence[Group]) -> list[str]:
    keys = list(dict.fromkeys(key for group in groups for key in group.differs))
    if not keys:
        return []
    lines = ["", "what differs:"]
    for key in keys[:_MOST_DIFFERENCES]:
        values = [str(group.differs.get(key) or "default") for group in groups]
        lines.append(f"  {key}: {' | '.join(values)}")
    if len(keys) > _MOST_DIFFERENCES:
        lines.append(f"  and {len(keys) - _MOST_DIFFERENCES} keys more; --html lists them all")
    return [*lines, ""]
