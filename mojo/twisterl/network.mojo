"""The first layer and the heads of a BasicPolicy with one hidden layer, its width compiled in.

    hidden = relu(embedding_bias + sum over cells of embedding[cell * cells + tile])
    logits[a] = action_weight[a] . hidden + action_bias[a]
    value = value_weight . hidden + value_bias

The arithmetic is fixed to the bit, for all languages: rows are added in the order of the cells,
and a dot product is 16 partial sums (`fma`, 16 inputs at a time) that are folded in halves.
"""

from .moves import NUM_ACTIONS
from .puzzle import Puzzle
from .tiles import Tiles

comptime Floats = Pointer[Float32, MutUntrackedOrigin]
"""Weights that somebody else owns and keeps alive."""
comptime LANES = 16
"""Partial sums of a dot product; widths are multiples of it."""


@fieldwise_init
struct Layout(ImplicitlyCopyable):
    """Where each tensor of the policy begins in one flat vector of `size()` floats.

    The embedding comes feature by feature: `[F, H]`, the transpose of the checkpoint's.
    """

    var features: Int
    """Inputs F of the first layer: cells times tiles."""
    var hidden: Int
    """Units H of the hidden layer."""

    @always_inline
    def embedding_bias(self) -> Int:
        """Start of the bias [H] of the first layer.

        Returns:
            An index into the flat vector.
        """
        return self.features * self.hidden

    @always_inline
    def action_weight(self) -> Int:
        """Start of the weight [A, H] of the action head.

        Returns:
            An index into the flat vector.
        """
        return self.embedding_bias() + self.hidden

    @always_inline
    def value_weight(self) -> Int:
        """Start of the weight [1, H] of the value head.

        Returns:
            An index into the flat vector.
        """
        return self.action_weight() + NUM_ACTIONS * self.hidden

    @always_inline
    def action_bias(self) -> Int:
        """Start of the bias [A] of the action head.

        Returns:
            An index into the flat vector.
        """
        return self.value_weight() + self.hidden

    @always_inline
    def value_bias(self) -> Int:
        """Where the bias [1] of the value head is.

        Returns:
            An index into the flat vector.
        """
        return self.action_bias() + NUM_ACTIONS

    @always_inline
    def size(self) -> Int:
        """Number of weights.

        Returns:
            `F H + H + (A + 1) H + A + 1` floats.
        """
        return self.value_bias() + 1


struct AlignedWeights(Movable):
    """Room for weights that begins with a cache line, so that no row of 16 crosses one."""

    var storage: List[Float32]
    """The floats, with up to 15 before the first aligned one."""

    def __init__(out self, size: Int):
        """Zeros [size].

        Args:
            size: Floats from `start` on.
        """
        self.storage = List[Float32](length=size + LANES - 1, fill=0)

    @always_inline
    def start(self) -> Floats:
        """The first weight; it does not keep this alive: the caller must.

        Returns:
            A pointer at a multiple of 64 bytes.
        """
        var first = self.storage.unsafe_ptr().unsafe_mut_cast[True]()
        var past = Int(first) // 4 % LANES
        var aligned = first.unsafe_offset((LANES - past) % LANES)
        return aligned.unsafe_origin_cast[MutUntrackedOrigin]()


@always_inline
def embed[
    T: Tiles, hidden: Int
](board: Puzzle[T], weights: Floats) -> SIMD[DType.float32, hidden]:
    """The hidden layer [H] for `board`, after the ReLU.

    Parameters:
        T: The tiles, which say the number of cells.
        hidden: Hidden units H, a multiple of 16.

    Args:
        board: The state to look at.
        weights: The weights in the order of `Layout`.

    Returns:
        H activations, none negative.
    """
    comptime layout = Layout(T.CELLS * T.CELLS, hidden)
    var sums = weights.unsafe_load[width=hidden](layout.embedding_bias())
    comptime for cell in range(T.CELLS):
        sums += weights.unsafe_load[width=hidden](
            (cell * T.CELLS + board.tile(cell)) * hidden
        )
    return max(sums, 0)


@always_inline
def partial_sums[
    hidden: Int
](inputs: SIMD[DType.float32, hidden], weights: Floats) -> SIMD[
    DType.float32, 4
]:
    """The dot product of `inputs` [H] and `weights` [H], folded down to four lanes.

    Parameters:
        hidden: Length H, a multiple of 16.

    Args:
        inputs: The hidden layer [H].
        weights: The start of one row [H].

    Returns:
        Four partial sums; the caller adds them up.
    """
    var sums = SIMD[DType.float32, LANES](0)
    comptime for chunk in range(hidden // LANES):
        var part = inputs.slice[LANES, offset=chunk * LANES]()
        sums = part.fma(weights.unsafe_load[width=LANES](chunk * LANES), sums)
    var half = sums.slice[8]() + sums.slice[8, offset=8]()
    return half.slice[4]() + half.slice[4, offset=4]()


@always_inline
def logits[
    cells: Int, hidden: Int
](inputs: SIMD[DType.float32, hidden], weights: Floats) -> SIMD[
    DType.float32, NUM_ACTIONS
]:
    """The logits [A] of the action head for a hidden layer [H].

    Parameters:
        cells: Cells of the board, which place the heads in the weights.
        hidden: Hidden units H, a multiple of 16.

    Args:
        inputs: The hidden layer [H].
        weights: All weights in the order of `Layout`.

    Returns:
        One logit for each action, illegal ones included.
    """
    comptime layout = Layout(cells * cells, hidden)
    comptime start = layout.action_weight()
    var left = partial_sums[hidden](inputs, weights.unsafe_offset(start))
    var up = partial_sums[hidden](inputs, weights.unsafe_offset(start + hidden))
    var right = partial_sums[hidden](
        inputs, weights.unsafe_offset(start + 2 * hidden)
    )
    var down = partial_sums[hidden](
        inputs, weights.unsafe_offset(start + 3 * hidden)
    )
    # The last two folds of all four actions at once.
    var all = left.join(up).join(right.join(down))
    all += all.shuffle[2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13]()
    all += all.shuffle[1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14]()
    var sums = all.shuffle[
        0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12
    ]().slice[NUM_ACTIONS]()
    return sums + weights.unsafe_load[width=NUM_ACTIONS](layout.action_bias())


@always_inline
def value[
    cells: Int, hidden: Int
](inputs: SIMD[DType.float32, hidden], weights: Floats) -> Float32:
    """The value of the value head for a hidden layer [H].

    Parameters:
        cells: Cells of the board, which place the heads in the weights.
        hidden: Hidden units H, a multiple of 16.

    Args:
        inputs: The hidden layer [H].
        weights: All weights in the order of `Layout`.

    Returns:
        The value, unbounded.
    """
    comptime layout = Layout(cells * cells, hidden)
    var sums = partial_sums[hidden](
        inputs, weights.unsafe_offset(layout.value_weight())
    )
    return sums.reduce_add() + weights[unsafe_offset=layout.value_bias()]
