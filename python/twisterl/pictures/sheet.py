"""What pages of runs share: their style, light and dark, and the frame around what they show."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from twisterl.pictures.chart import COLOUR_RULES, COLOURS, RULES, chart, short
from twisterl.runs.curves import Panel

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px clamp(14px, 3vw, 32px) 48px;
  background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; }
h1 { margin: 0; font-size: clamp(1.4rem, 4vw, 1.9rem); letter-spacing: -0.02em;
  overflow-wrap: anywhere; }
.state { border-radius: 99px; padding: 2px 12px; font-weight: 600; font-size: 0.85rem;
  border: 1px solid currentColor; color: var(--good); }
.state.busy { color: var(--busy); }
.state.bad { color: var(--bad); }
.about { margin: 4px 0 18px; color: var(--faint); }
.bar { height: 6px; border-radius: 3px; background: var(--line); margin: 0 0 20px; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--busy); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px;
  margin: 0 0 22px; }
.tiles div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; }
.tiles div { padding: 12px 16px; }
.tiles dt { color: var(--faint); font-size: 0.82rem; }
.tiles dd { margin: 2px 0 0; font-size: 1.45rem; font-weight: 650; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; }
.tiles small { display: block; min-height: 1.45em; font-size: 0.8rem; font-weight: 400;
  color: var(--faint); letter-spacing: 0; }
.grid-of { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr));
  gap: 16px; }
.grid-of.small { grid-template-columns: repeat(auto-fill, minmax(min(240px, 100%), 1fr)); }
.grid-of.large { grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); }
.card { padding: 14px 16px 8px; margin: 0; min-width: 0; }
.card h2 { font-size: 1rem; margin: 0; display: inline; }
.card h2 + span { color: var(--faint); font-size: 0.85rem; margin-left: 8px; }
.keys { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 4px 0 0; padding: 0;
  list-style: none; font-size: 0.85rem; color: var(--faint); font-variant-numeric: tabular-nums; }
.keys li::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 6px;
  border-radius: 3px; background: var(--key); }
.keys b { color: var(--ink); font-weight: 600; }
h3 { margin: 30px 0 12px; font-size: 1.05rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th { text-align: left; font-weight: 500; color: var(--faint); }
th, td { padding: 5px 18px 5px 0; vertical-align: top; border-top: 1px solid var(--grid); }
tr:first-child > * { border-top: 0; }
td.number, th.number { text-align: right; }
.wide { overflow-x: auto; }
i.key { display: inline-block; width: 10px; height: 10px; margin-right: 8px; border-radius: 3px;
  background: var(--key); }
details { margin-top: 12px; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { margin-top: 34px; color: var(--faint); font-size: 0.85rem; }
"""


def document(title: str, body: str, refresh_s: int | None = None) -> str:
    """A page that asks for nothing from a network and runs no script."""
    again = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">\n'
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
{again}<title>{html.escape(title)}</title>
<style>
{COLOUR_RULES}{RULES}{_STYLE}</style>
{body}
</html>
"""


def head(title: str, state: str, kind: str, about: str) -> str:
    """`kind` of the state is "", "busy" or "bad"."""
    return (
        f"<header><h1>{html.escape(title)}</h1>"
        f'<span class="state {kind}">{html.escape(state)}</span></header>\n'
        f'<p class="about">{html.escape(about)}</p>'
    )


def tiles(figures: Sequence[tuple[str, str, str]]) -> str:
    """What each is called, the figure, and what is said beside it."""
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(figure)} "
        f"<small>{html.escape(more)}</small></dd></div>"
        for name, figure, more in figures
    )
    return f'<dl class="tiles">{cells}</dl>'


def card(panel: Panel, drawn: str | None = None) -> str:
    """The panel with what its colours mean."""
    lines = [line for line in panel.lines if line.points]
    keys = "".join(
        f'<li style="--key: var(--c{line.slot % COLOURS})">{html.escape(line.name)} '
        f"<b>{short(line.points[-1][1])}</b></li>"
        for line in lines
    )
    return (
        f'<figure class="card"><h2>{html.escape(panel.name)}</h2>'
        f"<span>{html.escape(panel.unit)}</span>"
        f'<ul class="keys">{keys}</ul>{drawn or chart(panel)}</figure>'
    )


def grid(cards: Sequence[str], kind: str = "") -> str:
    return f'<div class="grid-of {kind}">\n' + "\n".join(cards) + "\n</div>"


# What a reader calls a fact of a machine.
_SAID = {"memory_gib": "memory (GiB)"}


def facts(pairs: Mapping[str, object]) -> str:
    """A table of names and values; None is left out."""
    rows = "".join(
        f"<tr><th>{html.escape(_SAID.get(name, name))}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in pairs.items()
        if value is not None
    )
    return f"<table>{rows}</table>"
