"""The sliding puzzle, its size known when compiled: specs/envs/puzzle.json.

`Puzzle` keeps the tiles in an `InlineArray`, `PackedPuzzle` in the nibbles of one word (16 cells
at most). Both are a `Board`: equal answers, different speed.

```mojo
from twisterl.puzzle import Puzzle, Settings
from twisterl.rng import Rng

def main():
    var board = Puzzle[3, 3](Settings(difficulty=20))
    var rng = Rng(1)
    board.reset(rng)
    board.step(0)
    print(board.reward(), board.masks())
```
"""

from std.builtin.globals import global_constant

from .rng import Rng

comptime InlineArray = Array
"""The array of the standard library whose length is compiled in."""
comptime NUM_ACTIONS = 4
"""Actions A of every board: left, up, right, down."""
comptime NO_ACTION = UInt8(4)
"""In place of the last action where there is none."""
comptime SMALL = 16
"""Cells of the largest board that fits into a vector of bytes, or into the nibbles of a word."""


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


trait Board(Copyable, Deinitable, Movable):
    """A sliding puzzle; tile 0 is the blank, solved when tile i is at cell i.

    Actions move the blank: 0 left, 1 up, 2 right, 3 down. An impossible one changes nothing but
    the remaining depth.
    """

    comptime CELLS: Int
    """Number of cells, and of tiles with the blank."""

    def __init__(out self, settings: Settings):
        """A solved board with `max_depth` steps.

        Args:
            settings: The parameters besides the size.
        """
        ...

    def tile(self, cell: Int) -> Int:
        """The tile at `cell`, which is in 0..CELLS.

        Args:
            cell: Counts row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        ...

    def place(mut self, tiles: Span[UInt8, _]):
        """Puts `tiles` [CELLS], each of 0..CELLS once, on the board; `max_depth` steps are left.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        ...

    def scramble(mut self, mut rng: Rng, num_actions: Int):
        """Random actions from solved, two bits each; `depth_slope` steps for each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.
        """
        ...

    def step(mut self, action: Int):
        """Plays `action`, which is in 0..4.

        Args:
            action: Left, up, right or down; not checked against the masks.
        """
        ...

    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state, whatever the steps left.
        """
        ...

    def masks(self) -> UInt8:
        """Bit a is set where action a may be taken.

        Returns:
            Four bits, at least one of them set.
        """
        ...

    def depth(self) -> Int:
        """The steps that are left.

        Returns:
            At least 0.
        """
        ...

    def settings(self) -> Settings:
        """The parameters it was made with.

        Returns:
            Its own copy of them.
        """
        ...

    @always_inline
    def reset(mut self, mut rng: Rng):
        """Scrambles by the difficulty of the settings.

        Args:
            rng: The stream that the random actions come from.
        """
        self.scramble(rng, self.settings().difficulty)

    @always_inline
    def is_final(self) -> Bool:
        """Whether the episode has ended: solved, or out of steps.

        Returns:
            True where no further action counts.
        """
        return self.solved() or self.depth() == 0

    @always_inline
    def reward(self) -> Float32:
        """The reward of being in this state: 1 solved, -0.5 out of steps, else -0.5 / max_depth.

        Returns:
            A number in -0.5..=1.
        """
        if self.solved():
            return 1
        return -0.5 if self.depth() == 0 else -0.5 / Float32(
            self.settings().max_depth
        )


def target(width: Int, height: Int, cell: Int, action: Int) -> Int:
    """The cell that the blank goes to, its own cell where the action is impossible.

    Args:
        width: Cells in a row.
        height: Rows.
        cell: Where the blank is.
        action: In 0..4.

    Returns:
        A cell in 0..`width * height`.
    """
    var row, column = divmod(cell, width)
    if action == 0:
        return cell - 1 if column > 0 else cell
    if action == 1:
        return cell - width if row > 0 else cell
    if action == 2:
        return cell + 1 if column < width - 1 else cell
    return cell + width if row < height - 1 else cell


def target_table[
    width: Int, height: Int
]() -> InlineArray[UInt8, width * height * 4]:
    """The `target` of every (cell, action).

    Parameters:
        width: Cells in a row.
        height: Rows.

    Returns:
        Cells at `cell * 4 + action`.
    """
    var table = InlineArray[UInt8, width * height * 4](fill=0)
    for cell in range(width * height):
        for action in range(NUM_ACTIONS):
            table[cell * 4 + action] = UInt8(
                target(width, height, cell, action)
            )
    return table^


def mask_table[
    width: Int, height: Int
]() -> InlineArray[UInt8, width * height * 8]:
    """The masks of every (cell, forbidden action); index 4: no action is forbidden.

    Parameters:
        width: Cells in a row.
        height: Rows.

    Returns:
        Masks at `cell * 8 + forbidden`; 8 a cell, so that the index is a shift.
    """
    var table = InlineArray[UInt8, width * height * 8](fill=0)
    for cell in range(width * height):
        for forbidden in range(8):
            var mask = UInt8(0)
            for action in range(NUM_ACTIONS):
                if (
                    action != forbidden
                    and target(width, height, cell, action) != cell
                ):
                    mask |= UInt8(1) << UInt8(action)
            table[cell * 8 + forbidden] = mask
    return table^


def pair_table[
    width: Int, height: Int
]() -> InlineArray[UInt8, width * height * 16]:
    """The `target` of every cell by two actions in turn.

    Parameters:
        width: Cells in a row.
        height: Rows.

    Returns:
        Cells at `cell * 16 + 4 * second + first`.
    """
    var table = InlineArray[UInt8, width * height * 16](fill=0)
    for cell in range(width * height):
        for actions in range(16):
            var between = target(width, height, cell, actions % 4)
            var to = target(width, height, between, actions // 4)
            table[cell * 16 + actions] = UInt8(to)
    return table^


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


@always_inline
def undo_of(action: Int) -> UInt8:
    """The action that undoes `action`: left and right, up and down.

    Args:
        action: In 0..4.

    Returns:
        Its opposite.
    """
    return UInt8(action ^ 2)


@always_inline
def forbidden_after(before: UInt8, action: Int, moved: Bool) -> UInt8:
    """What is forbidden after `action`: what undoes it, and `before` if the blank did not move.

    Args:
        before: What was forbidden before it.
        action: In 0..4.
        moved: Whether the blank moved.

    Returns:
        An action or `NO_ACTION`.
    """
    # Not `if`: whether a random action moves the blank is nothing that a processor can foresee.
    var all = UInt8(0) - UInt8(moved)
    return (undo_of(action) & all) | (before & ~all)


struct Puzzle[width: Int, height: Int](Board):
    """The puzzle of any size from 2x2 to 16x16, its tiles in an `InlineArray`.

    Parameters:
        width: Cells in a row, 2 to 16.
        height: Rows, 2 to 16.
    """

    comptime CELLS = Self.width * Self.height
    """Number of cells, and of tiles with the blank."""
    comptime TARGETS = target_table[Self.width, Self.height]()
    """Where the blank goes, at `cell * 4 + action`."""
    comptime MASKS = mask_table[Self.width, Self.height]()
    """Legal actions, at `cell * 8 + forbidden`."""
    comptime ROOM = max(SMALL, Self.CELLS)
    """Length of the array: a small board is one vector."""

    var tiles: InlineArray[UInt8, Self.ROOM]
    """The tile of each cell, row by row; what is behind the last one never changes."""
    var blank: Int
    """Cell of the blank."""
    var misplaced: Int
    """Cells whose tile is not their own, blank included."""
    var steps_left: Int
    """Steps until the episode ends unsolved."""
    var forbidden: UInt8
    """The action that the masks forbid, or `NO_ACTION`."""
    var parameters: Settings
    """What the board was made with; the same for all episodes."""

    def __init__(out self, settings: Settings):
        """A solved board with `max_depth` steps.

        Args:
            settings: The parameters besides the size.
        """
        self.tiles = InlineArray[UInt8, Self.ROOM](uninitialized=True)
        comptime for cell in range(Self.ROOM):
            self.tiles.unsafe_get(cell) = UInt8(cell)
        self.blank = 0
        self.misplaced = 0
        self.steps_left = settings.max_depth
        self.forbidden = NO_ACTION
        self.parameters = settings

    @always_inline
    def tile(self, cell: Int) -> Int:
        """The tile at `cell`, which is in 0..CELLS.

        Args:
            cell: Counts row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        return Int(self.tiles.unsafe_get(cell))

    def place(mut self, tiles: Span[UInt8, _]):
        """Puts `tiles` [CELLS] on the board; `max_depth` steps are left.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        self.misplaced = 0
        for cell in range(Self.CELLS):
            self.tiles[cell] = tiles[cell]
            self.misplaced += Int(tiles[cell] != UInt8(cell))
            if tiles[cell] == 0:
                self.blank = cell
        self.steps_left = self.parameters.max_depth
        self.forbidden = NO_ACTION

    @always_inline
    def scramble(mut self, mut rng: Rng, num_actions: Int):
        """Random actions from solved, two bits each; `depth_slope` steps for each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.
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
        self.blank = blank
        self.steps_left = self.parameters.depth_slope * num_actions
        self.forbidden = NO_ACTION
        self.misplaced = 0
        comptime for cell in range(Self.CELLS):
            self.misplaced += Int(self.tiles.unsafe_get(cell) != UInt8(cell))

    @always_inline
    def step(mut self, action: Int):
        """Plays `action`, which is in 0..4.

        Args:
            action: Left, up, right or down; not checked against the masks.
        """
        ref targets = global_constant[Self.TARGETS]()
        var to = Int(targets.unsafe_get(self.blank * 4 + action))
        var tile = self.tiles.unsafe_get(to)
        # For an impossible action both cells are the same and every term cancels.
        self.misplaced += Int(tile != UInt8(self.blank)) - Int(
            tile != UInt8(to)
        )
        self.misplaced += Int(to != 0) - Int(self.blank != 0)
        self.forbidden = forbidden_after(
            self.forbidden, action, to != self.blank
        )
        comptime if Self.CELLS <= SMALL:
            # Written as it is read: a vector that follows single bytes waits for each of them.
            ref swaps = global_constant[swap_table[Self.width, Self.height]()]()
            var tiles = self.tiles.unsafe_ptr()
            var start = (self.blank * 4 + action) * SMALL
            var changed = swaps.unsafe_ptr().unsafe_load[width=SMALL](start)
            changed &= tile
            changed ^= tiles.unsafe_load[width=SMALL](0)
            tiles.unsafe_store(0, changed)
        else:
            self.tiles.unsafe_get(self.blank) = tile
            self.tiles.unsafe_get(to) = 0
        self.blank = to
        self.steps_left -= Int(self.steps_left > 0)

    @always_inline
    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state, whatever the steps left.
        """
        return self.misplaced == 0

    @always_inline
    def masks(self) -> UInt8:
        """Bit a is set where action a may be taken.

        Returns:
            Four bits, at least one of them set.
        """
        ref masks = global_constant[Self.MASKS]()
        var forbidden = (
            self.forbidden if self.parameters.forbid_undo else NO_ACTION
        )
        return masks.unsafe_get(self.blank * 8 + Int(forbidden))

    @always_inline
    def depth(self) -> Int:
        """The steps that are left.

        Returns:
            At least 0.
        """
        return self.steps_left

    @always_inline
    def settings(self) -> Settings:
        """The parameters it was made with.

        Returns:
            Its own copy of them.
        """
        return self.parameters


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


struct PackedPuzzle[width: Int, height: Int](Board):
    """The puzzle with at most 16 cells, its tiles in the nibbles of one word.

    Parameters:
        width: Cells in a row, at least 2.
        height: Rows, at least 2; `width * height` is at most 16.
    """

    comptime CELLS = Self.width * Self.height
    """Number of cells, and of tiles with the blank."""
    comptime TARGETS = target_table[Self.width, Self.height]()
    """Where the blank goes, at `cell * 4 + action`."""
    comptime MASKS = mask_table[Self.width, Self.height]()
    """Legal actions, at `cell * 8 + forbidden`."""
    comptime PAIRS = pair_table[Self.width, Self.height]()
    """Where the blank goes by two actions, at `cell * 16 + 4 * second + first`."""
    comptime GOAL = goal_word(Self.CELLS)
    """The word of the solved board."""

    var tiles: UInt64
    """Tile of cell i in bits 4 i to 4 i + 3."""
    var blank: Int
    """Cell of the blank."""
    var steps_left: Int
    """Steps until the episode ends unsolved."""
    var forbidden: UInt8
    """The action that the masks forbid, or `NO_ACTION`."""
    var parameters: Settings
    """What the board was made with; the same for all episodes."""

    def __init__(out self, settings: Settings):
        """A solved board with `max_depth` steps.

        Args:
            settings: The parameters besides the size.
        """
        comptime assert Self.CELLS <= 16, "a word has room for 16 tiles"
        self.tiles = Self.GOAL
        self.blank = 0
        self.steps_left = settings.max_depth
        self.forbidden = NO_ACTION
        self.parameters = settings

    @always_inline
    def tile(self, cell: Int) -> Int:
        """The tile at `cell`, which is in 0..CELLS.

        Args:
            cell: Counts row by row from the top left.

        Returns:
            The tile, in 0..CELLS; 0 is the blank.
        """
        return Int((self.tiles >> UInt64(4 * cell)) & 15)

    def place(mut self, tiles: Span[UInt8, _]):
        """Puts `tiles` [CELLS] on the board; `max_depth` steps are left.

        Args:
            tiles: A permutation [CELLS], which is not checked.
        """
        self.tiles = 0
        for cell in range(Self.CELLS):
            self.tiles |= UInt64(tiles[cell]) << UInt64(4 * cell)
            if tiles[cell] == 0:
                self.blank = cell
        self.steps_left = self.parameters.max_depth
        self.forbidden = NO_ACTION

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
    def scramble(mut self, mut rng: Rng, num_actions: Int):
        """Random actions from solved, two bits each; `depth_slope` steps for each.

        Args:
            rng: The stream; 32 actions use up one word.
            num_actions: How many; impossible ones count.
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
        self.blank = blank
        self.steps_left = self.parameters.depth_slope * num_actions
        self.forbidden = NO_ACTION

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
        self.tiles = Self.swapped(self.tiles, self.blank, to)
        self.blank = to
        self.steps_left -= Int(self.steps_left > 0)

    @always_inline
    def solved(self) -> Bool:
        """Whether every tile is at its own cell.

        Returns:
            True for the one solved state, whatever the steps left.
        """
        return self.tiles == Self.GOAL

    @always_inline
    def masks(self) -> UInt8:
        """Bit a is set where action a may be taken.

        Returns:
            Four bits, at least one of them set.
        """
        ref masks = global_constant[Self.MASKS]()
        var forbidden = (
            self.forbidden if self.parameters.forbid_undo else NO_ACTION
        )
        return masks.unsafe_get(self.blank * 8 + Int(forbidden))

    @always_inline
    def depth(self) -> Int:
        """The steps that are left.

        Returns:
            At least 0.
        """
        return self.steps_left

    @always_inline
    def settings(self) -> Settings:
        """The parameters it was made with.

        Returns:
            Its own copy of them.
        """
        return self.parameters


