"""The shared generator in plain Python: xoshiro256++ seeded by SplitMix64.

Written from the published algorithms (Blackman and Vigna, "Scrambled linear pseudorandom number
generators"; Steele, Lea and Flood, "Fast splittable pseudorandom number generators"), not from
the Rust code that it judges.
"""

from __future__ import annotations

WORD = 2**64
GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def mix(word: int) -> int:
    """The finalizer of SplitMix64."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % WORD
    return word ^ (word >> 31)


def rotate_left(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) % WORD


class Rng:
    """A stream of 64-bit words; its state is the first four SplitMix64 outputs of `seed`."""

    def __init__(self, seed: int) -> None:
        self.state = [mix((seed + GOLDEN_GAMMA * (i + 1)) % WORD) for i in range(4)]

    @classmethod
    def stream(cls, seed: int, iteration: int, lane: int) -> Rng:
        """The stream of lane `lane` in iteration `iteration` of a run with seed `seed`."""
        name = mix((seed + GOLDEN_GAMMA) % WORD)
        for part in (iteration, lane):
            name = mix(((name ^ part) + GOLDEN_GAMMA) % WORD)
        return cls(name)

    def word(self) -> int:
        a, b, c, d = self.state
        result = (rotate_left((a + d) % WORD, 23) + a) % WORD
        shifted = (b << 17) % WORD
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotate_left(d, 45)
        self.state = [a, b, c, d]
        return result

    def below(self, bound: int) -> int:
        """An integer in 0..bound from the upper 32 bits of one word."""
        return (self.word() >> 32) * bound >> 32

    def unit(self) -> int:
        """2^24 times a float in [0, 1): the upper 24 bits of one word."""
        return self.word() >> 40

    def shuffle(self, length: int) -> list[int]:
        """Fisher-Yates from the last place down."""
        order = list(range(length))
        for i in range(length - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order
