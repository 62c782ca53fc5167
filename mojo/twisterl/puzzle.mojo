"""The sliding puzzle, its size known when compiled: specs/envs/puzzle.json.

```mojo
from twisterl.puzzle import Puzzle, Settings
from twisterl.rng import Rng
from twisterl.tiles import ArrayTiles

def main():
    var board = Puzzle[ArrayTiles[3, 3]](Settings(difficulty=20))
    var rng = Rng(1)
    board.reset(rng)
    board.step(0)
    print(board.reward(), board.masks())
```
"""

from std.builtin.globals import global_constant

from .moves import (
    NO_ACTION,
    InlineArray,
    forbidden_after,
    mask_table,
    target_table,
)
from .rng import Rng
from .tiles import Tiles

struct Settings(ImplicitlyCopyable):
    """The parameters of the puzzle besides its size; specs/envs/puzzle.json has their bounds.
    """

    var difficulty: Int
    """Random actions that scramble a solved board."""
    var depth_slope: Int
    """Steps of an episode for each unit of difficulty."""
    var max_depth: Int
    """Steps after `place` and after a uniform start."""
    var forbid_undo: Bool
    """Masks the action that undoes the last one that moved the blank."""

    def __init__(
        out self,
        difficulty: Int = 1,
        depth_slope: Int = 2,
        max_depth: Int = 256,
        forbid_undo: Bool = False,
    ):
        """The given parameters; the others as in the specification.

        Args:
            difficulty: Random actions of `reset`.
            depth_slope: Steps of an episode for each random action.
            max_depth: Steps after `place`.
            forbid_undo: Whether the masks leave out the action that undoes the last one.
        """
        self.difficulty = difficulty
        self.depth_slope = depth_slope
        self.max_depth = max_depth
        self.forbid_undo = forbid_undo


