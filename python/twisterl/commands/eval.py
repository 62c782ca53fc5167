"""`twisterl eval`."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from twisterl.faults import ConfigError, Fault

DESCRIPTION = "Play many episodes with a trained policy: success with its 95 % interval, length."
EPILOG = """\
examples:
  twisterl eval runs/ppo_puzzle8_v1
      1000 boards drawn uniformly from all solvable ones, one sampled try each
  twisterl eval runs/ppo_puzzle8_v1 --num_searches 10
      a board counts as solved if one of ten tries solves it; the shortest counts
  twisterl eval runs/ppo_puzzle8_v1 --deterministic
      always the most likely move
  twisterl eval runs/ppo_puzzle8_v1 --start reset --difficulty 32 --json
      boards scrambled by 32 random moves; the result as JSON

Up to 9 cells the lengths are compared with the exact shortest solutions."""


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.commands import player

    player.add_options(parser)
    add = parser.add_argument
    add("--start", choices=["uniform", "reset"], help="default: uniform for puzzles, else reset")
    add("--difficulty", type=int, metavar="D", help="of --start reset (default: the config's)")
    add("--num_episodes", "--num-episodes", type=int, default=1000, metavar="N")
    add("--num_searches", "--num-searches", type=int, default=1, metavar="N", help="tries a board")
    add("--deterministic", action="store_true", help="the most likely move each time")
    add("--seed", type=int, default=0, metavar="S")
    add("--num_cores", "--num-cores", type=int, default=32, metavar="N")
    add("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.commands import player
    from twisterl.config import Evaluation as Section
    from twisterl.signals import interruptible
    from twisterl.validation import check_section

    asked = {
        "num_episodes": arguments.num_episodes,
        "num_searches": arguments.num_searches,
        "seed": arguments.seed,
        "num_cores": arguments.num_cores,
        "deterministic": arguments.deterministic,
    }
    check_section(Section, asked, "--", "command line")
    with interruptible():
        loaded = player.load(arguments)
        start = arguments.start or ("uniform" if loaded.puzzle_size else "reset")
        if arguments.difficulty is not None:
            if start == "uniform":
                problem = "belongs to --start reset; uniform boards have no difficulty"
                raise ConfigError([Fault("--difficulty", problem)], "command line")
            loaded.env.difficulty = arguments.difficulty
        report = _play(loaded, start, asked)
    print(json.dumps(report, indent=2) if arguments.json else _table(loaded, report))
    return 0


def _play(loaded: Any, start: str, asked: dict[str, Any]) -> dict[str, Any]:
    import numpy

    from twisterl.rl.evaluation import wilson
    from twisterl.twisterl import collector

    states = None
    if start == "uniform" and loaded.puzzle_size is not None:
        first = asked["seed"] * asked["num_episodes"]
        seeds = range(first, first + asked["num_episodes"])
        states = numpy.array([loaded.env.random_state(seed) for seed in seeds], numpy.int64)
    begin = time.perf_counter()
    where = {"start": start} if states is None else {"states": states}
    played = collector.evaluate_episodes(loaded.env, loaded.policy, **asked, **where)
    seconds = time.perf_counter() - begin
    solved = played["success"]
    num_solved = int(solved.sum())
    report: dict[str, Any] = {
        "checkpoint": str(loaded.checkpoint),
        "start": start,
        "difficulty": loaded.env.difficulty if start == "reset" else None,
        **asked,
        "success": num_solved / len(solved),
        "interval": wilson(num_solved, len(solved)),
        "mean_reward": float(played["reward"].mean(dtype=float)),
        "mean_length": float(played["length"][solved].mean()) if num_solved else None,
        "seconds": seconds,
    }
    optimum = None if states is None else _optimum(states, loaded.puzzle_size)
    if optimum is not None and num_solved:
        report["mean_optimum"] = float(optimum[solved].mean())
        report["length_over_optimum"] = report["mean_length"] / report["mean_optimum"]
    return report


def _optimum(states: Any, size: tuple[int, int]) -> Any:
    """The shortest lengths [N] for `states` [N, cells], None if there are too many cells."""
    import numpy

    from twisterl.board import MAX_SEARCHED_CELLS, distances

    if size[0] * size[1] > MAX_SEARCHED_CELLS:
        return None
    table = distances(*size)
    return numpy.array([table[bytes(state)] for state in states.astype(numpy.uint8)])


def _table(loaded: Any, report: dict[str, Any]) -> str:
    start = "all solvable boards" if report["start"] == "uniform" else "reset"
    if report["difficulty"] is not None:
        start = f"scrambled at difficulty {report['difficulty']}"
    tries = "greedy" if report["deterministic"] else "sampled"
    if report["num_searches"] > 1:
        tries += f", best of {report['num_searches']}"
    low, high = report["interval"]
    lines = [
        ("checkpoint", report["checkpoint"]),
        ("episodes", f"{report['num_episodes']:,}, {start}"),
        ("play", tries),
        ("solved", f"{report['success']:.1%}  (95 %: {low:.1%} to {high:.1%})"),
        ("mean reward", f"{report['mean_reward']:.4f}"),
    ]
    if report["mean_length"] is not None:
        lines.append(("mean length", f"{report['mean_length']:.2f} moves, of the solved ones"))
    if "mean_optimum" in report:
        ratio = report["length_over_optimum"]
        lines.append(("shortest", f"{report['mean_optimum']:.2f} moves: {ratio:.3f} times that"))
    lines.append(("time", f"{report['seconds']:.2f} s"))
    return "\n".join(f"{name:<12} {text}" for name, text in lines)
