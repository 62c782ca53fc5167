"""AlphaZero from scratch on the 8-puzzle: `az8` and `az_search` of run.py.

Runs are judged on 1,000 uniformly random boards by a search of 16 simulations a move, the best
action taken; the clock stands still meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from learning import learn
from results import row
from sides import OURS, ROOT, spread

EXAMPLE = ROOT / "examples" / "az_puzzle8_v1.json"
SOLVED, LENGTH_RATIO = 0.99, 1.15
COLLECTING = "algorithm.collecting."
# The searches that are compared as teachers.
GUMBEL = "Gumbel 16"
PUCT = {
    COLLECTING + "root_selection": "puct",
    COLLECTING + "num_mcts_searches": 100,
}
TEACHERS: dict[str, dict[str, Any]] = {
    GUMBEL: {},
    "PUCT 100, C 1.41": PUCT,
    "PUCT 100, C 0.2, noise": {
        **PUCT,
        COLLECTING + "C": 0.2,
        COLLECTING + "exploration_fraction": 0.25,
        COLLECTING + "dirichlet_alpha": 0.5,
    },
}


def az8(options: argparse.Namespace) -> list[dict[str, Any]]:
    """AlphaZero on the 8-puzzle: success and length by 16 simulations a move."""
    runs = [train(seed, options.limit, {}) for seed in range(options.seeds)]
    last = [run["search"] for run in runs]
    reached = [first(run, "seconds", LENGTH_RATIO) for run in runs]
    name = "8-puzzle, AlphaZero"
    rows = [
        worst(f"{name}: both goals below met after", "s", reached, at_most=120),
        worst(f"{name}, 16 simulations: solved", "", [x["solved"] for x in last], at_least=SOLVED),
        worst(
            f"{name}, 16 simulations: length / optimum",
            "times",
            [x["length_ratio"] for x in last],
            at_most=LENGTH_RATIO,
        ),
        row(f"{name}, policy alone: solved", "", spread_of(x["policy"]["solved"] for x in runs)),
        row(
            f"{name}, policy alone: length / optimum",
            "times",
            spread_of(x["policy"]["length_ratio"] for x in runs),
        ),
        row(f"{name}: training", "s", spread_of(x["seconds"] for x in runs)),
        row(f"{name}: training", "CPU-s", spread_of(x["cpu_s"] for x in runs)),
    ]
    rows[0]["runs"] = runs
    return rows


def az_search(options: argparse.Namespace) -> list[dict[str, Any]]:
    """How soon AlphaZero learns from Gumbel with 16 simulations and from PUCT with 100."""
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in TEACHERS}
    for seed in range(options.seeds):
        for kind, overrides in TEACHERS.items():
            runs[kind].append(train(seed, options.limit, overrides))
    name = "8-puzzle, AlphaZero"
    rows = []
    for clock, unit in (("seconds", "s"), ("cpu_s", "CPU-s")):
        # A run that did not get there counts with its end, in favour of the slower one.
        found = {kind: [first(run, clock) or run[clock] for run in runs[kind]] for kind in runs}
        for kind, theirs in found.items():
            if kind != GUMBEL:
                pairs = zip(theirs, found[GUMBEL], strict=True)
                figures = {
                    OURS: spread(found[GUMBEL]),
                    "peer": spread(theirs),
                    "ratio": spread(slow / fast for slow, fast in pairs),
                }
                what = f"{name}: 99% solved, taught by {GUMBEL} (peer: by {kind})"
                rows.append({**row(what, unit, figures, ratio=1), "peer_is": kind})
    for kind, done in runs.items():
        for key, what, unit in (
            ("solved", "solved", ""),
            ("length_ratio", "length / optimum", "times"),
        ):
            title = f"{name}, taught by {kind}: {what} after {options.limit:g} s"
            rows.append(row(title, unit, spread_of(run["search"][key] for run in done)))
    rows[0]["runs"] = runs
    return rows


def train(seed: int, limit_s: float, overrides: dict[str, Any]) -> dict[str, Any]:
    run = learn(OURS, ["search", str(EXAMPLE), str(seed), str(limit_s), json.dumps(overrides)])
    shown = {key: value for key, value in run.items() if key != "curve"}
    print(f"  seed {seed} {overrides}: {shown}", file=sys.stderr, flush=True)
    return run


def first(run: dict[str, Any], clock: str, length_ratio: float | None = None) -> float | None:
    """When a run first solved enough boards, with short enough solutions if a bound is given."""
    for point in run["curve"]:
        if point["solved"] >= SOLVED and (
            length_ratio is None or point["length_ratio"] <= length_ratio
        ):
            return point[clock]
    return None


def spread_of(values: Any) -> dict[str, Any]:
    return {OURS: spread(values)}


def worst(name: str, unit: str, values: list[float | None], **goal: float) -> dict[str, Any]:
    """The goal holds for all seeds; a run that never got there counts as endless."""
    found = row(name, unit, spread_of(float("inf") if x is None else x for x in values), **goal)
    kind, bound = next(iter(goal.items()))
    extreme = found[OURS]["high" if kind == "at_most" else "low"]
    met = extreme <= bound if kind == "at_most" else extreme >= bound
    found["goal"] = {**goal, "met": bool(met), "judged_by": "the worst seed"}
    return found
