//! Playing episodes for training, in parallel and reproducibly.

pub mod az;
mod merge;
pub mod ppo;
mod queue;
mod rollout;
pub mod walk;

pub use crate::engine::cache::distinct_rows;
pub use rollout::Rollout;
