//! The episodes of a collection: which is next, what it draws from, how difficult it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rl::env::Env;
use crate::rl::vec_env::Move;
use crate::rng::Rng;

/// How difficult each episode is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifficultyDistribution {
    /// As difficult as the environment says.
    #[default]
    Fixed,
    /// Uniform from 1 to what the environment says.
    Uniform,
}

/// The episodes that all workers of a collection share.
pub(super) struct EpisodeQueue {
    num_episodes: usize,
    seed: u64,
    iteration: u64,
    /// The environment's.
    difficulty: usize,
    difficulty_distribution: DifficultyDistribution,
    next: AtomicUsize,
}

impl EpisodeQueue {
    pub fn new(
        env: &dyn Env,
        num_episodes: usize,
        difficulty_distribution: DifficultyDistribution,
        seed: u64,
        iteration: u64,
    ) -> Self {
        let difficulty = env.get_difficulty();
        let next = AtomicUsize::new(0);
        Self { num_episodes, seed, iteration, difficulty, difficulty_distribution, next }
    }

    /// The number of the next episode and how it begins; `None` when there is none left.
    ///
    /// `rng` becomes the stream of the episode: (`seed`, `iteration`, its number).
    pub fn start(&self, rng: &mut Rng) -> Option<(usize, Move)> {
        let episode = self.next.fetch_add(1, Ordering::Relaxed);
        if episode >= self.num_episodes {
            return None;
        }
        *rng = Rng::stream(self.seed, self.iteration, episode as u64);
        let difficulty = match self.difficulty_distribution {
            DifficultyDistribution::Fixed => self.difficulty,
            DifficultyDistribution::Uniform => {
                1 + rng.below(u32::try_from(self.difficulty).unwrap_or(u32::MAX)) as usize
            }
        };
        Some((episode, Move::Reset { difficulty }))
    }
}
