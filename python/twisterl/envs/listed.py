"""The environments of the compiled package; written by scripts/generate.py."""

from twisterl.twisterl import env as _compiled

Puzzle = _compiled.Puzzle
LightsOut = _compiled.LightsOut
Cube2 = _compiled.Cube2
Permutation = _compiled.Permutation
LinearFunction = _compiled.LinearFunction
Clifford = _compiled.Clifford
PauliNetwork = _compiled.PauliNetwork
GridWorld = _compiled.GridWorld
TopSpin = _compiled.TopSpin
Pancake = _compiled.Pancake
CartPole = _compiled.CartPole
Pendulum = _compiled.Pendulum
MountainCarContinuous = _compiled.MountainCarContinuous
TMaze = _compiled.TMaze
Catch = _compiled.Catch
TwoWalkers = _compiled.TwoWalkers
CliffWalking = _compiled.CliffWalking

__all__ = [
    "CartPole",
    "Catch",
    "CliffWalking",
    "Clifford",
    "Cube2",
    "GridWorld",
    "LightsOut",
    "LinearFunction",
    "MountainCarContinuous",
    "Pancake",
    "PauliNetwork",
    "Pendulum",
    "Permutation",
    "Puzzle",
    "TMaze",
    "TopSpin",
    "TwoWalkers",
]
