"""The noise of a pair of members, made from its name whenever it is needed, never stored.

Entry i of a pair is `(ones - 8) / 2`, where `ones` counts the bits of 16 random bits: mean 0,
variance 1, nearly normal, and a whole number of halves. Sums of it are therefore exact, so that
an update does not depend on the order in which members are added up.
"""

from std.bit import pop_count
from std.memory import bitcast

from .rng import GOLDEN_GAMMA, Rng, mix

comptime BLOCK = 32
"""Entries that are made together, from eight words."""
comptime NOISE_TAG = UInt64(0x6E6F697365)
"""Keeps the streams of the noise apart from those of the episodes."""


@fieldwise_init
struct Noise(ImplicitlyCopyable):
    """The noise of one pair: entry by entry, anywhere, without what comes before.
    """

    var origin: UInt64
    """The SplitMix64 state before word 0."""

    @staticmethod
    def of(seed: UInt64, generation: Int, pair: Int) -> Noise:
        """The noise of `pair` in `generation` of the run with seed `seed`.

        Args:
            seed: Seed of the run.
            generation: Counts from 0.
            pair: In 0..num_pairs.

        Returns:
            Entries that depend on nothing but these three numbers.
        """
        var stream = Rng.stream(
            seed ^ NOISE_TAG, UInt64(generation), UInt64(pair)
        )
        return Noise(stream.next())

    @always_inline
    def block(self, index: Int) -> SIMD[DType.int16, BLOCK]:
        """Twice the entries `BLOCK * index` to `BLOCK * (index + 1)`, each in -8..8.

        Args:
            index: Number of the block, from 0.

        Returns:
            `BLOCK` whole numbers; half of each is the entry.
        """
        var numbers = SIMD[DType.uint64, 8](1, 2, 3, 4, 5, 6, 7, 8) + UInt64(
            8 * index
        )
        var words = mix(numbers * GOLDEN_GAMMA + self.origin)
        return pop_count(bitcast[DType.int16, BLOCK](words)) - 8


@always_inline
def padded(count: Int) -> Int:
    """`count` entries as whole blocks.

    Args:
        count: Entries that are needed.

    Returns:
        The smallest multiple of `BLOCK` that is at least `count`.
    """
    return (count + BLOCK - 1) // BLOCK * BLOCK
