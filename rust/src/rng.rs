//! The generator that all languages share: xoshiro256++ (Blackman, Vigna, "Scrambled linear
//! pseudorandom number generators"), seeded by SplitMix64.
//!
//! A stream is named by (seed, iteration, lane); nothing else decides what it yields. The same
//! arithmetic is in Mojo and in the NumPy reference: a change here is a new stream version.

pub(crate) const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer of SplitMix64.
#[inline]
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A random stream; 32 bytes, cheap to copy.
///
/// ```
/// use twisterl::rng::Rng;
/// let mut stream = Rng::stream(7, 0, 3);
/// assert_eq!(stream.next_u64(), Rng::stream(7, 0, 3).next_u64());
/// assert!(stream.below(9) < 9);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream whose state is the first four SplitMix64 outputs of `seed`.
    pub fn new(seed: u64) -> Self {
        let state =
            std::array::from_fn(
                |i| mix(seed.wrapping_add(GOLDEN_GAMMA.wrapping_mul(i as u64 + 1))),
            );
        Self { state }
    }

    /// The stream of lane `lane` in iteration `iteration` of a run with seed `seed`.
    pub fn stream(seed: u64, iteration: u64, lane: u64) -> Self {
        let run = mix(seed.wrapping_add(GOLDEN_GAMMA));
        let step = mix((run ^ iteration).wrapping_add(GOLDEN_GAMMA));
        Self::new(mix((step ^ lane).wrapping_add(GOLDEN_GAMMA)))
    }

    /// What goes on with the same numbers, for [`Rng::from_words`].
    pub fn words(&self) -> [u64; 4] {
        self.state
    }

    /// The stream whose words these are.
    pub fn from_words(words: [u64; 4]) -> Self {
        Self { state: words }
    }

    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = self.state;
        let result = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
        let (s2, s3) = (s2 ^ s0, s3 ^ s1);
        self.state = [s0 ^ s3, s1 ^ s2, s2 ^ (s1 << 17), s3.rotate_left(45)];
        result
    }

    /// A uniform integer in `0..bound` by one 64 x 32 bit multiplication of the upper 32 bits.
    ///
    /// The bias is at most `bound / 2^32`; there is no rejection, so every draw takes exactly
    /// one word. `bound` 0 gives 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A uniform float in [0, 1) with 24 random bits.
    #[inline]
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of xoshiro256++ seeded by SplitMix64 of 42, computed in Python and Mojo.
    #[test]
    fn matches_the_published_sequence() {
        let mut rng = Rng::new(42);
        assert_eq!(rng.next_u64(), 15021278609987233951);
        assert_eq!(rng.next_u64(), 5881210131331364753);
    }

    #[test]
    fn names_make_different_streams() {
        let first = |seed, iteration, lane| Rng::stream(seed, iteration, lane).next_u64();
        let all = [first(0, 0, 0), first(1, 0, 0), first(0, 1, 0), first(0, 0, 1), first(1, 1, 0)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
