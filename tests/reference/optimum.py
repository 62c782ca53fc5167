"""The exact optimum of every 8-puzzle board, by breadth-first search.

    python tests/reference/optimum.py            writes tests/fixtures/puzzle8_optimum.xz
    python tests/reference/optimum.py --check    exits with 1 when the file differs

The file is xz of 181,440 bytes: byte `i` is the number of moves from board `i` to the solved
board (tile `t` at cell `t`, blank 0 in the corner). Boards stand in the order of the blank's cell,
then in lexicographic order of the eight tiles. Of two boards that differ by a swap of their last
two tiles exactly one is solvable, so the second part is half the tiles' rank, rounded down.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from math import factorial
from pathlib import Path

import numpy as np
import numpy.typing as npt

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "puzzle8_optimum.xz"
SIDE = 3
CELLS = SIDE * SIDE
NUM_BOARDS = factorial(CELLS) // 2


def main() -> int:
    lengths = search()
    if "--check" in sys.argv:
        if FIXTURE.exists() and np.array_equal(load(), lengths):
            return 0
        print(f"{FIXTURE.name}: differs from the reference")
        return 1
    FIXTURE.write_bytes(lzma.compress(lengths.tobytes(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{FIXTURE.name}: written, {FIXTURE.stat().st_size} bytes")
    return 0


def search() -> npt.NDArray[np.uint8]:
    """Optimal lengths `[181440]` by breadth-first search from the solved board."""
    neighbours = [list(adjacent(cell)) for cell in range(CELLS)]
    solved = tuple(range(CELLS))
    length = {solved: 0}
    frontier = [solved]
    for distance in range(1, NUM_BOARDS):
        after = []
        for board in frontier:
            blank = board.index(0)
            for cell in neighbours[blank]:
                tiles = list(board)
                tiles[blank], tiles[cell] = tiles[cell], 0
                moved = tuple(tiles)
                if moved not in length:
                    length[moved] = distance
                    after.append(moved)
        if not after:
            break
        frontier = after
    lengths = np.zeros(NUM_BOARDS, np.uint8)
    lengths[rank(list(length))] = list(length.values())
    return lengths


def adjacent(cell: int) -> Iterable[int]:
    row, column = divmod(cell, SIDE)
    for other_row, other_column in [
        (row, column - 1),
        (row - 1, column),
        (row, column + 1),
        (row + 1, column),
    ]:
        if 0 <= other_row < SIDE and 0 <= other_column < SIDE:
            yield other_row * SIDE + other_column


def rank(boards: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Where boards `[..., 9]` stand among the solvable ones: `[...]`."""
    cells = np.asarray(boards, np.int64)
    is_tile = cells != 0
    tiles = cells[is_tile].reshape(*cells.shape[:-1], CELLS - 1)
    ranks = np.zeros(cells.shape[:-1], np.int64)
    for place in range(CELLS - 1):
        smaller = (tiles[..., place + 1 :] < tiles[..., place, None]).sum(-1)
        ranks += smaller * factorial(CELLS - 2 - place)
    return is_tile.argmin(-1) * (factorial(CELLS - 1) // 2) + ranks // 2


@cache
def load() -> npt.NDArray[np.uint8]:
    """Optimal lengths `[181440]` in the order of `rank`."""
    return np.frombuffer(lzma.decompress(FIXTURE.read_bytes()), np.uint8)


def optimal_lengths(boards: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The fewest moves that solve each of `boards` `[..., 9]`, which must be solvable.

    Raises:
        ValueError: if a board is no permutation of 0 ... 8.
    """
    tiles = np.asarray(boards, np.int64)
    if tiles.shape[-1:] != (CELLS,) or not (np.sort(tiles, -1) == np.arange(CELLS)).all():
        raise ValueError(f"boards: expected [..., {CELLS}] with each of 0..{CELLS} once")
    return load()[rank(tiles)].astype(np.int64)


def optimal_length(board: Sequence[int]) -> int:
    """The fewest moves that solve `board`."""
    return int(optimal_lengths(board))


if __name__ == "__main__":
    sys.exit(main())
