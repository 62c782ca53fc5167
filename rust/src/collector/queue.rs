//! The episodes of a collection: which is next, what it draws from, how difficult it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::work::Work;
use crate::rl::env::{draw_difficulty, Env};
use crate::rl::start::DifficultyDistribution;
use crate::rl::vec_env::Move;
use crate::rng::Rng;

/// The episodes that all workers of a collection share.
pub(super) struct EpisodeQueue {
    work: Work,
    /// The environment's, which no episode exceeds.
    pub difficulty: usize,
    difficulty_distribution: DifficultyDistribution,
    next: AtomicUsize,
}

impl EpisodeQueue {
    pub fn new(
        env: &dyn Env,
        difficulty_distribution: DifficultyDistribution,
        work: &Work,
    ) -> Self {
        let (work, difficulty) = (work.clone(), env.get_difficulty());
        Self { work, difficulty, difficulty_distribution, next: AtomicUsize::new(0) }
    }

    /// The place of the next episode among those of the work, and how it begins; `None` when there
    /// is none left.
    ///
    /// `rng` becomes the stream of the episode.
    pub fn start(&self, rng: &mut Rng) -> Option<(usize, Move)> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        if place >= self.work.len() {
            return None;
        }
        let Work { seed, iteration, ref episodes } = self.work;
        *rng = Rng::stream(seed, iteration, episodes.start + place as u64);
        let action = match self.difficulty_distribution {
            DifficultyDistribution::Fixed => Move::Reset { difficulty: self.difficulty },
            DifficultyDistribution::Uniform => {
                Move::Reset { difficulty: draw_difficulty(self.difficulty, rng) }
            }
            DifficultyDistribution::Unbounded => Move::ResetUniform,
        };
        Some((place, action))
    }
}
