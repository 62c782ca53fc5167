"""Pictures as an animated GIF."""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from twisterl.on_demand import optional
from twisterl.pictures.shapes import ADVANCE, Picture, Shape, between

# Where it is sent and shown nothing larger is welcome.
MOST_BYTES = 300_000
# Pictures of one move: as many as fit.
_PER_MOVE = (4, 2, 1)
_COLOURS = 96
# Edges are smooth since all is drawn larger.
_FINER = 3
# Outside of the card, which has round corners; GIF knows no shades of transparency.
_GROUND = "#ffffff"


def require() -> None:
    """Raises `MissingPackage` where no GIF can be drawn."""
    # Pillow comes with it, and so do the letters.
    optional("matplotlib", "a GIF")
    optional("PIL", "a GIF")


def encode(pictures: Sequence[Picture], first_s: float, move_s: float, rest_s: float,
           last_s: float) -> bytes:  # fmt: skip
    """All `pictures`, over and over, each on its way from the one before.

    Args:
        first_s, last_s: how long the first and the last one stay, in seconds.
        move_s, rest_s: how long each move takes, and how long its result stays.
    """
    content = b""
    for count in _PER_MOVE:
        frames = [(pictures[0], first_s)]
        for before, after in itertools.pairwise(pictures):
            for step in range(1, count):
                share = step / count
                eased = share * share * (3 - 2 * share)
                frames.append((between(before, after, eased), move_s / count))
            frames.append((after, move_s / count + rest_s))
        frames[-1] = (frames[-1][0], last_s)
        content = _encoded(frames)
        if len(content) <= MOST_BYTES:
            break
    return content


def _encoded(frames: Sequence[tuple[Picture, float]]) -> bytes:
    from PIL import Image

    size = (max(f.width for f, _ in frames), max(f.height for f, _ in frames))
    # Colours of the first and the last picture and of one in between; moves mix few others.
    samples = [frames[place][0] for place in (0, len(frames) // 2, len(frames) - 1)]
    palette = _palette([draw(sample, size) for sample in samples])

    def images() -> Iterator[Any]:
        for picture, _ in frames:
            yield draw(picture, size).quantize(palette=palette, dither=Image.Dither.NONE)

    first, *others = images()
    target = io.BytesIO()
    first.save(
        target,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=[max(20, round(100 * seconds) * 10) for _, seconds in frames],
        loop=0,
        optimize=True,
    )
    return target.getvalue()


def _palette(images: list[Any]) -> Any:
    from PIL import Image

    width, height = images[0].size
    joined = Image.new("RGB", (width, height * len(images)))
    for row, image in enumerate(images):
        joined.paste(image, (0, row * height))
    return joined.quantize(_COLOURS, dither=Image.Dither.NONE)


def draw(picture: Picture, size: tuple[float, float] | None = None) -> Any:
    """The picture as an image of Pillow, of `size` in pixels."""
    require()
    from PIL import Image, ImageDraw

    width, height = (round(side) for side in size or (picture.width, picture.height))
    image = Image.new("RGB", (_FINER * width, _FINER * height), _GROUND)
    pen = ImageDraw.Draw(image)
    for shape in picture.shapes:
        _draw(pen, shape)
    return image.reduce(_FINER)


def _draw(pen: Any, shape: Shape) -> None:
    x, y = _FINER * shape.x, _FINER * shape.y
    if shape.points:
        pen.polygon([(x + _FINER * u, y + _FINER * v) for u, v in shape.points], fill=shape.fill)
    elif shape.width:
        right, down = _FINER * shape.width / 2, _FINER * shape.height / 2
        box = (x - right, y - down, x + right - 1, y + down - 1)
        pen.rounded_rectangle(box, _FINER * shape.radius, fill=shape.fill)
    if not shape.label:
        return
    size = _FINER * shape.size
    font = _font(round(size), shape.mono)
    baseline = y + 0.36 * size
    if shape.mono:
        # In columns, also where the font has another width.
        for place, letter in enumerate(shape.label):
            pen.text((x + place * ADVANCE * size, baseline), letter, shape.ink, font, "ls")
    else:
        anchor = {"middle": "ms", "start": "ls", "end": "rs"}[shape.align]
        pen.text((x, baseline), shape.label, shape.ink, font, anchor)


@functools.cache
def _font(size: int, mono: bool) -> Any:
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSansMono.ttf" if mono else "DejaVuSans-Bold.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(str(path), max(1, size))
