//! How large the returns of a search are.

/// The returns that a search has met.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReturnRange {
    low: f32,
    high: f32,
}

impl Default for ReturnRange {
    fn default() -> Self {
        Self { low: f32::INFINITY, high: f32::NEG_INFINITY }
    }
}

impl ReturnRange {
    #[inline]
    pub(super) fn include(&mut self, value: f32) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// Factor that brings differences of returns into [-2, 2], as those within [-1, 1] are.
    ///
    /// Min-max normalisation (Schrittwieser et al. 2020, "Mastering Atari, Go, chess and shogi by
    /// planning with a learned model", equation 5), to the range that AlphaZero's values have and
    /// never stretching a narrower one: `C` means the same whatever the rewards' size.
    #[inline]
    pub(super) fn scale(&self) -> f32 {
        2.0 / (self.high - self.low).max(2.0)
    }
}
