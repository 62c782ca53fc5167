"""The episodes of one member of the population."""

from std.bit import count_trailing_zeros
from std.memory import pack_bits

from .moves import InlineArray, NUM_ACTIONS
from .network import Floats, embed, logits, value
from .puzzle import Puzzle
from .tiles import Tiles

comptime INTERLEAVED = 8
"""Episodes played in turn, so that one's memory and arithmetic hide behind the others'."""


@fieldwise_init
struct Player(Equatable, ImplicitlyCopyable):
    """How an action is chosen from the network."""

    var number: Int
    """Its place in the options of `collecting.player`."""

    comptime POLICY = Player(0)
    """The legal action with the largest logit."""
    comptime VALUE = Player(1)
    """The legal action that leads to the state with the largest value; a solved one first."""

    def __eq__(self, other: Player) -> Bool:
        """Whether both choose alike.

        Args:
            other: The one to compare with.

        Returns:
            True if they are the same choice.
        """
        return self.number == other.number


@fieldwise_init
struct Score(ImplicitlyCopyable):
    """What a member reached over all episodes."""

    var fitness: Float32
    """Sum over episodes of `1.5 - 0.5 * moves / limit` if solved, else 0."""
    var solved: Int
    """Episodes that ended in success."""
    var steps: Int
    """Actions played."""


@always_inline
def best_action[T: Tiles, hidden: Int](board: Puzzle[T], weights: Floats) -> Int:
    """The legal action with the largest logit, the first of equals.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.

    Args:
        board: An unsolved state with at least one legal action.
        weights: The weights in the order of `Layout`.

    Returns:
        An action in 0..4; the first legal one if the logits are NaN.
    """
    var scores = logits[T.CELLS](embed[T, hidden](board, weights), weights)
    var masks = board.masks()
    comptime bits = SIMD[DType.uint8, NUM_ACTIONS](1, 2, 4, 8)
    var legal = (bits & masks).ne(0)
    var highest = legal.select(scores, Float32.MIN).reduce_max()
    var best = UInt8(pack_bits(scores.eq(highest))) & masks
    # Weights that are not finite compare equal to nothing.
    return Int(count_trailing_zeros(best if best != 0 else masks))


@always_inline
def best_child[T: Tiles, hidden: Int](board: Puzzle[T], weights: Floats) -> Int:
    """The legal action whose next state has the largest value, the first of equals.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.

    Args:
        board: An unsolved state with at least one legal action.
        weights: The weights in the order of `Layout`.

    Returns:
        An action in 0..4; the first legal one if the values are NaN.
    """
    var masks = board.masks()
    var best = Int(count_trailing_zeros(masks))
    var highest = Float32.MIN
    # How many there are is easier to foresee than which; a single one needs no value.
    var left = masks if masks & (masks - 1) != 0 else UInt8(0)
    while left != 0:
        var action = Int(count_trailing_zeros(left))
        left &= left - 1
        var child = board.copy()
        child.step(action)
        var score = value[T.CELLS](embed[T, hidden](child, weights), weights)
        score = Float32.MAX if child.solved() else score
        var better = score > highest
        highest = score if better else highest
        best = action if better else best
    return best


@always_inline
def choose[
    T: Tiles, hidden: Int, player: Player
](board: Puzzle[T], weights: Floats) -> Int:
    """The action that `player` takes on `board`.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.
        player: Which of the two choices is compiled in.

    Args:
        board: An unsolved state with at least one legal action.
        weights: The weights in the order of `Layout`.

    Returns:
        A legal action in 0..4.
    """
    comptime if player == Player.POLICY:
        return best_action[T, hidden](board, weights)
    else:
        return best_child[T, hidden](board, weights)


def play[
    T: Tiles, hidden: Int, player: Player, interleaved: Int = INTERLEAVED
](weights: Floats, starts: Span[Puzzle[T], _], mut moves: List[Int]) -> Score:
    """Plays an episode from each of `starts` [N] with `weights`, `Layout.size()` of them.

    `moves` [N] receives the length of each solved episode, -1 for the others.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.
        player: How an action is chosen.
        interleaved: Episodes played in turn; it changes the speed, not the result.

    Args:
        weights: The weights in the order of `Layout`.
        starts: First boards [N]; a final one counts as an episode without a move.
        moves: Room for N lengths, overwritten.

    Returns:
        Fitness, solved episodes and actions over all N, summed in the order of the starts.
    """
    var boards = List[Puzzle[T]](capacity=interleaved)
    var episodes = InlineArray[Int, interleaved](fill=0)
    var steps = 0
    var next = 0
    while True:
        while len(boards) < interleaved and next < len(starts):
            ref start = starts.unsafe_get(next)
            if start.is_final():
                moves[next] = 0 if start.solved() else -1
            else:
                episodes.unsafe_get(len(boards)) = next
                boards.append(start.copy())
            next += 1
        if len(boards) == 0:
            break
        # Which lane is next does not depend on how the one before went on: that is what lets the
        # processor work on several.
        var ended = False
        for lane in range(len(boards)):
            ref board = boards.unsafe_get(lane)
            board.step(choose[T, hidden, player](board, weights))
            ended |= board.is_final()
        steps += len(boards)
        if not ended:
            continue
        for lane in range(len(boards) - 1, -1, -1):
            ref board = boards.unsafe_get(lane)
            if board.is_final():
                var episode = episodes.unsafe_get(lane)
                var taken = starts.unsafe_get(episode).depth - board.depth
                moves[episode] = taken if board.solved() else -1
                # The last lane takes this place.
                var last = boards.pop()
                if lane < len(boards):
                    boards[lane] = last^
                    episodes.unsafe_get(lane) = episodes.unsafe_get(len(boards))
    return _score(starts, moves, steps)


def _score[T: Tiles](starts: Span[Puzzle[T], _], moves: List[Int], steps: Int) -> Score:
    var fitness = Float32(0)
    var solved = 0
    for episode in range(len(starts)):
        if moves[episode] >= 0:
            # A board of difficulty 0 has no steps and is solved by none.
            var share = Float32(moves[episode]) / Float32(
                max(starts[episode].depth, 1)
            )
            fitness += 1.5 - 0.5 * share
            solved += 1
    return Score(fitness, solved, steps)
