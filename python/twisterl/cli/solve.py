"""`twisterl solve`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl.cli import streams
from twisterl.faults import ConfigError, Fault, shown

if TYPE_CHECKING:
    from twisterl.config.run import Part

DESCRIPTION = "Solve one board with a trained policy, or exactly."
USAGE = """twisterl solve [options] RUN_DIR BOARD
       twisterl solve [options] --optimal --env NAME [KEY=VALUE ...] BOARD
       twisterl solve [options] --strategy patterns --env NAME [KEY=VALUE ...] BOARD"""
EPILOG = """\
examples:
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1"
      the board row by row, 0 the blank; prints the moves of the blank
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1" --animate
      and plays them in the terminal; --show prints every board on the way
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1" --gif solution.gif --html solution.html
      draws them too: a GIF, one SVG that moves (--svg), or a page of every step
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1" --strategy beam --beam_width 256
      a search guided by the policy; --num_searches 1000 samples more tries
  twisterl solve --optimal --env Puzzle width=4 height=4 "4 1 2 3 5 9 6 7 8 0 10 11 12 13 14 15"
      a proven shortest solution, without a policy; with RUN_DIR for its environment
  twisterl solve --strategy patterns --env Puzzle width=3 height=3 "8 7 5 3 2 0 4 6 1"
      a short one, by a beam that pattern databases lead; up to 8x8

