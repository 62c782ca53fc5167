//! The noise of a pair of members, made from its name whenever it is needed, never stored.
//!
//! Entry i of a pair is `(ones - 8) / 2`, where `ones` counts the bits of 16 random bits: mean 0,
//! variance 1, nearly normal, and a whole number of halves. Sums of it are therefore exact, so
//! that an update does not depend on the order in which members are added up.

use super::block::LANES;
use crate::rng::{mix, Rng, GOLDEN_GAMMA};

/// Keeps the streams of the noise apart from those of the episodes.
const TAG: u64 = 0x006E_6F69_7365;
/// Entries that one random word gives.
const PER_WORD: usize = 4;

/// The noise of one pair: entry by entry, anywhere, without what comes before.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// The SplitMix64 state before word 0.
    origin: u64,
}

impl Noise {
    /// The noise of `pair` in `generation` of the run with seed `seed`.
    pub fn new(seed: u64, generation: u64, pair: usize) -> Self {
        Self { origin: Rng::stream(seed ^ TAG, generation, pair as u64).next_u64() }
    }

    /// Twice the entries of block `index` of `LANES`, each in -8..=8.
    pub fn block(self, index: usize) -> [i32; LANES] {
        let [even, odd] = self.two_blocks(index / 2);
        if index.is_multiple_of(2) {
            even
        } else {
            odd
        }
    }

    /// Twice the entries of the blocks `2 * index` and `2 * index + 1`: eight words side by side,
    /// for processors that have such vectors.
    #[inline(always)]
    pub fn two_blocks(self, index: usize) -> [[i32; LANES]; 2] {
        let first = (2 * index * LANES / PER_WORD) as u64 + 1;
        let mut words = [0u64; 2 * LANES / PER_WORD];
        for (word, bits) in words.iter_mut().enumerate() {
            let number = first + word as u64;
            let random = mix(self.origin.wrapping_add(GOLDEN_GAMMA.wrapping_mul(number)));
            // Ones are counted in every 2, 4, 8 and then 16 bits.
            let twos = random - ((random >> 1) & 0x5555_5555_5555_5555);
            let fours = (twos & 0x3333_3333_3333_3333) + ((twos >> 2) & 0x3333_3333_3333_3333);
            let eights = (fours + (fours >> 4)) & 0x0F0F_0F0F_0F0F_0F0F;
            *bits = (eights + (eights >> 8)) & 0x001F_001F_001F_001F;
        }
        let mut bytes = [[0u8; 8]; 2 * LANES / PER_WORD];
        for (bytes, bits) in bytes.iter_mut().zip(words) {
            *bytes = bits.to_le_bytes();
        }
        let (counts, _) = bytes.as_flattened().as_chunks::<2>();
        let mut blocks = [[0; LANES]; 2];
        for (entry, &ones) in blocks.as_flattened_mut().iter_mut().zip(counts) {
            *entry = i32::from(u16::from_le_bytes(ones)) - 8;
        }
        blocks
    }
}
