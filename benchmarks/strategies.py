"""Scores a trained run by strategy and width against the exact optimum.

    python benchmarks/strategies.py runs/ppo_puzzle8_v1
    python benchmarks/strategies.py runs/rw_puzzle15_v1 --episodes 200 beam:256 beam:2048

A strategy is greedy, sample:TRIES, mcts:SIMULATIONS or beam:WIDTH; all play from the same uniformly
random boards. `run.py strategies` does it for the example config.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from twisterl.cli import player
from twisterl.twisterl import collector

DEFAULT = ["greedy", "sample:1", "sample:10", "mcts:16", "mcts:64", "beam:16", "beam:128"]
# What the number after a strategy's name means.
NUMBERS = {"sample": "num_searches", "mcts": "num_mcts_searches", "beam": "beam_width"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    player.add_options(parser)
    parser.add_argument("strategies", nargs="*", default=DEFAULT)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num_cores", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one list of [name, unit, value]")
    options = parser.parse_args()
    loaded = player.load(options)
    starts = {"num_episodes": options.episodes, "seed": options.seed, "start": "uniform"}
    solver = collector.OptimalSolver(loaded.env)
    optimum, proven = solver.lengths(**starts, num_cores=options.num_cores)
    if not proven.all():
        print(f"{(~proven).sum()} boards have no proven optimum", file=sys.stderr)
        return 1
    rows: list[tuple[str, str, float]] = []
    for name in options.strategies:
        arguments = {**strategy(name), **starts, "num_cores": options.num_cores}
        begin = time.perf_counter()
        played = collector.evaluate_episodes(loaded.env, loaded.policy, **arguments)
        seconds = time.perf_counter() - begin
        found = scores(name, played, optimum, seconds)
        rows += found
        if not options.json:
            print("; ".join(f"{what} {value:.4g} {unit}".strip() for what, unit, value in found))
    if options.json:
        print(json.dumps(rows))
    return 0


def strategy(name: str) -> dict[str, Any]:
    """The arguments of an evaluation that `name`, such as beam:16, stands for."""
    kind, _, number = name.partition(":")
    return {"strategy": kind, **({NUMBERS[kind]: int(number)} if number else {})}


def scores(name: str, played: Any, optimum: Any, seconds: float) -> list[tuple[str, str, float]]:
    """Name, unit and value of what is said of a strategy."""
    solved = played["success"]
    best, lengths = optimum[solved].sum(), played["length"]
    figures = [("solved", 100 * solved.mean(), "%")]
    if best:
        figures.append(("moves / optimum", lengths[solved].sum() / best, "times"))
        optimal = 100 * (solved & (lengths == optimum)).mean()
        figures.append(("solved optimally", optimal, "%"))
    figures.append(("a board", 1000 * seconds / len(solved), "ms"))
    label = name.replace(":", " ")
    return [(f"{label}: {what}", unit, float(value)) for what, value, unit in figures]


if __name__ == "__main__":
    sys.exit(main())