exit status: 0 solved, 1 not found, 2 no such board, or one that no moves can solve."""

# For telling how far a solution is from the optimum; nothing else depends on it.
_GAP_TIME_S = 5.0
_LIMITS = ("time_limit_s", "node_limit")
_PICTURES = {
    "gif": "an animated GIF",
    "svg": "one SVG that moves, without a script",
    "html": "a page of every step",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.cli import player

    add = parser.add_argument
    add("words", metavar="RUN_DIR BOARD", nargs="+", help="a training run; the state, as integers")
    player.add_checkpoint(parser)
    add("--optimal", action="store_true", help="a shortest solution, proven; needs no policy")
    add("--env", metavar="NAME", help="with --optimal or --strategy patterns: an environment and "
        "its KEY=VALUE arguments")  # fmt: skip
    add("--num_searches", "--num-searches", type=int, metavar="N",
        help=f"tries (default: {player.TRIES} by sample)")  # fmt: skip
    add("--deterministic", action="store_true", help="one try, the most likely move each time")
    player.add_search_options(parser, "as the run was judged if that is a search, greedy or "
        "a beam by value for ES, else sample")  # fmt: skip
    add("--seed", type=int, default=0, metavar="S")
    add("--show", action="store_true", help="print the boards on the way")
    add("--animate", action="store_true", help="play the solution in the terminal")
    for kind, what in _PICTURES.items():
        add(f"--{kind}", metavar="FILE", help=f"draw the solution as {what}")
    add("--delay", type=float, default=0.3, metavar="S", help="seconds a move, of what moves")
    add("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli import player
    from twisterl.cli.signals import interruptible
    from twisterl.cli.waiting import told
    from twisterl.config.build import build_env
    from twisterl.strategy import alone, to_solve
    from twisterl.twisterl import collector

    asked = player.asked(arguments)
    player.require_delay(arguments.delay)
    files = _picture_files(arguments)
    unused = [key for key in asked if key not in (*_LIMITS, "num_cores", "seed")]
    if arguments.optimal and unused:
        raise _refused(f"--{unused[0]}", "is for play by a policy; --optimal needs none")
    with interruptible():
        saved, trust, words = None, True, arguments.words
        if arguments.env is None:
            saved = player.read(words[0], trust=arguments.trust)
            part, words, trust = saved.config.env, words[1:], saved.trust
        else:
            part, words = _asked_env(arguments)
        # Before torch is loaded: a wrong board is told at once.
        env = build_env(part, trust=trust)
        if files and hasattr(env, "track_solution") and env.track_solution():
            problem = "the environment tells its own kind of solution, which cannot be drawn"
            raise _refused(f"--{next(iter(files))}", problem)
        size = player.puzzle_size(part)
        state = _state(" ".join(words), size)
        env.set_state(state)
        actions: list[int] | None
        at_least: int | None
        if arguments.optimal:
            limits: dict[str, Any] = {key: asked.get(key) for key in _LIMITS}
            with told():
                actions, at_least = collector.solve_optimal(env, state, **limits)
            optimum = None if actions is None else at_least
        else:
            policy = None
            if saved is None:
                asked = player.played(alone, asked)
            else:
                loaded = saved.load(arguments.checkpoint)
                policy = loaded.policy
                asked = player.played(to_solve, loaded.algorithm, asked, player.TRIES)
            with told():
                (success, _), found = collector.solve(env, policy, **asked)
                at_least = optimum = _optimum(env, state)
            actions = found if success else None
        if files and actions is not None:
            _draw(env, actions, optimum, arguments.delay, files)
        if arguments.json:
            report = {"solved": actions is not None, "actions": actions, "optimum": optimum}
            with streams.until_nobody_reads():
                print(json.dumps({**report, "at_least": at_least}))
        elif actions is not None:
            _print_solution(env, actions, optimum, size, arguments)
            for path in files.values():
                print(f"{path}: {path.stat().st_size:,} bytes")
        elif arguments.optimal:
            problem = f"no solution is proven to be the shortest; it has at least {at_least} moves"
            streams.complain(f"{problem}; more --time_limit_s or --node_limit may help")
        else:
            streams.complain(_not_solved(asked))
    return 1 if actions is None else 0


def _picture_files(arguments: argparse.Namespace) -> dict[str, Path]:
    """Where to draw, by kind; `ConfigError` or `MissingPackage` before anything is solved."""
    from twisterl.cli.outputs import all_writable
    from twisterl.pictures import gif

    asked = {f"--{kind}": getattr(arguments, kind) for kind in _PICTURES}
    files = {option.removeprefix("--"): path for option, path in all_writable(asked).items()}
    if "gif" in files:
        gif.require()
    return files


def _draw(
    env: Any, actions: list[int], optimum: int | None, delay: float, files: dict[str, Path]
) -> None:
    from twisterl.pictures import Replay
    from twisterl.runs.files import write_atomic

    facts = [] if optimum is None else [f"the shortest solution has {optimum}"]
    replay = Replay(env, actions, delay)
    for kind, path in files.items():
        content: str | bytes
        if kind == "html":
            content = replay.html(f"{type(env).__name__}, solved", facts)
        else:
            content = replay.gif() if kind == "gif" else replay.svg()
        write_atomic(path, content if isinstance(content, bytes) else content.encode())


def _not_solved(play: dict[str, Any]) -> str:
    """What was tried, and what may help."""
    limits = [f"--{name}" for name in _LIMITS if play[name] is not None]
    more = ["--num_searches"]
    tried = f"in {play['num_searches']} tries"
    if play["strategy"] in ("beam", "patterns"):
        more, tried = ["--beam_width"], "by beam search"
    elif play["strategy"] == "optimal":
        more, tried = [], "by a proven shortest solution"
    elif play["strategy"] == "mcts" and play["deterministic"]:
        more, tried = ["--num_mcts_searches", *more], "by tree search"
    elif play["strategy"] == "value":
        return "not solved by the largest values; --strategy beam may help"
    elif play["strategy"] == "greedy":
        return "not solved by the most likely moves; --strategy sample or beam may help"
    return f"not solved {tried}; more {' or '.join(more + limits)} may help"


def _asked_env(asked: argparse.Namespace) -> tuple[Part, list[str]]:
    """The environment that --env names, and the words that are the state."""
    from twisterl.config.overrides import parse_value
    from twisterl.config.registry import REGISTRY
    from twisterl.config.run import Part
    from twisterl.config.validation import check_section
    from twisterl.faults import unknown
    from twisterl.strategy import ALONE

    name, words = asked.env, asked.words
    if not asked.optimal and asked.strategy not in ALONE:
        problem = "belongs to --optimal or --strategy patterns; a policy comes with its RUN_DIR"
        raise _refused("--env", problem)
    if name not in REGISTRY["env_cls"]:
        raise _refused("--env", unknown(name, list(REGISTRY["env_cls"]), "environment"))
    given = dict(word.split("=", 1) for word in words if "=" in word)
    values = {key: parse_value(text) for key, text in given.items()}
    arguments = check_section(REGISTRY["env_cls"][name][1], values, "", "command line")
    return Part(name, name, arguments), [word for word in words if "=" not in word]


def _refused(name: str, problem: str) -> ConfigError:
    return ConfigError([Fault(name, problem)], "command line")


def _state(text: str, size: tuple[int, int] | None) -> list[int]:
    from twisterl.cli.board import parse_board

    if not text:
        raise _refused("BOARD", "is missing")
    if size is not None:
        return parse_board(text, *size)
    try:
        return [int(word) for word in text.replace(",", " ").split()]
    except ValueError:
        problem = f"got {shown(text)}; expected integers"
        raise ConfigError([Fault("", problem)], "state") from None


def _optimum(env: Any, state: list[int]) -> int | None:
    """The length of a shortest solution, None where it is not known soon."""
    from twisterl.twisterl import collector

    try:
        actions, length = collector.solve_optimal(env, state, time_limit_s=_GAP_TIME_S)
    except ValueError:
        return None
    return None if actions is None else length


def _print_solution(
    env: Any,
    actions: list[int],
    optimum: int | None,
    size: tuple[int, int] | None,
    arguments: argparse.Namespace,
) -> None:
    from twisterl.cli.player import action_names

    names = action_names(env)
    if arguments.animate:
        _animate(_boards(env, actions, names, size), arguments.delay)
    elif arguments.show:
        print("\n".join(_boards(env, actions, names, size)))
    unit = ("move" if len(actions) == 1 else "moves") + (" of the blank" if size else "")
    print(f"solved in {len(actions)} {unit}:")
    print(" ".join(names[action] for action in actions) or "nothing to do")
    if arguments.optimal:
        print("no solution is shorter")
    elif optimum:
        gap = f": {len(actions) / optimum:.3f} times that"
        print(f"the shortest solution has {optimum}{gap if len(actions) > optimum else ''}")


def _boards(
    env: Any, actions: list[int], names: list[str], size: tuple[int, int] | None
) -> Iterator[str]:
    """The board before the first action and after each, under the action's name."""
    from twisterl.cli.board import draw

    def picture() -> str:
        return draw(env.get_state(), size[0]) if size else str(env).rstrip("\n")

    yield picture()
    for action in actions:
        env.step(action)
        yield f"{names[action]}\n{picture()}"


def _animate(boards: Iterator[str], delay: float) -> None:
    """Draws each board over the one before; one below the other where there is no terminal."""
    over = ""
    for board in boards:
        if over:
            time.sleep(delay)
        # The board before is erased and this one drawn by one write: none is seen in between.
        sys.stdout.write(f"{over}{board}\n")
        sys.stdout.flush()
        if sys.stdout.isatty():
            # Up to the first line of this board, and all below it erased.
            over = f"\x1b[{board.count(chr(10)) + 1}A\x1b[J"
