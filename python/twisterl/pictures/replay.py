"""A solution as pictures."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisterl.pictures import gif, page, svg
from twisterl.pictures.boards import MARGIN, picture_of
from twisterl.pictures.shapes import ACCENT, CARD, FAINT, SUNKEN, TEXT, Picture, Shape, disc

_FIRST_S, _LAST_S = 1.0, 2.5
# Of the time of a move; then the board stands still.
_MOVING = 0.6
_LEAST_DELAY_S = 0.05
_LEAST_WIDTH = 200.0
_CAPTION = 44.0


class Replay:
    """The board before the first of `actions` and after each: shown by a notebook, or saved.

    Args:
        env: in the state that the actions begin in; it is copied, if it can be.
        actions: integers.
        delay: seconds a move.

    Raises:
        ValueError: an action is none of the environment.

    >>> from twisterl.envs import Puzzle
    >>> env = Puzzle(2, 2, difficulty=1, depth_slope=2, max_depth=32)
    >>> env.set_state([1, 0, 2, 3])
    >>> replay = Replay(env, [0])
    >>> len(replay.pictures), replay.names
    (2, ['left'])
    """

    def __init__(self, env: Any, actions: Sequence[int], delay: float = 0.3) -> None:
        env = env.copy() if hasattr(env, "copy") else env
        known = getattr(env, "action_names", None)
        labels = known() if known else [str(action) for action in range(env.num_actions())]
        self.delay = max(_LEAST_DELAY_S, delay)
        self.pictures = [picture_of(env)]
        self.names: list[str] = []
        for action in actions:
            env.step(action)
            self.names.append(labels[action])
            self.pictures.append(picture_of(env))

    def gif(self) -> bytes:
        """An animated GIF; `MissingPackage` where Pillow or matplotlib is missing."""
        moving = _MOVING * self.delay
        return gif.encode(self._captioned(), _FIRST_S, moving, self.delay - moving, _LAST_S)

    def svg(self) -> str:
        """One SVG that moves, without a script."""
        begins = [_FIRST_S + move * self.delay for move in range(len(self.names))]
        spans = [(begin, begin + _MOVING * self.delay) for begin in begins]
        end = _FIRST_S + len(self.names) * self.delay + _LAST_S
        return svg.animated(self._captioned(), spans, end, self.title)

    def html(self, heading: str = "Solution", facts: Sequence[str] = ()) -> str:
        """A page of every step, which asks for nothing from a network and runs no script."""
        steps = [("start", svg.still(self.pictures[0], "start"))]
        for number, (name, picture) in enumerate(zip(self.names, self.pictures[1:], strict=True)):
            steps.append((name, svg.still(picture, f"after move {number + 1}, {name}")))
        return page.page(heading, [self.title, *facts], self._image(), steps)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a `.gif`, `.svg` or `.html`, as the name says; ValueError for another name."""
        makers: dict[str, Callable[[], bytes | str]] = {
            ".gif": self.gif,
            ".svg": self.svg,
            ".html": self.html,
        }
        maker = makers.get(Path(path).suffix.lower())
        if maker is None:
            raise ValueError(f"path: expected a name in {', '.join(makers)}; got {str(path)!r}")
        from twisterl.runs.files import write_atomic

        content: bytes | str = maker()
        write_atomic(Path(path), content if isinstance(content, bytes) else content.encode())

    @property
    def title(self) -> str:
        count = len(self.names)
        return f"{count} move{'' if count == 1 else 's'}"

    def _repr_html_(self) -> str:
        return self._image()

    def _image(self) -> str:
        # Apart from the document, whose other images have styles of the same names.
        content = base64.b64encode(self.svg().encode()).decode()
        picture = self._captioned()[0]
        return (
            f'<img alt="the board after each of {self.title}" width="{picture.width:.0f}" '
            f'height="{picture.height:.0f}" src="data:image/svg+xml;base64,{content}">'
        )

    def _captioned(self) -> list[Picture]:
        """The pictures with what was played and how far that is, all of one size."""
        width = max(_LEAST_WIDTH, *(picture.width for picture in self.pictures))
        height = max(picture.height for picture in self.pictures)
        return [self._with_caption(place, width, height) for place in range(len(self.pictures))]

    def _with_caption(self, place: int, width: float, height: float) -> Picture:
        picture, count = self.pictures[place], len(self.names)
        card, *board = picture.shapes
        whole = height + _CAPTION
        aside = (width - picture.width) / 2
        left, right, y = MARGIN, width - MARGIN, height + 6
        share = place / count if count else 1.0
        name = self.names[place - 1] if place else "start"
        knob_x = left + 7 + share * (right - left - 14)
        shapes = [
            replace(card, x=width / 2, y=whole / 2, width=width, height=whole),
            *(replace(shape, x=shape.x + aside) for shape in board),
            Shape("played", left, y, label=name, size=14, ink=TEXT, align="start"),
            Shape("number", right, y, label=f"{place} / {count}", size=13, ink=FAINT, align="end"),
            Shape("track", width / 2, y + 20, right - left, 4.0, 2.0, fill=SUNKEN),
            disc("knob", knob_x, y + 20, 7, ACCENT),
            disc("eye", knob_x, y + 20, 2.5, CARD),
        ]
        return Picture(width, whole, tuple(shapes))
