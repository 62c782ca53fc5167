"""`twisterl play`."""

from __future__ import annotations

import argparse
import os
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
  twisterl play --width 5 --height 5 --strategy patterns
      hints without a run: by a beam that pattern databases lead, or by --strategy optimal
  twisterl play --env PyEnv pyenv_cls=own_module.Own size=5
      an environment of your own; of a crate: --env package.Class

In a terminal the board takes all of it, in colour (NO_COLOR=1: without), beside it what the run
would do and how far the end is, where that can be proven.

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
    add("--strategy", metavar="NAME",
        help="without RUN_DIR: who is asked, patterns or optimal")  # fmt: skip
    add("--width", type=int, metavar="W", help="the same as width=W")
    add("--height", type=int, metavar="H", help="the same as height=H")
    add("--difficulty", type=int, metavar="D",
        help="of starts that cannot be drawn from all states")  # fmt: skip
    add("--seed", type=int, metavar="S", help="of the starts; equal seeds give equal starts")
    add("--delay", type=float, default=0.3, metavar="S", help="of 'p', seconds a move")
    add("--plain", action="store_true", help="boards below each other, not on the whole terminal")


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
            env = player.named_env(arguments.env or "Puzzle", words)
            if arguments.strategy is not None:
                guide = Guide(None, arguments.strategy)
        elif words or arguments.env or arguments.strategy:
            got = arguments.env or arguments.strategy or " ".join(words)
            problem = f"comes with its environment and strategy; got {got} beside it"
            raise ConfigError([Fault("RUN_DIR", problem)], "command line")
        else:
            loaded = player.load(arguments)
            env, guide = loaded.env, Guide(loaded)
        if arguments.difficulty is not None:
            env.difficulty = arguments.difficulty
        game = Game(env, arguments.seed)
        with _played_on(game, guide, arguments.plain) as (keys, view):
            play(game, guide, keys, arguments.delay, view)
    return 0


class Keys(Protocol):
    """Where answers come from."""

    def read(self) -> str:
        """The next key or line; empty at the end of the input."""

    def pause(self, seconds: float) -> bool:
        """Waits; True as soon as a key is pressed, which is not read again."""


class View(Protocol):
    """Where the game is shown; `step` shows the board on the way, `board` where it stays."""

    def say(self, text: str) -> None: ...
    def step(self) -> None: ...
    def board(self) -> None: ...


def play(game: Game, guide: Guide | None, keys: Keys, delay: float, view: View) -> None:
    """The game until 'q', the end of the input, or Ctrl-C."""
    help_text = _help(game)
    view.say(help_text)
    while True:
        view.board()
        key = keys.read()
        if key in ("", "q", "\x03", "\x04"):
            return
        action = game.action(key)
        if action is not None:
            if not game.move(action) and not game.over:
                view.say(f"{game.names[action]} is impossible here")
        elif key == "u":
            if not game.undo():
                view.say("nothing to undo")
        elif key == "n":
            game.new()
        elif key in ("h", "m", "p") and guide is None:
            view.say("no run to ask: twisterl play RUN_DIR, or --strategy patterns")
        elif key in ("h", "m", "p") and game.over:
            continue
        elif key == "h":
            view.say(_hint(game, guide))
        elif key == "m":
            _play_on(game, guide, keys, delay, view, most=1)
        elif key == "p":
            _play_on(game, guide, keys, delay, view)
        else:
            view.say(help_text)


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


def _play_on(
    game: Game, guide: Any, keys: Keys, delay: float, view: View, most: int | None = None
) -> None:
    """Moves of the run, each shown, until the end, a key, or a state that comes again."""
    seen: list[list[int]] = []
    while not game.over and len(seen) != most:
        action = guide.next(game.env)
        if action is None:
            view.say(f"no solution was found ({guide.name})")
            return
        observation = list(game.env.observe())
        if observation in seen:
            view.say("the run goes round in circles; stopped")
            return
        seen.append(observation)
        game.move(action)
        view.say(f"the run goes {game.names[action]}")
        if game.over or len(seen) == most:
            return
        view.step()
        if keys.pause(delay):
            view.say("stopped")
            return


def _help(game: Game) -> str:
    listed = "w a s d or arrows" if game.has_directions else f"actions: {' '.join(game.names)}"
    return f"{listed}; {_COMMANDS}"


class _Printed:
    """Below each other, for whatever reads lines."""

    def __init__(self, game: Game) -> None:
        self._game = game

    def say(self, text: str) -> None:
        print(text, flush=True)

    def step(self) -> None:
        self.say(f"{self._game.picture()}\nmoves: {self._game.num_moves}")

    def board(self) -> None:
        self.step()
        if self._game.solved:
            self.say("solved! u undo, n new, q quit")
        elif self._game.over:
            self.say("the episode is over; u undo, n new, q quit")


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
        return os.read(self._descriptor, 3).decode(errors="replace")

    def pause(self, seconds: float) -> bool:
        import select

        return bool(select.select([self._descriptor], [], [], seconds)[0] and self.read())


@contextmanager
def _played_on(game: Game, guide: Guide | None, is_plain: bool) -> Iterator[tuple[Keys, View]]:
    """Keys and view: the whole terminal, or lines where there is none or they are asked for."""
    try:
        import termios
        import tty
    except ImportError:
        termios = None  # type: ignore[assignment]
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    has_keys = termios is not None and is_terminal
    if not has_keys or (is_plain and not game.has_directions):
        yield _Lines(), _Printed(game)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        if is_plain or not _has_stage():
            yield _Characters(descriptor), _Printed(game)
            return
        from twisterl.cli.stage import Stage, StageKeys

        stage = Stage(game, guide, _help(game))
        with stage.on():
            yield StageKeys(descriptor, stage, game, "hmpunq?"), stage
        # What stays of it in the terminal.
        _Printed(game).board()
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _has_stage() -> bool:
    """Whether the output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")
