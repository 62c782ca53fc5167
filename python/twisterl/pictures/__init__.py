"""Boards as pictures, and solutions as pictures that move: for notebooks, GIF, SVG and pages.

Every environment has one drawing, a list of shapes, which all outputs are made of.

>>> from twisterl.envs import LightsOut
>>> svg_of(LightsOut(width=2, height=2))[:4]
'<svg'
"""

from twisterl.pictures.boards import picture_of
from twisterl.pictures.replay import Replay
from twisterl.pictures.svg import svg_of

__all__ = ["Replay", "picture_of", "svg_of"]