def reset_uniform[B: Board](mut board: B, mut rng: Rng, width: Int):
    """A board drawn uniformly from all solvable ones, `width` cells a row; `max_depth` steps.

    Fisher-Yates from the last cell down; an unsolvable result swaps its first two tiles.

    Parameters:
        B: The board, which says the number of cells.

    Args:
        board: Overwritten with the drawn state.
        rng: The stream; each cell but the first uses up one word.
        width: Cells in a row of `B`.
    """
    var tiles = InlineArray[UInt8, B.CELLS](fill=0)
    for cell in range(B.CELLS):
        tiles[cell] = UInt8(cell)
    for i in range(B.CELLS - 1, 0, -1):
        swap(tiles, i, Int(rng.below(UInt64(i + 1))))
    if not is_solvable(Span(tiles), width):
        var first = Int(tiles[0] == 0)
        var second = first + 1 + Int(tiles[first + 1] == 0)
        swap(tiles, first, second)
    board.place(Span(tiles))


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
    equals the parity of the blank's distance from its corner, or never will.

    Args:
        tiles: The tile of each cell, row by row, each of 0..CELLS once.
        width: Cells in a row.

    Returns:
        True for half of all permutations.
    """
    var odd = False
    for i in range(len(tiles)):
        for j in range(i + 1, len(tiles)):
            odd ^= tiles[i] > tiles[j]
        if tiles[i] == 0:
            odd ^= (i % width + i // width) % 2 == 1
    return not odd
