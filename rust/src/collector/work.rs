//! Which episodes are to be played, and what they draw from.

use std::ops::Range;

use crate::error::{Error, Result};

/// The episodes `episodes` of iteration `iteration`: episode `e` draws from the stream (`seed`,
/// `iteration`, `e`) alone.
///
/// So whoever plays a range of them, on whatever machine, gets what the whole has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub seed: u64,
    pub iteration: u64,
    /// Numbers of the episodes, or of the walks.
    pub episodes: Range<u64>,
}

impl Work {
    /// All `num_episodes` episodes of an iteration.
    pub fn whole(seed: u64, iteration: u64, num_episodes: usize) -> Self {
        Self { seed, iteration, episodes: 0..num_episodes as u64 }
    }

    /// How many episodes there are.
    pub fn len(&self) -> usize {
        usize::try_from(self.episodes.end.saturating_sub(self.episodes.start)).unwrap_or(usize::MAX)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses work without an episode.
    pub fn check(&self) -> Result<()> {
        if self.is_empty() {
            return Err(Error::invalid("episodes", "at least one", format!("{:?}", self.episodes)));
        }
        Ok(())
    }
}
