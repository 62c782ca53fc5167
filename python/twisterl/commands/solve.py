"""`twisterl solve`."""

from __future__ import annotations

import argparse
import json
import sys

DESCRIPTION = "Solve one board with a trained policy."
EPILOG = """\
examples:
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1"
      the board row by row, 0 the blank; prints the moves of the blank
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1" --show
      and every board on the way
  twisterl solve runs/ppo_puzzle8_v1 "8 7 5 3 2 0 4 6 1" --num_searches 1000 --json
      more tries find shorter solutions

exit status: 0 solved, 1 not found, 2 no such board, or one that no moves can solve."""


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.commands import player

    player.add_options(parser)
    add = parser.add_argument
    add("state", metavar="BOARD", nargs="+", help="the state, as integers")
    add("--num_searches", "--num-searches", type=int, default=100, metavar="N", help="tries")
    add("--deterministic", action="store_true", help="one try, the most likely move each time")
    add("--seed", type=int, default=0, metavar="S")
    add("--show", action="store_true", help="print the boards on the way")
    add("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.board import parse_board
    from twisterl.commands import player
    from twisterl.config import Evaluation
    from twisterl.faults import ConfigError, Fault, shown
    from twisterl.signals import interruptible
    from twisterl.strict_json import read_json
    from twisterl.twisterl import collector
    from twisterl.validation import check_section, resolve_run

    asked = {"num_searches": arguments.num_searches, "seed": arguments.seed}
    check_section(Evaluation, asked, "--", "command line")
    if arguments.deterministic:
        asked["num_searches"] = 1
    text = " ".join(arguments.state)
    with interruptible():
        folder = player.RunFolder(arguments.run)
        config = resolve_run(read_json(folder.path / player.BASE_CONFIG))
        size = player.puzzle_size(config["env_cls"], config["env"])
        if size is not None:
            # Before torch is loaded: a wrong board is told at once.
            state = parse_board(text, *size)
        else:
            try:
                state = [int(word) for word in text.replace(",", " ").split()]
            except ValueError:
                problem = f"got {shown(text)}; expected integers"
                raise ConfigError([Fault("", problem)], "state") from None
        loaded = player.load(arguments)
        loaded.env.set_state(state)
        (success, _), actions = collector.solve(
            loaded.env,
            loaded.policy,
            deterministic=arguments.deterministic,
            num_searches=asked["num_searches"],
            num_mcts_searches=0,
            C=1.41,
            max_expand_depth=1,
            seed=asked["seed"],
        )
    if arguments.json:
        found = list(actions) if success else None
        print(json.dumps({"solved": bool(success), "actions": found}))
        return 0 if success else 1
    if not success:
        tries = asked["num_searches"]
        print(f"not solved in {tries} tries; more --num_searches may help", file=sys.stderr)
        return 1
    if size is None:
        print(f"solved in {len(actions)} actions: {' '.join(map(str, actions))}")
        return 0
    print(_report(state, list(actions), size, arguments.show))
    return 0


def _report(state: list[int], actions: list[int], size: tuple[int, int], show: bool) -> str:
    from twisterl.board import MAX_SEARCHED_CELLS, MOVES, distances, draw, neighbour

    width, height = size
    lines = []
    board = list(state)
    if show:
        lines.append(draw(board, width))
    for action in actions:
        blank = board.index(0)
        to = neighbour(blank, action, width, len(board))
        if to is not None:
            board[blank], board[to] = board[to], 0
        if show:
            lines.append(f"{MOVES[action]}\n{draw(board, width)}")
    lines.append(f"solved in {len(actions)} moves of the blank:")
    lines.append(" ".join(MOVES[action] for action in actions) or "nothing to do")
    if width * height <= MAX_SEARCHED_CELLS:
        lines.append(f"the shortest solution has {distances(width, height)[bytes(state)]}")
    return "\n".join(lines)
