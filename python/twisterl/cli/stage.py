"""A game on the whole terminal: the board, the run's thoughts beside it, and one line to answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisterl.cli.painted import painted

if TYPE_CHECKING:
    from rich.text import Text

    from twisterl.cli.game import Game, Guide

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"
# Of the column beside the board, with room between.
_ASIDE, _GAP = 34, 4
_BAR = 14
_MOST_ACTIONS = 6
# What proves how far it is, on every board anew.
_PROOF_S = 0.15


class Stage:
    """Draws the game anew whenever something changes; the last word stays until the next key."""

    def __init__(self, game: Game, guide: Guide | None, keys_text: str) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, markup=False, soft_wrap=False)
        self._game, self._guide, self._keys = game, guide, keys_text
        self._said, self.typed = "", ""
        self._known: dict[tuple[Any, ...], str] = {}

    @contextmanager
    def on(self) -> Iterator[None]:
        """Inside, the terminal is the stage's; what it showed before comes back."""
        sys.stdout.write(_ENTER)
        before = signal.getsignal(signal.SIGWINCH)
        signal.signal(signal.SIGWINCH, lambda *_: self.draw())
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, before)
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()

    def say(self, text: str) -> None:
        # The keys are shown anyway.
        self._said = "" if text == self._keys else text
        self.draw()

    def board(self) -> None:
        self.draw()

    def step(self) -> None:
        self.draw()

    def heard(self) -> None:
        """A key was pressed: what was said is past."""
        self._said = ""

    def draw(self) -> None:
        from rich.text import Text

        # Asked anew each time: a window changes.
        width, height = os.get_terminal_size(sys.stdout.fileno())
        lines = self._lines(width, height)
        prompt = Text("> ", "bright_black").append(self.typed, "bold")
        prompt.append("   Enter plays it" if self.typed else "", "bright_black")
        with self._console.capture() as captured:
            for line in [*lines[: height - 1], prompt]:
                line.truncate(width)
                self._console.print(line, width=width, no_wrap=True, crop=True)
        # Each over what stood there, so that nothing flickers.
        drawn = captured.get().rstrip("\n").replace("\n", "\x1b[K\n")
        sys.stdout.write(f"\x1b[H{drawn}\x1b[K\x1b[J")
        sys.stdout.flush()

    def _lines(self, width: int, height: int) -> list[Text]:
        from rich.text import Text

        is_wide = width >= _ASIDE + _GAP + 18
        room = width - _ASIDE - _GAP if is_wide else width
        foot = self._foot(width)
        aside = self._aside()
        # Below a board on a narrow terminal there is what is beside it on a wide one.
        high = height - len(foot) - 3 - (0 if is_wide else len(aside) + 1)
        shown = self._board(room, max(1, high))
        shown.rstrip()
        board = list(shown.split("\n"))
        most = max(line.cell_len for line in board)
        if not is_wide or most + 2 + _GAP + max(line.cell_len for line in aside) > width:
            return [*board, Text(), *aside, Text(), *foot]
        rows = max(len(board), len(aside))
        found = [Text()]
        for number in range(rows):
            line = Text("  ").append_text(board[number] if number < len(board) else Text())
            line.pad_right(max(0, most + 2 + _GAP - line.cell_len))
            found.append(line.append_text(aside[number] if number < len(aside) else Text()))
        return [*found, Text(), *foot]

    def _board(self, width: int, height: int) -> Text:
        from rich.text import Text

        if self._console.color_system and not self._console.no_color:
            return painted(self._game.env, width, height)
        # Colours alone would tell nothing.
        return Text(self._game.picture(), no_wrap=True)

    def _aside(self) -> list[Text]:
        from rich.text import Text

        game = self._game
        lines = [Text(f"moves: {game.num_moves}", "bold")]
        if game.solved:
            lines.append(Text("solved!", "bold green"))
        elif game.over:
            lines.append(Text("the episode is over", "bold red"))
        else:
            lines.append(Text(self._distance(), "bright_black"))
        if self._guide is not None and not game.over:
            lines += [Text(), Text(f"the run ({self._guide.name})", "bold")]
            likely = self._guide.likely(game.env)
            longest = max((len(game.names[action]) for _, action in likely), default=0)
            for share, action in likely[:_MOST_ACTIONS]:
                line = Text(f"{game.names[action]:<{longest}} ")
                filled = round(share * _BAR)
                line.append("━" * filled, "cyan").append("─" * (_BAR - filled), "bright_black")
                lines.append(line.append(f" {share:4.0%}"))
            if not likely:
                lines.append(Text("has no opinion of actions", "bright_black"))
        return lines

    def _distance(self) -> str:
        """How far the end is, as far as the core can prove it at once."""
        from twisterl.twisterl import collector

        env = self._game.env
        try:
            state = env.get_state()
        except (AttributeError, ValueError):
            return ""
        key = tuple(state)
        if key not in self._known:
            try:
                found, at_least = collector.solve_optimal(env, state, time_limit_s=_PROOF_S)
                proven = f"{len(found or [])} from the end, proven"
                self._known[key] = (
                    proven if found is not None else f"at least {at_least} to the end"
                )
            except (TypeError, ValueError):
                self._known[key] = ""
        return self._known[key]

    def _foot(self, width: int) -> list[Text]:
        from rich.text import Text

        said = [Text(line, "yellow") for line in self._said.splitlines()]
        found = []
        for line in [*said, *(Text(line, "bright_black") for line in self._keys.splitlines())]:
            found += list(line.wrap(self._console, width))
        return found


class StageKeys:
    """Keys of the terminal `descriptor` for a stage; words are typed, and end with Enter."""

    def __init__(self, descriptor: int, stage: Stage, game: Game, commands: str) -> None:
        self._descriptor, self._stage, self._game = descriptor, stage, game
        self._commands = commands

    def read(self) -> str:
        """A key where it says all, else a word; empty at the end of the input."""
        stage = self._stage
        while True:
            key = os.read(self._descriptor, 16).decode(errors="replace")
            if key in ("", "\x03", "\x04"):
                return ""
            stage.heard()
            if key.startswith("\x1b") or self._says_all(key):
                stage.typed = ""
                return key
            for letter in key:
                if letter in "\r\n":
                    word, stage.typed = stage.typed, ""
                    return self._completed(word.strip()) or "?"
                stage.typed = stage.typed[:-1] if letter in "\x7f\b" else stage.typed + letter
            stage.draw()

    def _says_all(self, key: str) -> bool:
        if self._stage.typed or len(key) != 1 or key in "\r\n":
            return False
        if self._game.has_directions:
            return True
        begins = [name for name in self._game.names if name.startswith(key)]
        return begins == [key] or (not begins and key in self._commands)

    def _completed(self, word: str) -> str:
        """The one action that begins so, or the word itself."""
        begins = [name for name in self._game.names if word and name.startswith(word)]
        return begins[0] if len(begins) == 1 else word

    def pause(self, seconds: float) -> bool:
        import select

        pressed = bool(select.select([self._descriptor], [], [], seconds)[0])
        if pressed:
            os.read(self._descriptor, 16)
            self._stage.heard()
        return pressed
