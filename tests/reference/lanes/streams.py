"""The shared generator over many streams at once: ../rng.py in NumPy."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint64]]
GOLDEN_GAMMA = 0x9E3779B97F4A7C15
WORD = 2**64


@functools.lru_cache(maxsize=1024)
def word(value: int) -> np.uint64:
    return np.uint64(value % WORD)


def mix(words: Words) -> Words:
    """The finalizer of SplitMix64."""
    words = (words ^ (words >> word(30))) * word(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> word(27))) * word(0x94D049BB133111EB)
    return words ^ (words >> word(31))


def rotate_left(words: Words, bits: int) -> Words:
    return words << word(bits) | words >> word(64 - bits)


class Rng:
    """Streams of 64-bit words; `seeds` [N] name them."""

    def __init__(self, seeds: Any) -> None:
        seeds = np.atleast_1d(np.asarray(seeds, np.uint64))
        self.state = np.stack([mix(seeds + word(GOLDEN_GAMMA * (i + 1))) for i in range(4)])

    @classmethod
    def stream(cls, seed: int, iteration: Any, lanes: Any) -> Rng:
        """The streams of `lanes` [N] in `iteration` of a run with seed `seed`."""
        name = mix(np.atleast_1d(word(seed + GOLDEN_GAMMA)))
        for part in (iteration, lanes):
            name = mix((name ^ np.atleast_1d(np.asarray(part, np.uint64))) + word(GOLDEN_GAMMA))
        return cls(name)

    def words(self, which: Any = slice(None)) -> Words:
        """The next word of each stream in `which`; the others stay."""
        a, b, c, d = self.state[:, which]
        result = rotate_left(a + d, 23) + a
        shifted = b << word(17)
        c = c ^ a
        d = d ^ b
        self.state[:, which] = a ^ d, b ^ c, c ^ shifted, rotate_left(d, 45)
        return result

    def below(self, bound: Any, which: Any = slice(None)) -> Any:
        """Integers in 0..bound from the upper 32 bits of a word."""
        return upper(self.words(which), bound)

    def unit(self, which: Any = slice(None)) -> Any:
        """Floats in [0, 1): the upper 24 bits of a word."""
        return (self.words(which) >> word(40)).astype(np.float32) / np.float32(2**24)

    def shuffle(self, length: int) -> Any:
        """Fisher-Yates from the last place down: [N, length]."""
        order = np.tile(np.arange(length), (self.state.shape[1], 1))
        rows = np.arange(len(order))
        for i in range(length - 1, 0, -1):
            j = self.below(i + 1)
            kept = order[rows, j].copy()
            order[rows, j] = order[:, i]
            order[:, i] = kept
        return order


def upper(words: Words, bound: Any) -> Any:
    """Integers in 0..bound from the upper 32 bits of `words`."""
    return ((words >> word(32)) * np.asarray(bound, np.uint64) >> word(32)).astype(np.int64)
