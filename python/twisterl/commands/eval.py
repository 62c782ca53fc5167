"""`twisterl eval`."""

from __future__ import annotations

import argparse
import json
import math
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
  twisterl eval runs/ppo_puzzle8_v1 --strategy greedy,sample,beam --beam_width 128
      the same boards by several strategies, one line each
  twisterl eval runs/ppo_puzzle8_v1 --start reset --difficulty 32 --json
      boards scrambled by 32 random moves; the result as JSON

Where an exact solver exists (see twisterl solve --optimal), the lengths are compared with those of
shortest solutions: of all boards whose optimum is proven within --optimum_time_s."""

# The optimum is sought among this many states, which takes a few seconds to prepare.
_OPTIMUM_STATES = 4_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.commands import player

    player.add_options(parser)
    add = parser.add_argument
    add("--start", choices=["uniform", "reset"], help="default: uniform where it can be drawn")
    add("--difficulty", type=int, metavar="D", help="of --start reset (default: the config's)")
    add("--num_episodes", "--num-episodes", type=int, default=1000, metavar="N")
    add("--num_searches", "--num-searches", type=int, default=1, metavar="N", help="tries a board")
    add("--deterministic", action="store_true", help="the most likely move each time")
    player.add_search_options(parser)
    add("--optimum_time_s", "--optimum-time-s", type=float, default=30.0, metavar="S",
        help="for shortest solutions, all boards together (default: 30; 0: none)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="S")
    add("--num_cores", "--num-cores", type=int, default=32, metavar="N")
    add("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.commands import player
    from twisterl.config import Evaluation as Section
    from twisterl.signals import interruptible
    from twisterl.validation import check_section

    if not 0 <= arguments.optimum_time_s < math.inf:
        problem = f"got {arguments.optimum_time_s}; expected seconds, at least 0"
        raise ConfigError([Fault("--optimum_time_s", problem)], "command line")
    common = {
        "num_episodes": arguments.num_episodes,
        "num_searches": arguments.num_searches,
        "seed": arguments.seed,
        "num_cores": arguments.num_cores,
        "deterministic": arguments.deterministic,
    }
    strategies = arguments.strategy.split(",") if arguments.strategy else [None]
    asked = []
    for arguments.strategy in strategies:
        asked.append({**common, **player.search_options(arguments)})
        check_section(Section, asked[-1], "--", "command line")
    with interruptible():
        loaded = player.load(arguments)
        start = arguments.start or ("uniform" if _draws_uniformly(loaded.env) else "reset")
        if arguments.difficulty is not None:
            if start == "uniform":
                problem = "belongs to --start reset; uniform boards have no difficulty"
                raise ConfigError([Fault("--difficulty", problem)], "command line")
            loaded.env.difficulty = arguments.difficulty
        optimum = _optimum(loaded.env, start, common, arguments.optimum_time_s)
        asked = [player.searched_as_trained(loaded.config, one) for one in asked]
        reports = [_play(loaded, start, one, optimum) for one in asked]
    if arguments.json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2))
    else:
        print(_table(reports[0]) if len(reports) == 1 else _comparison(reports))
    return 0


def _draws_uniformly(env: Any) -> bool:
    try:
        env.random_state(seed=0)
    except (AttributeError, ValueError):
        return False
    return True


def _play(loaded: Any, start: str, asked: dict[str, Any], optimum: Any) -> dict[str, Any]:
    from twisterl.rl.evaluation import wilson
    from twisterl.twisterl import collector

    begin = time.perf_counter()
    played = collector.evaluate_episodes(loaded.env, loaded.policy, **asked, start=start)
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
        "mean_nodes": float(played["nodes"].mean()),
        "seconds": seconds,
    }
    if optimum is not None:
        shortest, proven = optimum
        report["proven"] = float(proven.mean())
        judged = solved & proven
        if shortest[judged].sum():
            lengths = played["length"][judged]
            report["mean_optimum"] = float(shortest[judged].mean())
            report["length_over_optimum"] = float(lengths.mean() / shortest[judged].mean())
            report["optimal"] = float((lengths == shortest[judged]).mean())
    return report


def _optimum(env: Any, start: str, common: dict[str, Any], time_s: float) -> Any:
    """`(lengths, proven)` `[N]` of the same starts, None where there is no exact solver."""
    from twisterl.twisterl import collector

    if not time_s:
        return None
    try:
        solver = collector.OptimalSolver(env, _OPTIMUM_STATES)
    except ValueError:
        return None
    which = {key: common[key] for key in ("num_episodes", "seed", "num_cores")}
    return solver.lengths(**which, start=start, time_limit_s=time_s)


def _play_name(report: dict[str, Any]) -> str:
    name = report["strategy"] or ("greedy" if report["deterministic"] else "sampled")
    if name == "beam":
        return f"beam {report.get('beam_width', '')}".rstrip()
    if report.get("num_mcts_searches"):
        name = f"mcts {report['num_mcts_searches']}"
    return name + (f", best of {report['num_searches']}" if report["num_searches"] > 1 else "")


def _starts(report: dict[str, Any]) -> str:
    start = "all solvable boards" if report["start"] == "uniform" else "reset"
    if report["difficulty"] is not None:
        start = f"scrambled at difficulty {report['difficulty']}"
    return f"{report['num_episodes']:,}, {start}"


def _table(report: dict[str, Any]) -> str:
    low, high = report["interval"]
    lines = [
        ("checkpoint", report["checkpoint"]),
        ("episodes", _starts(report)),
        ("play", _play_name(report)),
        ("solved", f"{report['success']:.1%}  (95 %: {low:.1%} to {high:.1%})"),
        ("mean reward", f"{report['mean_reward']:.4f}"),
    ]
    if report["mean_length"] is not None:
        lines.append(("mean length", f"{report['mean_length']:.2f} moves, of the solved ones"))
    if "optimal" in report:
        ratio = report["length_over_optimum"]
        lines.append(("shortest", f"{report['mean_optimum']:.2f} moves: {ratio:.3f} times that"))
        lines.append(("optimal", f"{report['optimal']:.1%} of the solutions"))
    if report.get("proven", 1.0) < 1.0:
        lines.append(("proven", f"the shortest length of {report['proven']:.1%} of the boards"))
    lines.append(("time", f"{report['seconds']:.2f} s"))
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


def _comparison(reports: list[dict[str, Any]]) -> str:
    def number(report: dict[str, Any], key: str, form: str) -> str:
        return "" if report.get(key) is None else format(report[key], form)

    rows = [["play", "solved", "moves", "/ shortest", "optimal", "ms a board", "states a board"]]
    for report in reports:
        row = [_play_name(report), f"{report['success']:.1%}", number(report, "mean_length", ".2f")]
        row += [number(report, "length_over_optimum", ".3f"), number(report, "optimal", ".1%")]
        row.append(f"{1000 * report['seconds'] / report['num_episodes']:.2f}")
        rows.append([*row, f"{report['mean_nodes']:,.0f}"])
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    head = [f"checkpoint   {reports[0]['checkpoint']}", f"episodes     {_starts(reports[0])}", ""]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        head.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(head)
