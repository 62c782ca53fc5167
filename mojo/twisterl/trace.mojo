"""Random play that every language repeats, and digests of it.

Lane `i` of a `Workload` draws one word a move from the stream (`seed`, 0, `i`).
The word starts an episode where there is none, else it chooses an action, one
in eight of all actions and the others of the legal ones. docs/parity.md has the
rules.
"""

from std.memory import bitcast

from .episodes import best_action
from .moves import NUM_ACTIONS
from .network import Floats
from .puzzle import Puzzle, Settings
from .rng import Rng
from .tiles import ArrayTiles, PackedTiles, Tiles

comptime WEIGHTS_SEED = UInt64(0x706172697479)
"""Names the stream of the weights of a record's numbers."""
comptime MULTIPLIER = UInt64(0x9E3779B97F4A7C15)
"""Mixes a digest."""
comptime HEAD = 3
"""Position of the first mask in a record, after move, reward and flags."""
comptime GROUP = 64
"""Lanes that are played on one kind of board; the kinds take turns."""


@fieldwise_init
struct Workload(Copyable, Movable):
    """What is played."""

    var settings: Settings
    """Rules of the boards."""
    var seed: UInt64
    """Names the streams."""
    var steps: Int
    """Moves of each lane, starts of episodes included."""
    var uniform: Bool
    """Whether a quarter of the episodes start on a uniformly random board."""


def hexadecimal(word: UInt64) -> String:
    """`word` in 16 digits.

    Args:
        word: A number.

    Returns:
        Its digits, small letters.
    """
    comptime digits = "0123456789abcdef"
    var text = String()
    for shift in range(60, -4, -4):
        var digit = Int(word >> UInt64(shift)) & 15
        text += digits[byte = digit : digit + 1]
    return text


@always_inline
def join(digest: UInt64, word: UInt64) -> UInt64:
    """Joins `word` to what `digest` stands for; the order matters.

    Args:
        digest: Stands for what came before, 0 for nothing.
        word: What comes next.

    Returns:
        The digest of both.
    """
    var mixed = digest ^ word
    return (mixed << 23 | mixed >> 41) * MULTIPLIER


def streams(seed: UInt64, lanes: Int, steps: Int) -> UInt64:
    """Words, bounded draws and floats of the streams of all lanes.

    Args:
        seed: Names the streams.
        lanes: Number of streams.
        steps: Draws of each.

    Returns:
        Their digest.
    """
    var digest = UInt64(0)
    for lane in range(lanes):
        var rng = Rng.stream(seed, UInt64(lane % 7), UInt64(lane))
        for step in range(steps):
            if step % 3 == 0:
                digest = join(digest, rng.next())
            elif step % 3 == 1:
                digest = join(digest, rng.below(UInt64(1 + (lane & 1023))))
            else:
                digest = join(digest, UInt64(bitcast[DType.uint32](rng.unit())))
    return digest


def record_weights(cells: Int) -> List[UInt64]:
    """What each number of a record is multiplied by.

    Args:
        cells: Cells of the board, as many as features are active.

    Returns:
        Words for the move, the reward, the flags, the masks and the features.
    """
    var weights = List[UInt64]()
    var stream = Rng(WEIGHTS_SEED)
    for _ in range(HEAD + NUM_ACTIONS + cells):
        weights.append(stream.next())
    return weights^


def play_lane[
    width: Int, height: Int
](
    workload: Workload, lane: Int, weights: List[UInt64], mut text: String
) -> UInt64:
    """Plays a lane, on the kind of board whose turn it is.

    Parameters:
        width: Columns.
        height: Rows.

    Args:
        workload: What is played.
        lane: Which stream it draws from.
        weights: Those of a record; none if the records are wanted.
        text: The records are appended to it as JSON if they are wanted.

    Returns:
        The digest of the lane's records, 0 without `weights`.
    """
    comptime if width * height <= 16:
        if lane // GROUP % 2 == 1:
            return play_on[PackedTiles[width, height]](
                workload, lane, weights, text
            )
    return play_on[ArrayTiles[width, height]](workload, lane, weights, text)


