"""The 2x2x2 cube in plain Python, written from specs/envs/cube2.json.

Every sticker is a point with a normal, and turning a face rotates vectors; cubies and
orientations are read off the stickers.
"""

from __future__ import annotations

from itertools import product

from rng import Rng
from task import Cases, Task

Vector = tuple[int, int, int]

# Corners by number: bit 0, 1, 2 is set for the negative side of x, y, z.
CORNERS: list[Vector] = [(x, y, z) for z, y, x in product((1, -1), repeat=3)]
FACES = {"U": 1, "R": 0, "F": 2}


def turned(vector: Vector, axis: int) -> Vector:
    """`vector` after a clockwise quarter turn, seen from the positive side of `axis`."""
    x, y, z = vector
    return [(x, z, -y), (-z, y, x), (y, -x, z)][axis]


def normal(corner: Vector, axis: int) -> Vector:
    vector = [0, 0, 0]
    vector[axis] = corner[axis]
    return tuple(vector)  # type: ignore[return-value]


def clockwise(corner: Vector) -> list[Vector]:
    """The normals of a corner, clockwise for who looks at it from outside, from its y side on."""
    x, y, z = (normal(corner, axis) for axis in range(3))
    # Seen from (1, 1, 1), x, y, z are counterclockwise; every mirror turns that around.
    return [y, x, z] if corner[0] * corner[1] * corner[2] > 0 else [y, z, x]


class Cube2(Task):
    def __init__(self, metric: str, **episode: int) -> None:
        super().__init__(**episode)
        turns = {"quarter": [1, 3], "half": [1, 2, 3]}[metric]
        self.actions = [(face, count) for face in FACES for count in turns]
        self.goal(Rng(0))

    def action_names(self) -> list[str]:
        return [face + ["", "2", "'"][count - 1] for face, count in self.actions]

    def obs_shape(self) -> list[int]:
        return [7, 21]

    def goal(self, rng: Rng) -> None:
        self.state = [*range(7), *[0] * 7]

    def uniform(self, rng: Rng) -> None:
        cubies = rng.shuffle(7)
        orientations = [rng.below(3) for _ in range(6)]
        self.state = [*cubies, *orientations, -sum(orientations) % 3]

    def act(self, action: int) -> None:
        face, count = self.actions[action]
        axis = FACES[face]
        cubies, orientations = self.state[:7], self.state[7:]
        # Where the sticker of each cubie's y side is, and which way it looks.
        stickers = {}
        for position, (cubie, orientation) in enumerate(zip(cubies, orientations, strict=True)):
            around = clockwise(CORNERS[position])
            stickers[cubie] = (CORNERS[position], around[orientation])
        for _ in range(count):
            for cubie, (place, side) in stickers.items():
                if place[axis] > 0:
                    stickers[cubie] = (turned(place, axis), turned(side, axis))
        for cubie, (place, side) in stickers.items():
            position = CORNERS.index(place)
            self.state[position] = cubie
            self.state[7 + position] = clockwise(place).index(side)

    def solved(self) -> bool:
        return self.state == [*range(7), *[0] * 7]

    def observe(self) -> list[int]:
        return [21 * p + 3 * self.state[p] + self.state[7 + p] for p in range(7)]


CASES = Cases(
    Cube2,
    [{"metric": "quarter"}, {"metric": "half"}],
    [({"metric": "quarter"}, 6), ({"metric": "half"}, 4)],
)
