"""`twisterl eval`."""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

from twisterl.faults import ConfigError, Fault

DESCRIPTION = "Play many episodes with a trained policy: success with its 95 % interval, length."
USAGE = """twisterl eval [options] RUN_DIR
       twisterl eval [options] --strategy patterns|optimal --env NAME [KEY=VALUE ...]"""
EPILOG = """\
examples:
  twisterl eval runs/ppo_puzzle8_v1
      1000 boards drawn uniformly from all solvable ones, played as the run was judged
  twisterl eval runs/ppo_puzzle8_v1 --num_searches 10
      a board counts as solved if one of ten tries solves it; the shortest counts
  twisterl eval runs/ppo_puzzle8_v1 --strategy greedy,sample,beam --beam_width 128
      the same boards by several strategies, one line each
  twisterl eval runs/ppo_puzzle8_v1 --start reset --difficulty 32 --json
      boards scrambled by 32 random moves; the result as JSON
  twisterl eval runs/ppo_puzzle8_v1 --strategy beam --workers 4 --backend ray --address auto
      the boards cut into ranges, which four workers of a Ray cluster search: the same result
  twisterl eval --env Puzzle width=4 height=4 --strategy optimal --num_episodes 20
      without a run: proven shortest solutions, and a beam by pattern databases

Where an exact solver exists (see twisterl solve --optimal), the lengths are compared with those of
shortest solutions: of all boards whose optimum is proven within --optimum_time_s."""

# The optimum is sought among this many states, which takes a few seconds to prepare.
_OPTIMUM_STATES = 4_000_000
OPTIMUM_TIME_S = 30.0


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.cli import player

    player.add_options(parser, required=False)
    add = parser.add_argument
    add("words", metavar="KEY=VALUE", nargs="*", help="without RUN_DIR: arguments of --env")
    add("--env", metavar="NAME", help="without RUN_DIR: an environment, for patterns or optimal")
    add("--start", choices=["uniform", "reset"], help="default: uniform where it can be drawn")
    add("--difficulty", type=int, metavar="D", help="of --start reset (default: the config's)")
    add("--num_episodes", "--num-episodes", type=int, default=1000, metavar="N")
    add("--num_searches", "--num-searches", type=int, metavar="N", help="tries a board")
    add("--deterministic", action="store_true", help="the most likely move each time")
    player.add_search_options(parser, "as the run was judged, with its numbers")
    add("--optimum_time_s", "--optimum-time-s", type=float, default=OPTIMUM_TIME_S, metavar="S",
        help="for shortest solutions, all boards together (default: 30; 0: none)")  # fmt: skip
    player.add_workers(parser, "; --num_cores is then of each")
    add("--seed", type=int, default=0, metavar="S")
    add("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli import player
    from twisterl.cli.signals import interruptible
    from twisterl.cli.waiting import told
    from twisterl.strategy import alone, as_judged

    if not 0 <= arguments.optimum_time_s < math.inf:
        problem = f"got {arguments.optimum_time_s}; expected seconds, at least 0"
        raise ConfigError([Fault("--optimum_time_s", problem)], "command line")
    asked = []
    for strategy in arguments.strategy.split(",") if arguments.strategy else [None]:
        arguments.strategy = strategy
        asked.append(player.asked(arguments))
    with interruptible():
        loaded = _loaded(arguments)
        start = arguments.start or ("uniform" if player.draws_uniformly(loaded.env) else "reset")
        if arguments.difficulty is not None:
            if start == "uniform":
                problem = "belongs to --start reset; uniform boards have no difficulty"
                raise ConfigError([Fault("--difficulty", problem)], "command line")
            loaded.env.difficulty = arguments.difficulty
        plays = [
            player.played(alone, {**one, "start": start})
            if loaded.policy is None
            else player.played(as_judged, loaded.algorithm, {**one, "start": start})
            for one in asked
        ]
        with player.judge(arguments, loaded) as judge:
            with told():
                optimum = optimum_of(loaded.env, plays[0], arguments.optimum_time_s)
                reports = [report_of(loaded, play, optimum, judge) for play in plays]
    if arguments.json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2))
    else:
        print(_table(reports[0]) if len(reports) == 1 else _comparison(reports))
    return 0