def play_on[
    T: Tiles
](
    workload: Workload, lane: Int, weights: List[UInt64], mut text: String
) -> UInt64:
    """As `play_lane`, on boards of one kind.

    Parameters:
        T: The tiles of the board.

    Args:
        workload: What is played.
        lane: Which stream it draws from.
        weights: Those of a record; none if the records are wanted.
        text: The records are appended to it as JSON if they are wanted.

    Returns:
        The digest of the lane's records, 0 without `weights`.
    """
    var stream = Rng.stream(workload.seed, 0, UInt64(lane))
    var board = Puzzle[T](workload.settings)
    var digest = UInt64(0)
    var going = False
    for step in range(workload.steps):
        var word = stream.next()
        var made: Int
        var name: String
        if going:
            var action = choose(word, Int(board.masks()))
            board.step(action)
            made = 2 * action + 1
            name = String("step ", action)
        else:
            var start = Rng(word >> 1)
            if workload.uniform and word & 3 == 3:
                board.reset_uniform(start)
                made = 0
                name = "uniform"
            else:
                var difficulty = 1 + upper(word, workload.settings.difficulty)
                board.scramble(start, difficulty)
                made = 2 * difficulty
                name = String("reset ", difficulty)
        going = not board.is_final()
        if len(weights) > 0:
            digest = join(digest, record_sum(board, made, weights))
        else:
            text += String("" if step == 0 else ", ") + record(board, name)
    return digest


@always_inline
def upper(word: UInt64, bound: Int) -> Int:
    """A number in 0..bound from the upper half of `word`.

    Args:
        word: Random bits.
        bound: One more than the largest result.

    Returns:
        The number.
    """
    return Int(((word >> 32) * UInt64(bound)) >> 32)


def choose(word: UInt64, masks: Int) -> Int:
    """One in eight of all actions, the others of the legal ones.

    Args:
        word: Random bits.
        masks: A bit for each action, set if it is legal.

    Returns:
        An action.
    """
    var legal = 0
    for action in range(NUM_ACTIONS):
        legal += masks >> action & 1
    if word & 7 == 0 or legal == 0:
        return upper(word, NUM_ACTIONS)
    var left = upper(word, legal)
    for action in range(NUM_ACTIONS):
        if masks >> action & 1 == 1:
            if left == 0:
                return action
            left -= 1
    return 0


def record_sum[T: Tiles](board: Puzzle[T], made: Int, weights: List[UInt64]) -> UInt64:
    """The numbers of a record times their weights.

    Parameters:
        T: The tiles of the board.

    Args:
        board: What is seen.
        made: Number of the move that led to it.
        weights: Those of `record_weights`.

    Returns:
        The sum, wrapping.
    """
    var final = Int(board.is_final())
    var success = Int(board.solved())
    var truncated = Int(board.depth == 0 and not board.solved())
    var total = UInt64(made) * weights[0]
    total += UInt64(bitcast[DType.uint32](board.reward())) * weights[1]
    total += UInt64(final + 2 * success + 4 * truncated) * weights[2]
    var masks = Int(board.masks())
    for action in range(NUM_ACTIONS):
        total += UInt64(masks >> action & 1) * weights[HEAD + action]
    for cell in range(T.CELLS):
        var feature = cell * T.CELLS + board.tile(cell)
        total += UInt64(feature + 1) * weights[HEAD + NUM_ACTIONS + cell]
    return total


def record[T: Tiles](board: Puzzle[T], name: String) -> String:
    """What is seen of `board` after a move, as JSON.

    Parameters:
        T: The tiles of the board.

    Args:
        board: What is seen.
        name: The move that led to it.

    Returns:
        An object.
    """

    def flag(value: Bool) -> String:
        return "true" if value else "false"

    var truncated = board.depth == 0 and not board.solved()
    var text = String(
        '{"move": "', name, '", "reward": ', Float64(board.reward())
    )
    text += ', "final": ' + flag(board.is_final())
    text += ', "success": ' + flag(board.solved())
    text += ', "truncated": ' + flag(truncated) + ', "masks": "'
    for action in range(NUM_ACTIONS):
        text += String(Int(board.masks()) >> action & 1)
    text += '", "observation": ['
    for cell in range(T.CELLS):
        text += String(
            "" if cell == 0 else ", ", cell * T.CELLS + board.tile(cell)
        )
    return text + "]}"


def join_game[
    T: Tiles, hidden: Int
](
    digest: UInt64, mut board: Puzzle[T], weights: Floats, mut played: List[Int]
) -> UInt64:
    """Plays greedily to the end.

    Parameters:
        T: The tiles of the board.
        hidden: Hidden units H of the network.

    Args:
        digest: The game is joined to it: actions, success and summed reward.
        board: Where the game starts; then where it ends.
        weights: The network's, in the order of `Layout`.
        played: The actions are appended to it.

    Returns:
        The digest.
    """
    var found = digest
    var reward = board.reward()
    while not board.is_final():
        var action = best_action[T, hidden](board, weights)
        board.step(action)
        reward += board.reward()
        found = join(found, UInt64(action))
        played.append(action)
    found = join(found, UInt64(Int(board.solved())))
    return join(found, UInt64(bitcast[DType.uint32](reward)))
