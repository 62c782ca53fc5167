"""The generator that all languages share: xoshiro256++ seeded by SplitMix64.

```mojo
from twisterl.rng import Rng

def main():
    var stream = Rng.stream(7, 0, 3)
    print(stream.next(), stream.below(9), stream.unit())
```

Blackman and Vigna, "Scrambled linear pseudorandom number generators".
"""

from std.bit import rotate_bits_left

comptime GOLDEN_GAMMA = UInt64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: the step from one SplitMix64 state to the next."""


@always_inline
def mix[
    width: SIMDLength
](word: SIMD[DType.uint64, width]) -> SIMD[DType.uint64, width]:
    """The finalizer of SplitMix64, lane by lane.

    Parameters:
        width: Lanes, each mixed by itself.

    Args:
        word: States of SplitMix64.

    Returns:
        The output that belongs to each state.
    """
    var z = word
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    return z ^ (z >> 31)


struct Rng(Copyable, Movable):
    """A random stream of 64-bit words; 32 bytes."""

    var state: SIMD[DType.uint64, 4]
    """The four words of the state, s0 first."""

    def __init__(out self, seed: UInt64):
        """The stream whose state is the first four SplitMix64 outputs of `seed`.

        Args:
            seed: Any 64 bits.
        """
        var steps = SIMD[DType.uint64, 4](1, 2, 3, 4)
        self.state = mix(seed + GOLDEN_GAMMA * steps)

    @staticmethod
    def stream(seed: UInt64, iteration: UInt64, lane: UInt64) -> Rng:
        """The stream of lane `lane` in iteration `iteration` of a run with seed `seed`.

        Args:
            seed: Seed of the run.
            iteration: Iteration or generation, from 0.
            lane: Episode, pair or environment, from 0.

        Returns:
            A generator that depends on nothing but these three numbers.
        """
        var name = mix(seed + GOLDEN_GAMMA)
        name = mix((name ^ iteration) + GOLDEN_GAMMA)
        return Rng(mix((name ^ lane) + GOLDEN_GAMMA))

    @always_inline
    def next(mut self) -> UInt64:
        """The next word.

        Returns:
            64 random bits.
        """
        var s0 = self.state[0]
        var s1 = self.state[1]
        var s2 = self.state[2] ^ s0
        var s3 = self.state[3] ^ s1
        var result = rotate_bits_left[23](s0 + self.state[3]) + s0
        self.state[0] = s0 ^ s3
        self.state[1] = s1 ^ s2
        self.state[2] = s2 ^ (s1 << 17)
        self.state[3] = rotate_bits_left[45](s3)
        return result

    @always_inline
    def below(mut self, bound: UInt64) -> UInt64:
        """An integer in 0..bound, `bound` at most 2^32, from the upper 32 bits of one word.

        Args:
            bound: In 1..=2^32.

        Returns:
            A number in 0..bound; none is likelier than another by more than `bound / 2^32` of its
            share.
        """
        return ((self.next() >> 32) * bound) >> 32

    @always_inline
    def unit(mut self) -> Float32:
        """A float in [0, 1) with 24 random bits.

        Returns:
            A multiple of 2^-24 below 1.
        """
        return Float32(self.next() >> 40) * Float32(5.9604644775390625e-08)
