"""The tiles of a board in two forms of equal answers and different speed."""

from std.builtin.globals import global_constant

from .moves import InlineArray, NUM_ACTIONS, pair_table, target, target_table
from .rng import Rng

comptime SMALL = 16
"""Cells of the largest board that fits into a vector of bytes, or into the nibbles of a word."""


trait Tiles(Copyable, Deinitable, Movable):
    """Which tile is where; tile 0 is the blank, solved when tile i is at cell i."""

    comptime WIDTH: Int
    """Cells in a row."""
    comptime HEIGHT: Int
    """Rows."""
    comptime CELLS: Int = Self.WIDTH * Self.HEIGHT
    """Number of cells, and of tiles with the blank."""

    def __init__(out self):
        """The solved board."""
        ...

    def tile(self, cell: Int) -> Int:
        """The tile at `cell`.

        Args:
            cell: In 0..CELLS, row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        ...

    def place(mut self, tiles: Span[UInt8, _]):
        """Replaces all tiles.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        ...

    def scramble(mut self, mut rng: Rng, num_actions: Int) -> Int:
        """Random actions from solved, two bits each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.

        Returns:
            The cell of the blank.
        """
        ...

    def move(mut self, blank: Int, action: Int, to: Int):
        """Moves the blank.

        Args:
            blank: Its cell.
            action: The action, in 0..4.
            to: Where the action takes it: its own cell if it is impossible.
        """
        ...

    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state.
        """
        ...


def swap_table[
    width: Int, height: Int
]() -> InlineArray[UInt8, width * height * 64]:
    """For every (cell, action): 255 where the blank leaves and where it arrives, else 0.

    Parameters:
        width: Cells in a row.
        height: Rows; `width * height` is at most 16.

    Returns:
        Sixteen bytes, one for each cell, at `(cell * 4 + action) * 16`.
    """
    var table = InlineArray[UInt8, width * height * 64](fill=0)
    for cell in range(width * height):
        for action in range(NUM_ACTIONS):
            var start = (cell * 4 + action) * SMALL
            table[start + cell] = 255
            table[start + target(width, height, cell, action)] = 255
    return table^


struct ArrayTiles[width: Int, height: Int](Tiles):
    """The tiles of a board of any size, in an `InlineArray`.

    Parameters:
        width: Cells in a row, 1 to 16.
        height: Rows, 1 to 16.
    """

    comptime WIDTH = Self.width
    """Cells in a row."""
    comptime HEIGHT = Self.height
    """Rows."""
    comptime TARGETS = target_table[Self.width, Self.height]()
    """Where the blank goes, at `cell * 4 + action`."""
    comptime ROOM = max(SMALL, Self.width * Self.height)
    """Length of the array: a small board is one vector."""

    var tiles: InlineArray[UInt8, Self.ROOM]
    """The tile of each cell, row by row; what is behind the last one never changes."""
    var misplaced: Int
    """Cells whose tile is not their own, blank included."""

    def __init__(out self):
        """The solved board."""
        self.tiles = InlineArray[UInt8, Self.ROOM](uninitialized=True)
        comptime for cell in range(Self.ROOM):
            self.tiles.unsafe_get(cell) = UInt8(cell)
        self.misplaced = 0

    @always_inline
    def tile(self, cell: Int) -> Int:
        """The tile at `cell`.

        Args:
            cell: In 0..CELLS, row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        return Int(self.tiles.unsafe_get(cell))

    def place(mut self, tiles: Span[UInt8, _]):
        """Replaces all tiles.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        self.misplaced = 0
        for cell in range(Self.CELLS):
            self.tiles[cell] = tiles[cell]
            self.misplaced += Int(tiles[cell] != UInt8(cell))

    @always_inline
    def scramble(mut self, mut rng: Rng, num_actions: Int) -> Int:
        """Random actions from solved, two bits each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.

        Returns:
            The cell of the blank.
        """
        ref targets = global_constant[Self.TARGETS]()
        comptime for cell in range(Self.CELLS):
            self.tiles.unsafe_get(cell) = UInt8(cell)
        var blank = 0
        var left = num_actions
        while left > 0:
            var word = rng.next()
            for _ in range(min(left, 32)):
                var to = Int(targets.unsafe_get(blank * 4 + Int(word & 3)))
                self.tiles.unsafe_get(blank) = self.tiles.unsafe_get(to)
                self.tiles.unsafe_get(to) = 0
                blank = to
                word >>= 2
            left -= 32
        self.misplaced = 0
        comptime for cell in range(Self.CELLS):
            self.misplaced += Int(self.tiles.unsafe_get(cell) != UInt8(cell))
        return blank

    @always_inline
    def move(mut self, blank: Int, action: Int, to: Int):
        """Moves the blank.

        Args:
            blank: Its cell.
            action: The action, in 0..4.
            to: Where the action takes it: its own cell if it is impossible.
        """
        var tile = self.tiles.unsafe_get(to)
        # For an impossible action both cells are the same and every term cancels.
        self.misplaced += Int(tile != UInt8(blank)) - Int(tile != UInt8(to))
        self.misplaced += Int(to != 0) - Int(blank != 0)
        comptime if Self.CELLS <= SMALL:
            # Written as it is read: a vector that follows single bytes waits for each of them.
            ref swaps = global_constant[swap_table[Self.width, Self.height]()]()
            var tiles = self.tiles.unsafe_ptr()
            var start = (blank * 4 + action) * SMALL
            var changed = swaps.unsafe_ptr().unsafe_load[width=SMALL](start)
            changed &= tile
            changed ^= tiles.unsafe_load[width=SMALL](0)
            tiles.unsafe_store(0, changed)
        else:
            self.tiles.unsafe_get(blank) = tile
            self.tiles.unsafe_get(to) = 0

    @always_inline
    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state.
        """
        return self.misplaced == 0


