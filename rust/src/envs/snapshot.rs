//! What the snapshots of all environments here begin with.

use crate::error::{Error, Result};
use crate::rl::env::check_difficulty;
use crate::rng::Rng;

/// What an environment has besides its board.
pub(super) struct Episode {
    /// Steps that are left.
    pub depth: u32,
    pub difficulty: usize,
    pub rng: Rng,
}

impl Episode {
    /// A snapshot: these, then the numbers of the board.
    pub fn with(self, board: Vec<i64>) -> Vec<i64> {
        let words = self.rng.words().map(|word| word as i64);
        [vec![self.depth.into(), self.difficulty as i64], words.to_vec(), board].concat()
    }

    /// What a snapshot is made of.
    ///
    /// # Errors
    /// If it is too short, or a number out of range.
    pub fn split(snapshot: &[i64]) -> Result<(Self, &[i64])> {
        let &[depth, difficulty, a, b, c, d, ref board @ ..] = snapshot else {
            let got = format!("{} entries", snapshot.len());
            return Err(Error::invalid("snapshot", "at least 6 entries", got));
        };
        let refuse = |name: &str, expected: &str, got: i64| {
            Error::invalid(format!("snapshot: {name}"), expected, got)
        };
        let depth = u32::try_from(depth)
            .map_err(|_| refuse("steps that are left", "an integer in 0..2^32", depth))?;
        let difficulty = usize::try_from(difficulty)
            .map_err(|_| refuse("difficulty", "an integer of at least 0", difficulty))?;
        check_difficulty(difficulty)?;
        let rng = Rng::from_words([a, b, c, d].map(|word| word as u64));
        Ok((Self { depth, difficulty, rng }, board))
    }
}
