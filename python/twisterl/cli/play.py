"""`twisterl play`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from twisterl.faults import ConfigError, Fault

if TYPE_CHECKING:
    from twisterl.cli.game import Game, Guide

DESCRIPTION = "Play an environment in the terminal, with hints from a trained run."
EPILOG = """\
examples:
  twisterl play                                  the 3 x 3 sliding puzzle, no hints
  twisterl play --width 4 --height 4 --seed 7
  twisterl play runs/ppo_puzzle8_v1              'h' asks the run, 'p' lets it play to the end
  twisterl play --env LightsOut width=4 height=4
  twisterl play --env Cube2
  twisterl play --env PyEnv pyenv_cls=own_module.Own size=5
      an environment of your own; of a crate: --env package.Class

keys: arrows or w a s d move where actions are directions; elsewhere type the name of an action, or
its number, and Enter. h hint, m one move by the run, p the run plays to the end (any key stops it),
u undo, n new, q quit. Without a terminal, one line of input each. The run plays as twisterl solve
does: by the search that it was judged by, else the best of many tries by its policy."""

_COMMANDS = "h hint, m one move by the run, p the run plays to the end, u undo, n new, q quit"


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.cli import player

    player.add_options(parser, required=False)
    add = parser.add_argument
    add("words", metavar="KEY=VALUE", nargs="*", help="without RUN_DIR: arguments of --env")
    add("--env", metavar="NAME", help="without RUN_DIR: an environment (default: Puzzle)")
    add("--width", type=int, metavar="W", help="the same as width=W")
    add("--height", type=int, metavar="H", help="the same as height=H")
    add("--difficulty", type=int, metavar="D",
        help="of starts that cannot be drawn from all states")  # fmt: skip
    add("--seed", type=int, metavar="S", help="of the starts; equal seeds give equal starts")
    add("--delay", type=float, default=0.3, metavar="S", help="of 'p', seconds a move")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli import player
    from twisterl.cli.game import Game, Guide
    from twisterl.cli.signals import interruptible

    words = list(arguments.words)
    if arguments.run is not None and "=" in arguments.run:
        words.insert(0, arguments.run)
        arguments.run = None
    for side in ("width", "height"):
        if getattr(arguments, side) is not None:
            words.append(f"{side}={getattr(arguments, side)}")
    player.require_delay(arguments.delay)
    with interruptible():
        guide: Guide | None = None
        if arguments.run is None:
            env = _env(arguments.env or "Puzzle", words)
        elif words or arguments.env:
            got = arguments.env or " ".join(words)
            problem = f"comes with its environment; got {got} beside it"
            raise ConfigError([Fault("RUN_DIR", problem)], "command line")
        else:
            loaded = player.load(arguments)
            env, guide = loaded.env, Guide(loaded)
        if arguments.difficulty is not None:
            env.difficulty = arguments.difficulty
        game = Game(env, arguments.seed)
        with _keys(game) as keys:
            play(game, guide, keys, arguments.delay)
    return 0


def _env(name: str, words: list[str]) -> Any:
    from twisterl.config.build import build_env
    from twisterl.config.overrides import apply_overrides, parse_overrides
    from twisterl.config.trust import may_import
    from twisterl.config.validation import check_env

    pairs = parse_overrides([f"env.{word}" for word in words])
    config = apply_overrides({"env_cls": name}, pairs)
    part = check_env(name, config.get("env", {}), "command line")
    return build_env(part, trust=may_import(config, trust=True) is not None)


class Keys(Protocol):
    """Where answers come from."""

    def read(self) -> str:
        """The next key or line; empty at the end of the input."""

    def pause(self, seconds: float) -> bool:
        """Waits; True as soon as a key is pressed, which is not read again."""


def play(game: Game, guide: Guide | None, keys: Keys, delay: float) -> None:
    """The game until 'q', the end of the input, or Ctrl-C."""
    listed = "w a s d or arrows" if game.has_directions else f"actions: {' '.join(game.names)}"
    help_text = f"{listed}; {_COMMANDS}"
    _show(help_text)
    while True:
        _show_board(game)
        key = keys.read()
        if key in ("", "q", "\x03", "\x04"):
            return
        action = game.action(key)
        if action is not None:
            if not game.move(action) and not game.over:
                _show(f"{game.names[action]} is impossible here")
        elif key == "u":
            if not game.undo():
                _show("nothing to undo")
        elif key == "n":
            game.new()
        elif key in ("h", "m", "p") and guide is None:
            _show("no run to ask: twisterl play RUN_DIR")
        elif key in ("h", "m", "p") and game.over:
            continue
        elif key == "h":
            _show(_hint(game, guide))
        elif key == "m":
            _play_on(game, guide, keys, delay, most=1)
        elif key == "p":
            _play_on(game, guide, keys, delay)
        else:
            _show(help_text)


def _show_board(game: Game) -> None:
    _show(f"{game.picture()}\nmoves: {game.num_moves}")
    if game.solved:
        _show("solved! u undo, n new, q quit")
    elif game.over:
        _show("the episode is over; u undo, n new, q quit")


def _hint(game: Game, guide: Any) -> str:
    """What the run would do, and what its policy thinks of the actions."""
    said = []
    actions = guide.solution(game.env)
    if actions:
        moves = f"{len(actions)} move{'s' if len(actions) > 1 else ''}"
        said.append(f"{game.names[actions[0]]} is the first of {moves} to the end ({guide.name})")
    likely = guide.likely(game.env)
    if likely:
        ranked = ", ".join(f"{game.names[action]} {p:.0%}" for p, action in likely[:6])
        said.append(f"the policy would go {ranked}")
    return "\n".join(said) or f"no solution was found ({guide.name})"


def _play_on(game: Game, guide: Any, keys: Keys, delay: float, most: int | None = None) -> None:
    """Moves of the run, each shown, until the end, a key, or a state that comes again."""
    seen: list[list[int]] = []
    while not game.over and len(seen) != most:
        action = guide.next(game.env)
        if action is None:
            _show(f"no solution was found ({guide.name})")
            return
        observation = list(game.env.observe())
        if observation in seen:
            _show("the run goes round in circles; stopped")
            return
        seen.append(observation)
        game.move(action)
        _show(f"the run goes {game.names[action]}")
        if game.over or len(seen) == most:
            return
        _show(f"{game.picture()}\nmoves: {game.num_moves}")
        if keys.pause(delay):
            _show("stopped")
            return


def _show(text: str) -> None:
    print(text, flush=True)


class _Lines:
    """Lines of the input, which need no terminal."""

    def read(self) -> str:
        line = sys.stdin.readline() if sys.stdin is not None else ""
        return line.strip() or "?" if line else ""

    def pause(self, seconds: float) -> bool:
        if sys.stdin is None or not sys.stdin.isatty():
            return False
        try:
            import select

            pressed = bool(select.select([sys.stdin], [], [], seconds)[0])
        except (ImportError, OSError, ValueError):
            # Windows selects among sockets only.
            time.sleep(seconds)
            return False
        return pressed and bool(sys.stdin.readline())


class _Characters:
    """Single keys of the terminal `descriptor`; an arrow comes as three bytes at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> str:
        import os

        return os.read(self._descriptor, 3).decode(errors="replace")

    def pause(self, seconds: float) -> bool:
        import select

        return bool(select.select([self._descriptor], [], [], seconds)[0] and self.read())


@contextmanager
def _keys(game: Game) -> Iterator[Keys]:
    """Reads single keys from a terminal, or lines where there is none or actions are words."""
    try:
        import termios
        import tty
    except ImportError:
        termios = None  # type: ignore[assignment]
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if termios is None or not is_terminal or not game.has_directions:
        yield _Lines()
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield _Characters(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