def goal_word(cells: Int) -> UInt64:
    """Tile i in nibble i, for `cells` tiles.

    Args:
        cells: At most 16.

    Returns:
        The word of the solved board.
    """
    var word = UInt64(0)
    for cell in range(cells):
        word |= UInt64(cell) << UInt64(4 * cell)
    return word


struct PackedTiles[width: Int, height: Int](Tiles):
    """The tiles of a board with at most 16 cells, in the nibbles of one word.

    Parameters:
        width: Cells in a row, at least 2.
        height: Rows, at least 2; `width * height` is at most 16.
    """

    comptime WIDTH = Self.width
    """Cells in a row."""
    comptime HEIGHT = Self.height
    """Rows."""
    comptime TARGETS = target_table[Self.width, Self.height]()
    """Where the blank goes, at `cell * 4 + action`."""
    comptime PAIRS = pair_table[Self.width, Self.height]()
    """Where the blank goes by two actions, at `cell * 16 + 4 * second + first`."""
    comptime GOAL = goal_word(Self.CELLS)
    """The word of the solved board."""

    var tiles: UInt64
    """Tile of cell i in bits 4 i to 4 i + 3."""

    def __init__(out self):
        """The solved board."""
        comptime assert Self.CELLS <= SMALL, "a word has room for 16 tiles"
        self.tiles = Self.GOAL

    @always_inline
    def tile(self, cell: Int) -> Int:
        """The tile at `cell`.

        Args:
            cell: In 0..CELLS, row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        return Int((self.tiles >> UInt64(4 * cell)) & 15)

    def place(mut self, tiles: Span[UInt8, _]):
        """Replaces all tiles.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        self.tiles = 0
        for cell in range(Self.CELLS):
            self.tiles |= UInt64(tiles[cell]) << UInt64(4 * cell)

    @staticmethod
    @always_inline
    def swapped(tiles: UInt64, blank: Int, to: Int) -> UInt64:
        """The board after the blank went from `blank` to `to`; itself if they are equal.

        Args:
            tiles: The word before the move.
            blank: Cell of the blank.
            to: Cell that the blank goes to.

        Returns:
            The word after the move.
        """
        var tile = tiles & (UInt64(15) << UInt64(4 * to))
        var turn = UInt64(4 * (blank - to)) & 63
        return tiles ^ tile ^ ((tile << turn) | (tile >> ((0 - turn) & 63)))

    @always_inline
    def scramble(mut self, mut rng: Rng, num_actions: Int) -> Int:
        """Random actions from solved, two bits each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.

        Returns:
            The cell of the blank.
        """
        ref targets = global_constant[Self.TARGETS]()
        ref pairs = global_constant[Self.PAIRS]()
        var tiles = UInt64(Self.GOAL)
        var blank = 0
        var left = num_actions
        while left > 0:
            var word = rng.next()
            # Two by two: looking up where the blank goes is what takes the time.
            for _ in range(min(left, 32) // 2):
                var middle = Int(targets.unsafe_get(blank * 4 + Int(word & 3)))
                var to = Int(pairs.unsafe_get(blank * 16 + Int(word & 15)))
                tiles = Self.swapped(tiles, blank, middle)
                tiles = Self.swapped(tiles, middle, to)
                blank = to
                word >>= 4
            if left < 32 and left % 2 == 1:
                var to = Int(targets.unsafe_get(blank * 4 + Int(word & 3)))
                tiles = Self.swapped(tiles, blank, to)
                blank = to
            left -= 32
        self.tiles = tiles
        return blank

    @always_inline
    def move(mut self, blank: Int, action: Int, to: Int):
        """Moves the blank.

        Args:
            blank: Its cell.
            action: The action, in 0..4.
            to: Where the action takes it: its own cell if it is impossible.
        """
        self.tiles = Self.swapped(self.tiles, blank, to)

    @always_inline
    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state.
        """
        return self.tiles == Self.GOAL
