"""Scores a trained run by strategy and width against the exact optimum.

    python benchmarks/strategies.py runs/ppo_puzzle8_v1
    python benchmarks/strategies.py runs/rw_puzzle15_v1 --episodes 200 beam:256 beam:2048

A strategy is greedy, sample:TRIES, mcts:SIMULATIONS or beam:WIDTH; all play from the same uniformly
random boards. Writes results/strategies.json; benchmarks/render.py shows it.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from results import row, write
from twisterl.commands import player
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
    options = parser.parse_args()
    loaded = player.load(options)
    starts = {"num_episodes": options.episodes, "seed": options.seed, "start": "uniform"}
    solver = collector.OptimalSolver(loaded.env)
    optimum, proven = solver.lengths(**starts, num_cores=options.num_cores)
    if not proven.all():
        print(f"{(~proven).sum()} boards have no proven optimum", file=sys.stderr)
        return 1
    rows = []
    for name in options.strategies:
        arguments = {**strategy(name), **starts, "num_cores": options.num_cores}
        begin = time.perf_counter()
        played = collector.evaluate_episodes(loaded.env, loaded.policy, **arguments)
        seconds = time.perf_counter() - begin
        rows += scores(name, played, optimum, seconds)
        print("; ".join(f"{r['name']} {r['ours']['median']:.4g}" for r in rows[-4:]))
    config = {"env_cls": loaded.config["env_cls"], "env": loaded.config["env"]}
    command = " ".join(["python benchmarks/strategies.py RUN_DIR", *options.strategies])
    print(write("strategies", command, rows, **config, **starts))
    return 0


def strategy(name: str) -> dict[str, Any]:
    """The arguments of an evaluation that `name`, such as beam:16, stands for."""
    kind, _, number = name.partition(":")
    return {"strategy": kind, **({NUMBERS[kind]: int(number)} if number else {})}


def scores(name: str, played: Any, optimum: Any, seconds: float) -> list[dict[str, Any]]:
    solved = played["success"]
    best, lengths = optimum[solved].sum(), played["length"]
    figures = [("solved", 100 * solved.mean(), "%")]
    if best:
        figures.append(("moves / optimum", lengths[solved].sum() / best, "times"))
        optimal = 100 * (solved & (lengths == optimum)).mean()
        figures.append(("solved optimally", optimal, "%"))
    figures.append(("a board", 1000 * seconds / len(solved), "ms"))
    label = name.replace(":", " ")
    return [row(f"{label}: {what}", unit, {"ours": {"median": x}}) for what, x, unit in figures]


if __name__ == "__main__":
    sys.exit(main())
