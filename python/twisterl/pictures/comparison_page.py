"""One page of several runs: their curves with bands over seeds, and a table."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

from twisterl.cli.numbers import count, seconds
from twisterl.pictures import sheet
from twisterl.pictures.chart import COLOURS, chart
from twisterl.runs.comparison import Group, panels_of

_LABELS = {"time": "training time", "steps": "steps", "iterations": "iterations"}


def comparison_page(groups: Sequence[Group], axis: str, rows: Sequence[Sequence[str]]) -> str:
    """The page as text; `rows` is the table, its head first."""
    runs = sum(len(group.runs) for group in groups)
    about = f"{runs} runs over {_LABELS[axis]}"
    if runs > len(groups):
        about += "; a line is the mean of runs that differ in their seed only, its band all of them"
    x_text: Callable[[float], str] = seconds if axis == "time" else count
    cards = [
        sheet.card(panel, chart(panel, _LABELS[axis], x_text)) for panel in panels_of(groups, axis)
    ]
    parts = [
        f"<header><h1>{html.escape(' · '.join(group.name for group in groups))}</h1></header>",
        f'<p class="about">{html.escape(about)}</p>',
        sheet.grid(cards, "large") if cards else "<p>No iteration has ended yet.</p>",
        f'<h3>Figures</h3><div class="wide">{_table(rows)}</div>',
        _differences(groups),
        "<footer>Written by twisterl compare; nothing is loaded from a network.</footer>",
    ]
    return sheet.document("Comparison of runs", "\n".join(parts))


def _table(rows: Sequence[Sequence[str]]) -> str:
    def drawn(kind: str, cells: Sequence[str], slot: int | None) -> str:
        first, *rest = map(html.escape, cells)
        mark = (
            "" if slot is None else f'<i class="key" style="--key: var(--c{slot % COLOURS})"></i>'
        )
        others = "".join(f'<{kind} class="number">{cell}</{kind}>' for cell in rest)
        return f"<tr><th>{mark}{first}</th>{others}</tr>"

    top, *body = rows
    lines = [drawn("th", top, None)]
    lines += [drawn("td", row, slot) for slot, row in enumerate(body)]
    return f"<table>{''.join(lines)}</table>"


def _differences(groups: Sequence[Group]) -> str:
    """What keys the configs have other than each other."""
    keys: dict[str, Any] = dict.fromkeys(key for group in groups for key in group.differs)
    if not keys:
        return ""
    names = "".join(f"<th>{html.escape(group.name)}</th>" for group in groups)
    lines = [f"<tr><th></th>{names}</tr>"]
    for key in keys:
        values = [group.differs.get(key) for group in groups]
        cells = "".join(f"<td>{html.escape(value or 'default')}</td>" for value in values)
        lines.append(f"<tr><th>{html.escape(key)}</th>{cells}</tr>")
    table = f'<div class="wide"><table>{"".join(lines)}</table></div>'
    return f"<details open><summary>What differs</summary>{table}</details>"
