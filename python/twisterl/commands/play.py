"""`twisterl play`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

DESCRIPTION = "Play the sliding puzzle in the terminal, with hints from a trained policy."
EPILOG = """\
examples:
  twisterl play                                  3 x 3, no hints
  twisterl play --width 4 --height 4 --seed 7
  twisterl play runs/ppo_puzzle8_v1              'h' asks the policy, 'p' lets it play

keys: arrows or w a s d move the blank; h hint, p let the policy
play on, u undo, n new board, q quit. Without a terminal, one key per line of input."""

_ARROWS = {"\x1b[D": "a", "\x1b[A": "w", "\x1b[C": "d", "\x1b[B": "s"}
_KEYS = {"a": 0, "w": 1, "d": 2, "s": 3}
_HELP = "w a s d or arrows move the blank, h hint, p let the policy play, u undo, n new, q quit"


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.commands import player

    player.add_options(parser, required=False)
    add = parser.add_argument
    add("--width", type=int, default=3, metavar="W", help="without RUN_DIR (default: 3)")
    add("--height", type=int, default=3, metavar="H", help="without RUN_DIR (default: 3)")
    add("--seed", type=int, metavar="S", help="of the boards; equal seeds give equal boards")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.commands import player
    from twisterl.faults import ConfigError, Fault
    from twisterl.signals import interruptible

    with interruptible():
        if arguments.run is not None:
            loaded = player.load(arguments)
            if loaded.puzzle_size is None:
                problem = f"{loaded.config['env_cls']} is no sliding puzzle; eval and solve know it"
                raise ConfigError([Fault("env_cls", problem)], arguments.run)
            game = Game(loaded.env, loaded.puzzle_size, loaded.policy, arguments.seed)
        else:
            game = Game(*_board(arguments), None, arguments.seed)
        with _keys() as read:
            play(game, read)
    return 0


def _board(arguments: argparse.Namespace) -> tuple[Any, tuple[int, int]]:
    from twisterl.config import PuzzleArguments
    from twisterl.envs import Puzzle
    from twisterl.validation import check_section

    sides = {"width": arguments.width, "height": arguments.height}
    check_section(PuzzleArguments, sides, "--", "command line")
    env = Puzzle(**sides, difficulty=1, depth_slope=1, max_depth=1_000_000)
    return env, (arguments.width, arguments.height)


class Game:
    """A board, the moves so far, and who may be asked for the next one."""

    def __init__(
        self, env: Any, size: tuple[int, int], policy: Any | None, seed: int | None
    ) -> None:
        self.env, self.size, self.policy, self._seed = env, size, policy, seed
        self.new()

    def new(self) -> None:
        state = self.env.random_state(self._seed)
        self.env.set_state(state)
        self.history: list[list[int]] = []
        if self._seed is not None:
            self._seed += 1

    @property
    def state(self) -> list[int]:
        return list(self.env.get_state())

    @property
    def solved(self) -> bool:
        return self.env.solved()

    def move(self, action: int) -> bool:
        """False if the blank cannot go there."""
        if not self.env.masks()[action]:
            return False
        self.history.append(self.state)
        self.env.step(action)
        return True

    def undo(self) -> bool:
        if not self.history:
            return False
        self.env.set_state(self.history.pop())
        return True

    def hint(self) -> list[tuple[float, int]]:
        """(probability, action) of the legal moves, the most likely first."""
        assert self.policy is not None
        masks = self.env.masks()
        probabilities, _ = self.policy.predict(self.env.observe(), masks)
        pairs = [(float(p), action) for action, p in enumerate(probabilities) if masks[action]]
        return sorted(pairs, reverse=True)


def play(game: Game, read: Callable[[], str], write: Callable[[str], None] | None = None) -> None:
    """The game until 'q', the end of the input, or Ctrl-C; `read` gives one key at a time."""
    from twisterl.board import MOVES, draw

    def show(text: str) -> None:
        (write or _print)(text)

    show(_HELP)
    while True:
        show(f"{draw(game.state, game.size[0])}\nmoves: {len(game.history)}")
        if game.solved:
            show("solved! n new board, q quit")
        key = read()
        if key in ("", "q", "\x03", "\x04"):
            return
        key = _ARROWS.get(key, key.lower())
        if key in _KEYS:
            if not game.move(_KEYS[key]):
                show(f"the blank cannot go {MOVES[_KEYS[key]]}")
        elif key == "u":
            if not game.undo():
                show("nothing to undo")
        elif key == "n":
            game.new()
        elif key in ("h", "p") and game.policy is None:
            show("no policy to ask: twisterl play RUN_DIR")
        elif key == "h":
            ranked = ", ".join(f"{MOVES[action]} {p:.0%}" for p, action in game.hint())
            show(f"the policy would go {ranked}")
        elif key == "p" and not game.solved:
            _, action = game.hint()[0]
            show(f"the policy goes {MOVES[action]}")
            game.move(action)
        else:
            show(_HELP)


def _print(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Reads single keys from a terminal, or lines where there is none."""
    try:
        import termios
        import tty
    except ImportError:
        termios = None  # type: ignore[assignment]
    if termios is None or not sys.stdin.isatty():
        yield lambda: (sys.stdin.readline() or "q").strip()[:1] or "?"
        return
    import os

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        # An arrow comes as three bytes at once.
        yield lambda: os.read(descriptor, 3).decode(errors="replace")
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
