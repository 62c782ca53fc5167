"""The environments of the compiled package; written by scripts/generate.py."""

from twisterl.twisterl import env as _compiled

Puzzle = _compiled.Puzzle
LightsOut = _compiled.LightsOut
Cube2 = _compiled.Cube2
Permutation = _compiled.Permutation
LinearFunction = _compiled.LinearFunction
Clifford = _compiled.Clifford
GridWorld = _compiled.GridWorld
TopSpin = _compiled.TopSpin
Pancake = _compiled.Pancake

__all__ = [
    "Clifford",
    "Cube2",
    "GridWorld",
    "LightsOut",
    "LinearFunction",
    "Pancake",
    "Permutation",
    "Puzzle",
    "TopSpin",
]
