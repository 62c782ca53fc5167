"""`twisterl play`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisterl.faults import ConfigError, Fault

DESCRIPTION = "Play an environment in the terminal, with hints from a trained policy."
EPILOG = """\
examples:
  twisterl play                                  the 3 x 3 sliding puzzle, no hints
  twisterl play --width 4 --height 4 --seed 7
  twisterl play runs/ppo_puzzle8_v1              'h' asks the policy, 'p' lets it play
  twisterl play --env LightsOut width=4 height=4
  twisterl play --env Cube2

keys: arrows or w a s d move where actions are directions; elsewhere type the name of an action, or
its number, and Enter. h hint, p let the policy play on, u undo, n new, q quit. Without a terminal,
one line of input each."""

_ARROWS = {"\x1b[D": "a", "\x1b[A": "w", "\x1b[C": "d", "\x1b[B": "s"}
_DIRECTIONS = {"a": "left", "w": "up", "d": "right", "s": "down"}
_COMMANDS = "h hint, p let the policy play, u undo, n new, q quit"


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.commands import player

    player.add_options(parser, required=False)
    add = parser.add_argument
    add("words", metavar="KEY=VALUE", nargs="*", help="without RUN_DIR: arguments of --env")
    add("--env", metavar="NAME", help="without RUN_DIR: an environment (default: Puzzle)")
    add("--width", type=int, metavar="W", help="the same as width=W")
    add("--height", type=int, metavar="H", help="the same as height=H")
    add("--seed", type=int, metavar="S", help="of the starts; equal seeds give equal starts")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.commands import player
    from twisterl.signals import interruptible

    words = list(arguments.words)
    if arguments.run is not None and "=" in arguments.run:
        words.insert(0, arguments.run)
        arguments.run = None
    for side in ("width", "height"):
        if getattr(arguments, side) is not None:
            words.append(f"{side}={getattr(arguments, side)}")
    with interruptible():
        if arguments.run is None:
            game = Game(_env(arguments.env or "Puzzle", words), None, arguments.seed)
        elif words or arguments.env:
            got = arguments.env or " ".join(words)
            problem = f"comes with its environment; got {got} beside it"
            raise ConfigError([Fault("RUN_DIR", problem)], "command line")
        else:
            loaded = player.load(arguments)
            game = Game(loaded.env, loaded.policy, arguments.seed)
        with _keys(game) as read:
            play(game, read)
    return 0


def _env(name: str, words: list[str]) -> Any:
    from twisterl.build import load_env
    from twisterl.overrides import apply_overrides, parse_overrides
    from twisterl.trust import may_import
    from twisterl.validation import resolve_run

    config = {"env_cls": name, "policy_cls": "BasicPolicy", "algorithm_cls": "PPO"}
    pairs = parse_overrides([f"env.{word}" for word in words])
    resolved = resolve_run(apply_overrides(config, pairs), "command line")
    return load_env(resolved, trust=may_import(resolved, trust=True) is not None)


class Game:
    """An environment, the states so far, and who may be asked for the next action."""

    def __init__(self, env: Any, policy: Any | None, seed: int | None) -> None:
        self.env, self.policy, self._seed = env, policy, seed
        self.new()
        self.names: list[str] = env.action_names()

    def new(self) -> None:
        try:
            self.env.set_state(self.env.random_state(self._seed))
        except (AttributeError, ValueError) as error:
            problem = f"{type(self.env).__name__} cannot be played: {error}"
            raise ConfigError([Fault("env_cls", problem)], "play") from error
        self.history: list[list[int]] = []
        if self._seed is not None:
            self._seed += 1

    @property
    def has_directions(self) -> bool:
        return sorted(self.names) == sorted(_DIRECTIONS.values())

    @property
    def solved(self) -> bool:
        return self.env.success()

    def action(self, text: str) -> int | None:
        """The action that `text` names, None if it names none."""
        text = _ARROWS.get(text, text)
        if self.has_directions:
            text = _DIRECTIONS.get(text.lower(), text)
        if text in self.names:
            return self.names.index(text)
        number = int(text) if text.isascii() and text.isdigit() else -1
        return number if 0 <= number < len(self.names) else None

    def move(self, action: int) -> bool:
        """False if the action is impossible."""
        if not self.env.masks()[action]:
            return False
        self.history.append(self.env.get_state())
        self.env.step(action)
        return True

    def undo(self) -> bool:
        if not self.history:
            return False
        self.env.set_state(self.history.pop())
        return True

    def hint(self) -> list[tuple[float, int]]:
        """(probability, action) of the legal actions, the most likely first."""
        assert self.policy is not None
        masks = self.env.masks()
        probabilities, _ = self.policy.predict(self.env.observe(), masks)
        pairs = [(float(p), action) for action, p in enumerate(probabilities) if masks[action]]
        return sorted(pairs, reverse=True)


def play(game: Game, read: Callable[[], str], write: Callable[[str], None] | None = None) -> None:
    """The game until 'q', the end of the input, or Ctrl-C; `read` gives one answer at a time."""
    names = game.names

    def show(text: str) -> None:
        (write or _print)(text)

    listed = "w a s d or arrows move" if game.has_directions else f"actions: {' '.join(names)}"
    help_text = f"{listed}; {_COMMANDS}"
    show(help_text)
    while True:
        show(f"{game.env}moves: {len(game.history)}")
        if game.solved:
            show("solved! n new, q quit")
        key = read()
        if key in ("", "q", "\x03", "\x04"):
            return
        action = game.action(key)
        if action is not None:
            if not game.move(action):
                show(f"{names[action]} is impossible here")
        elif key == "u":
            if not game.undo():
                show("nothing to undo")
        elif key == "n":
            game.new()
        elif key in ("h", "p") and game.policy is None:
            show("no policy to ask: twisterl play RUN_DIR")
        elif key == "h":
            ranked = ", ".join(f"{names[action]} {p:.0%}" for p, action in game.hint()[:6])
            show(f"the policy would go {ranked}")
        elif key == "p" and not game.solved:
            _, action = game.hint()[0]
            show(f"the policy goes {names[action]}")
            game.move(action)
        else:
            show(help_text)


def _print(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _keys(game: Game) -> Iterator[Callable[[], str]]:
    """Reads single keys from a terminal, or lines where there is none or actions are words."""
    try:
        import termios
        import tty
    except ImportError:
        termios = None  # type: ignore[assignment]
    if termios is None or not sys.stdin.isatty() or not game.has_directions:
        yield lambda: (sys.stdin.readline() or "q").strip() or "?"
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