def _loaded(arguments: argparse.Namespace) -> Any:
    """The run of the command line as a `Player`, or the environment as an `Alone`."""
    from twisterl.cli import player

    words = list(arguments.words)
    if arguments.run is not None and "=" in arguments.run:
        words.insert(0, arguments.run)
        arguments.run = None
    if arguments.run is None and arguments.env is None:
        raise ConfigError([Fault("RUN_DIR", "is missing")], "command line")
    if arguments.run is None:
        return player.Alone(player.named_env(arguments.env, words))
    if words or arguments.env:
        got = arguments.env or " ".join(words)
        problem = f"comes with its environment; got {got} beside it"
        raise ConfigError([Fault("RUN_DIR", problem)], "command line")
    return player.load(arguments)


def report_of(loaded: Any, play: dict[str, Any], optimum: Any, judge: Any) -> dict[str, Any]:
    """What `play` finds, as JSON has it; `optimum` is that of `optimum_of`.

    `judge` plays, as `collector.evaluate_episodes`.
    """
    from twisterl.envs.protocol import is_task
    from twisterl.rl.evaluation import wilson

    begin = time.perf_counter()
    played = judge(loaded.env, loaded.policy, **play)
    seconds = time.perf_counter() - begin
    solved = played["success"]
    num_solved = int(solved.sum())
    has_difficulty = play["start"] == "reset" and not is_task(loaded.env)
    report: dict[str, Any] = {
        "checkpoint": None if loaded.checkpoint is None else str(loaded.checkpoint),
        **play,
        "difficulty": loaded.env.difficulty if has_difficulty else None,
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


def optimum_of(env: Any, play: dict[str, Any], time_s: float) -> Any:
    """`(lengths, proven)` `[N]` of the same starts, None where there is no exact solver."""
    from twisterl.twisterl import collector

    if not time_s:
        return None
    began = time.monotonic()
    try:
        solver = collector.OptimalSolver(env, _OPTIMUM_STATES, time_s)
    except ValueError:
        return None
    # Where the preparation has used up all of it, what it has prepared is still looked up.
    time_s = max(time_s - (time.monotonic() - began), 1e-6)
    which = {key: play[key] for key in ("num_episodes", "seed", "num_cores", "start")}
    return solver.lengths(**which, time_limit_s=time_s)


def _starts(report: dict[str, Any]) -> str:
    start = "all solvable boards" if report["start"] == "uniform" else "started by reset"
    if report["difficulty"] is not None:
        start = f"scrambled at difficulty {report['difficulty']}"
    return f"{report['num_episodes']:,}, {start}"


def _table(report: dict[str, Any]) -> str:
    from twisterl.cli.player import play_name

    low, high = report["interval"]
    lines = [
        ("checkpoint", report["checkpoint"] or "none"),
        ("episodes", _starts(report)),
        ("play", play_name(report)),
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
    from twisterl.cli.player import play_name

    def number(report: dict[str, Any], key: str, form: str) -> str:
        return "" if report.get(key) is None else format(report[key], form)

    rows = [["play", "solved", "moves", "/ shortest", "optimal", "ms a board", "states a board"]]
    for report in reports:
        row = [play_name(report), f"{report['success']:.1%}", number(report, "mean_length", ".2f")]
        row += [number(report, "length_over_optimum", ".3f"), number(report, "optimal", ".1%")]
        row.append(f"{1000 * report['seconds'] / report['num_episodes']:.2f}")
        rows.append([*row, f"{report['mean_nodes']:,.0f}"])
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    checkpoint = reports[0]["checkpoint"] or "none"
    head = [f"checkpoint   {checkpoint}", f"episodes     {_starts(reports[0])}", ""]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        head.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(head)
