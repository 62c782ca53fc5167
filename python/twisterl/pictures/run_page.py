"""One page of a run: its curves, its figures, its config and the machine, while it trains too."""

from __future__ import annotations

import html
import json
from typing import Any

from twisterl.cli import shell
from twisterl.cli.numbers import count, duration
from twisterl.pictures import sheet
from twisterl.pictures.chart import chart, short
from twisterl.runs.curves import others_of, panels_of
from twisterl.runs.history import History, evaluations_of, found_by, is_number

# Of a page that is watched; a browser reads it anew.
REFRESH_S = 5
_SMALL = (300.0, 130.0)


def run_page(run: History) -> str:
    """The page as text; it asks to be read again as long as the run trains."""
    state, kind = state_of(run)
    parts = [
        sheet.head(run.name, state, kind, _about(run)),
        _bar(run),
        sheet.tiles(figures_of(run)),
    ]
    panels = panels_of(run)
    if panels:
        # Two or three in a row, so that none is left alone.
        kind = "" if len(panels) % 2 else "large"
        parts.append(sheet.grid([sheet.card(panel) for panel in panels], kind))
        small = [sheet.card(panel, chart(panel, width=_SMALL[0], height=_SMALL[1]))
                 for panel in others_of(run)]  # fmt: skip
        if small:
            parts += ["<h3>Also told by training</h3>", sheet.grid(small, "small")]
    else:
        parts.append("<p>No iteration has ended yet.</p>")
    parts.append(_evaluations(run))
    parts.append(_config(run))
    if run.machine:
        parts += ["<h3>Machine</h3>", sheet.facts(run.machine)]
    parts.append("<footer>Written by twisterl watch; nothing is loaded from a network.</footer>")
    return sheet.document(run.name, "\n".join(parts), REFRESH_S if run.is_running else None)


def state_of(run: History) -> tuple[str, str]:
    """In words, and as what it is shown."""
    if run.is_running:
        left = run.seconds_left()
        return "training" if left is None else f"training, {duration(left)} left", "busy"
    if run.planned is not None and run.iterations < run.planned:
        # A target, a budget and patience end runs early too; nothing in the folder tells which.
        return "ended before its planned length", ""
    return "done", ""


def figures_of(run: History) -> list[tuple[str, str, str]]:
    """What matters most of a run now: names, figures, and what is said beside them."""
    found: list[tuple[str, str, str]] = []
    metric = metric_of(run)
    results = list(found_by(run.rows, metric)) if metric else []
    if results:
        result = results[-1][1]
        interval = result.get("interval")
        beside = metric or ""
        if isinstance(interval, (list, tuple)) and len(interval) == 2:
            beside = f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
        found.append(("solved", f"{100 * result['success']:.1f} %", beside))
        if run.has_difficulty and is_number(result.get("mean_length")):
            found.append(("length", f"{result['mean_length']:.1f}", "moves"))
        elif is_number(result.get("reward")):
            found.append(("reward", short(result["reward"]), "an episode"))
    planned = "" if run.planned is None else f"of {run.planned:,}"
    found.append(("iterations", f"{run.iterations:,}", planned))
    if run.rows:
        last = run.rows[-1]
        if run.has_difficulty and "difficulty" in last:
            level = last["difficulty"]
            found.append(("difficulty", "none" if level is None else str(level), ""))
        if is_number(last.get("total_steps")):
            speed = run.steps_per_second
            beside = "" if speed is None else f"{count(speed)}/s"
            found.append(("steps", count(last["total_steps"]), beside))
        found.append(("time", duration(last["elapsed_s"]), "of training"))
    return found


def metric_of(run: History) -> str | None:
    """The evaluation that the run is judged by, else the last of those that there are."""
    learning = run.algorithm.get("learning")
    asked = learning.get("diff_metric") if isinstance(learning, dict) else None
    names = evaluations_of(run.rows)
    return asked if asked in names else (names[-1] if names else None)


def _about(run: History) -> str:
    config = run.config
    algorithm = str(config.get("algorithm_cls", "")).rpartition(".")[2]
    env = str(config.get("env_cls", "")).rpartition(".")[2]
    arguments = config.get("env")
    told = [f"{k}={v}" for k, v in arguments.items()] if isinstance(arguments, dict) else []
    return f"{algorithm} on {env}({', '.join(told)})" if env else "no config"


def _bar(run: History) -> str:
    if not run.is_running or not run.planned:
        return ""
    share = min(100.0, 100 * run.iterations / run.planned)
    return f'<div class="bar"><i style="width: {share:.1f}%"></i></div>'


def _evaluations(run: History) -> str:
    rows = []
    for name in evaluations_of(run.rows):
        results = list(found_by(run.rows, name))
        if results:
            best = max(result["success"] for _, result in results)
            last = results[-1][1]
            cells = [f"{100 * share:.1f} %" for share in (last["success"], best)]
            cells += [_number(last, key) for key in ("mean_length", "reward")]
            cells.append(f"{len(results):,}")
            rows.append(f"<tr><th>{html.escape(name)}</th>{_cells('td', cells)}</tr>")
    if not rows:
        return ""
    names = ["solved", "best", "moves", "reward", "times"]
    top = f"<tr><th></th>{_cells('th', names)}</tr>"
    return f'<h3>Evaluations</h3><div class="wide"><table>{top}{"".join(rows)}</table></div>'


def _cells(kind: str, texts: list[str]) -> str:
    return "".join(f'<{kind} class="number">{html.escape(text)}</{kind}>' for text in texts)


def _number(found: dict[str, Any], key: str) -> str:
    return f"{found[key]:.2f}" if is_number(found.get(key)) else ""


def _config(run: History) -> str:
    if not run.config:
        return ""
    whole = {**run.config, "algorithm": run.algorithm}
    again = shell.line(["twisterl", "train", "--config", "base_config.json"])
    return (
        "<h3>Config</h3>"
        f"<details><summary>as it was given</summary><pre>{_json(run.config)}</pre></details>"
        f"<details><summary>with every default</summary><pre>{_json(whole)}</pre></details>"
        f"<p>The same run again, from its folder: <code>{html.escape(again)}</code></p>"
    )


def _json(value: Any) -> str:
    return html.escape(json.dumps(value, indent=2, default=str))
