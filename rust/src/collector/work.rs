//! Which episodes are to be played, and what they draw from.

use std::ops::Range;

use serde::{Deserialize, Serialize};

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

/// Which of the episodes, or of whatever there are so many of: `count` of them from number `first` on,
/// or all from there.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    pub first: u64,
    pub count: Option<u64>,
}

impl Span {
    /// Those of `num`.
    ///
    /// # Errors
    /// If there are none, or not so many.
    pub fn of(self, num: u64) -> Result<Range<u64>> {
        let Self { first, count } = self;
        let count = count.unwrap_or_else(|| num.saturating_sub(first));
        let end = first.checked_add(count).filter(|&end| end <= num && count > 0);
        end.map(|end| first..end).ok_or_else(|| {
            let expected = format!("first in 0..{num} and count in 1..={num} - first");
            let got = format!("first {first} and count {count}");
            Error::invalid("first, count", expected, got)
        })
    }
}
