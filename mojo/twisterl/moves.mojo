"""Where the blank of a board can go: tables of every cell and action, made when compiled."""

comptime InlineArray = Array
"""The array of the standard library whose length is compiled in."""
comptime NUM_ACTIONS = 4
"""Actions A of every board: left, up, right, down."""
comptime NO_ACTION = UInt8(4)
"""In place of the last action where there is none."""


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