struct Puzzle[T: Tiles](Copyable, Movable):
    """A sliding puzzle; tile 0 is the blank, solved when tile i is at cell i.

    Actions move the blank: 0 left, 1 up, 2 right, 3 down. An impossible one changes nothing but
    the remaining depth.

    Parameters:
        T: The tiles, which say the size and how they are kept.
    """

    comptime TARGETS = target_table[Self.T.WIDTH, Self.T.HEIGHT]()
    """Where the blank goes, at `cell * 4 + action`."""
    comptime MASKS = mask_table[Self.T.WIDTH, Self.T.HEIGHT]()
    """Legal actions, at `cell * 8 + forbidden`."""

    var tiles: Self.T
    """Which tile is where."""
    var blank: Int
    """Cell of the blank."""
    var depth: Int
    """Steps until the episode ends unsolved."""
    var forbidden: UInt8
    """The action that the masks forbid, or `NO_ACTION`."""
    var settings: Settings
    """What the board was made with; the same for all episodes."""

    def __init__(out self, settings: Settings):
        """A solved board with `max_depth` steps.

        Args:
            settings: The parameters besides the size.
        """
        self.tiles = Self.T()
        self.blank = 0
        self.depth = settings.max_depth
        self.forbidden = NO_ACTION
        self.settings = settings

    @always_inline
    def tile(self, cell: Int) -> Int:
        """The tile at `cell`.

        Args:
            cell: In 0..CELLS, row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        return self.tiles.tile(cell)

    def place(mut self, tiles: Span[UInt8, _]):
        """Puts `tiles` [CELLS] on the board; `max_depth` steps are left.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        self.tiles.place(tiles)
        for cell in range(Self.T.CELLS):
            if tiles[cell] == 0:
                self.blank = cell
        self.depth = self.settings.max_depth
        self.forbidden = NO_ACTION

    @always_inline
    def scramble(mut self, mut rng: Rng, num_actions: Int):
        """Random actions from solved, two bits each; `depth_slope` steps for each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.
        """
        self.blank = self.tiles.scramble(rng, num_actions)
        self.depth = self.settings.depth_slope * num_actions
        self.forbidden = NO_ACTION

    @always_inline
    def reset(mut self, mut rng: Rng):
        """Scrambles by the difficulty of the settings.

        Args:
            rng: The stream that the random actions come from.
        """
        self.scramble(rng, self.settings.difficulty)

    def reset_uniform(mut self, mut rng: Rng):
        """A board drawn uniformly from all solvable ones; `max_depth` steps are left.

        Fisher-Yates from the last cell down; an unsolvable result swaps its first two tiles. Of one
        row or column there are as many boards as cells: the blank is drawn.

        Args:
            rng: The stream; each cell but the first uses up one word, and a row or column one.
        """
        var tiles = InlineArray[UInt8, Self.T.CELLS](fill=0)
        for cell in range(Self.T.CELLS):
            tiles[cell] = UInt8(cell)
        comptime if Self.T.WIDTH == 1 or Self.T.HEIGHT == 1:
            for i in range(Int(rng.below(UInt64(Self.T.CELLS)))):
                swap(tiles, i, i + 1)
            self.place(Span(tiles))
            return
        for i in range(Self.T.CELLS - 1, 0, -1):
            swap(tiles, i, Int(rng.below(UInt64(i + 1))))
        if not is_solvable(Span(tiles), Self.T.WIDTH):
            var first = Int(tiles[0] == 0)
            var second = first + 1 + Int(tiles[first + 1] == 0)
            swap(tiles, first, second)
        self.place(Span(tiles))

    @always_inline
    def step(mut self, action: Int):
        """Plays `action`, which is in 0..4.

        Args:
            action: Left, up, right or down; not checked against the masks.
        """
        ref targets = global_constant[Self.TARGETS]()
        var to = Int(targets.unsafe_get(self.blank * 4 + action))
        self.forbidden = forbidden_after(
            self.forbidden, action, to != self.blank
        )
        self.tiles.move(self.blank, action, to)
        self.blank = to
        self.depth -= Int(self.depth > 0)

    @always_inline
    def masks(self) -> UInt8:
        """Bit a is set where action a may be taken.

        Returns:
            Four bits, at least one of them set.
        """
        ref masks = global_constant[Self.MASKS]()
        var forbidden = (
            self.forbidden if self.settings.forbid_undo else NO_ACTION
        )
        return masks.unsafe_get(self.blank * 8 + Int(forbidden))

    @always_inline
    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state, whatever the steps left.
        """
        return self.tiles.solved()

    @always_inline
    def is_final(self) -> Bool:
        """Whether the episode has ended: solved, or out of steps.

        Returns:
            True where no further action counts.
        """
        return self.solved() or self.depth == 0

    @always_inline
    def reward(self) -> Float32:
        """The reward of being in this state: 1 solved, -0.5 out of steps, else -0.5 / max_depth.

        Returns:
            A number in -0.5..=1.
        """
        if self.solved():
            return 1
        return -0.5 if self.depth == 0 else -0.5 / Float32(
            self.settings.max_depth
        )


@always_inline
def swap[size: Int](mut tiles: InlineArray[UInt8, size], i: Int, j: Int):
    """Exchanges two entries.

    Parameters:
        size: Length of the array.

    Args:
        tiles: The array, changed in place.
        i: Index of the one entry.
        j: Index of the other; the same one changes nothing.
    """
    var tile = tiles[i]
    tiles[i] = tiles[j]
    tiles[j] = tile


def is_solvable(tiles: Span[UInt8, _], width: Int) -> Bool:
    """Whether `tiles` [CELLS], a permutation, can be solved.

    A move is one transposition and shifts the blank by one cell, so the parity of the permutation
    equals the parity of the blank's distance from its corner, or never will. In a single row or
    column no tile passes another one.

    Args:
        tiles: The tile of each cell, row by row, each of 0..CELLS once.
        width: Cells in a row.

    Returns:
        True for half of all permutations, or for one of each cell of the blank.
    """
    if width == 1 or width == len(tiles):
        var last = UInt8(0)
        for tile in tiles:
            if tile != 0 and tile < last:
                return False
            last = max(last, tile)
        return True
    var odd = False
    for i in range(len(tiles)):
        for j in range(i + 1, len(tiles)):
            odd ^= tiles[i] > tiles[j]
        if tiles[i] == 0:
            odd ^= (i % width + i // width) % 2 == 1
    return not odd
