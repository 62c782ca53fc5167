//! The noise of a pair of members, made from its name whenever it is needed, never stored.
//!
//! Entry i of a pair is `(ones - 8) / 2`, where `ones` counts the bits of 16 random bits: mean 0,
//! variance 1, nearly normal, and a whole number of halves. Sums of it are therefore exact, so
//! that an update does not depend on the order in which members are added up.

use super::network::LANES;
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

    /// Twice the entries from `LANES * index` on, each in -8..=8.
    #[inline(always)]
    pub fn block(self, index: usize) -> [i32; LANES] {
        let first = (index * LANES / PER_WORD) as u64 + 1;
        let mut entries = [0; LANES];
        for word in 0..LANES / PER_WORD {
            let number = first + word as u64;
            let bits = mix(self.origin.wrapping_add(GOLDEN_GAMMA.wrapping_mul(number)));
            for part in 0..PER_WORD {
                let ones = ((bits >> (16 * part)) as u16).count_ones();
                entries[word * PER_WORD + part] = ones as i32 - 8;
            }
        }
        entries
    }
}
