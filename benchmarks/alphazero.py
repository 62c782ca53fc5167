"""AlphaZero from scratch: `az8`, `az15` and `az_search` of run.py.

Runs are judged on uniformly random boards, 1,000 of the 8-puzzle and 200 of the 15-puzzle, by a
search of 16 simulations a move, the best action taken; the clock stands still meanwhile. Teachers
are compared on the 15-puzzle; on the 8-puzzle, all solved soon, by the length of solutions.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from learning import learn, worst
from results import row
from sides import OURS, ROOT, spread

PUZZLE8, PUZZLE15 = (ROOT / "examples" / f"az_puzzle{n}_v1.json" for n in (8, 15))
SOLVED, LENGTH_RATIO = 0.99, 1.15
# Share of boards that a teacher's pupil solves: far from all, so that seconds tell them apart.
TAUGHT = 0.9
# Of a run on the 8-puzzle, which any of them teaches within two seconds.
SMALL_LIMIT_S = 15.0
COLLECTING = "algorithm.collecting."
# The searches that are compared as teachers.
GUMBEL = "Gumbel 16"
PUCT = {
    COLLECTING + "root_selection": "puct",
    COLLECTING + "num_mcts_searches": 100,
}
SHARP_PUCT = "PUCT 100, C 0.2"
TEACHERS: dict[str, dict[str, Any]] = {
    GUMBEL: {},
    "PUCT 100, C 1.41": PUCT,
    SHARP_PUCT: {**PUCT, COLLECTING + "C": 0.2},
}


def az8(options: argparse.Namespace) -> list[dict[str, Any]]:
    """AlphaZero on the 8-puzzle: success and length by 16 simulations a move."""
    runs = [train(PUZZLE8, seed, options.limit, {}) for seed in range(options.seeds)]
    last = [run["search"] for run in runs]
    reached = [first(run, "seconds", SOLVED, LENGTH_RATIO) for run in runs]
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


def az15(options: argparse.Namespace) -> list[dict[str, Any]]:
    """AlphaZero on the 15-puzzle: the whole run of the example config, success and length."""
    runs = [train(PUZZLE15, seed, options.limit, {}) for seed in range(options.seeds)]
    name = "15-puzzle, AlphaZero"
    rows = [
        row(f"{name}: training", "s", spread_of(x["seconds"] for x in runs), at_most=600),
        row(f"{name}: training", "CPU-s", spread_of(x["cpu_s"] for x in runs)),
    ]
    goals = {
        "search": ("16 simulations", {"at_least": SOLVED}, {"at_most": 1.35}),
        "policy": ("policy alone", {}, {}),
        "beam": ("beam 256", {"at_least": SOLVED}, {"at_most": 1.1}),
    }
    for key, (how, solved, length) in goals.items():
        title = f"{name}, {how}"
        rows += [
            row(f"{title}: solved", "", spread_of(x[key]["solved"] for x in runs), **solved),
            row(
                f"{title}: length / optimum",
                "times",
                spread_of(x[key]["length_ratio"] for x in runs),
                **length,
            ),
        ]
    rows[0]["runs"] = runs
    return rows


def az_search(options: argparse.Namespace) -> list[dict[str, Any]]:
    """How soon AlphaZero learns the 15-puzzle from Gumbel with 16 simulations, PUCT with 100."""
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in TEACHERS}
    small: dict[str, list[dict[str, Any]]] = {kind: [] for kind in (GUMBEL, SHARP_PUCT)}
    for seed in range(options.seeds):
        for kind, overrides in TEACHERS.items():
            runs[kind].append(train(PUZZLE15, seed, options.limit, overrides))
        for kind in small:
            small[kind].append(train(PUZZLE8, seed, SMALL_LIMIT_S, TEACHERS[kind]))
    name = "15-puzzle, AlphaZero"
    rows = [
        # The whole curve: 18 times 200 boards tell teachers apart that one crossing does not.
        *compared(f"{name}: mean share solved in {options.limit:g} s", "", curve_mean, runs, 1),
        *compared(f"{name}: {TAUGHT:.0%} solved", "s", taught_after("seconds"), runs),
        *compared(f"{name}: {TAUGHT:.0%} solved", "CPU-s", taught_after("cpu_s"), runs),
    ]
    rows += taught_rows(name, options.limit, runs)
    rows += taught_rows("8-puzzle, AlphaZero", SMALL_LIMIT_S, small)
    rows[0]["runs"] = {**runs, **{f"8-puzzle, {kind}": done for kind, done in small.items()}}
    return rows


def curve_mean(run: dict[str, Any]) -> float:
    """Share of boards solved, mean over the run's clock, whose points are equally far apart."""
    return float(statistics.fmean(point["solved"] for point in run["curve"]))


def taught_after(clock: str) -> Callable[[dict[str, Any]], float]:
    """When a run solved TAUGHT of the boards; its end, in its favour, if it never did."""
    return lambda run: first(run, clock, TAUGHT) or run[clock]


def compared(
    what: str,
    unit: str,
    figure: Callable[[dict[str, Any]], float],
    runs: dict[str, list[dict[str, Any]]],
    at_least: float | None = None,
) -> list[dict[str, Any]]:
    """Gumbel's `figure`, seed by seed, against that of every other teacher."""
    rows = []
    ours = [figure(run) for run in runs[GUMBEL]]
    for kind, others in runs.items():
        if kind != GUMBEL:
            theirs = [figure(run) for run in others]
            pairs = list(zip(ours, theirs, strict=True))
            # Of a time the smaller is the better.
            ratios = [theirs / ours if unit else ours / theirs for ours, theirs in pairs]
            figures = {OURS: spread(ours), "peer": spread(theirs), "ratio": spread(ratios)}
            goal = {} if at_least is None else {"ratio": at_least}
            title = f"{what}, taught by {GUMBEL} (peer: by {kind})"
            rows.append({**row(title, unit, figures, **goal), "peer_is": kind})
    return rows


def taught_rows(
    name: str, limit_s: float, runs: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """What the pupils of each teacher reach by their own search of 16 simulations."""
    kinds = {"solved": ("solved", ""), "length_ratio": ("length / optimum", "times")}
    return [
        row(
            f"{name}, taught by {kind}: {what} after {limit_s:g} s",
            unit,
            spread_of(run["search"][key] for run in done),
        )
        for kind, done in runs.items()
        for key, (what, unit) in kinds.items()
    ]


def train(example: Path, seed: int, limit_s: float, overrides: dict[str, Any]) -> dict[str, Any]:
    run = learn(OURS, ["search", str(example), str(seed), str(limit_s), json.dumps(overrides)])
    shown = {key: value for key, value in run.items() if key != "curve"}
    print(f"  seed {seed} {overrides}: {shown}", file=sys.stderr, flush=True)
    return run


def first(
    run: dict[str, Any], clock: str, solved: float, length_ratio: float | None = None
) -> float | None:
    """When a run first solved enough boards, with short enough solutions if a bound is given."""
    for point in run["curve"]:
        if point["solved"] >= solved and (
            length_ratio is None or point["length_ratio"] <= length_ratio
        ):
            return point[clock]
    return None


def spread_of(values: Any) -> dict[str, Any]:
    return {OURS: spread(values)}
