//! Playing many episodes in lock step: one network batch per step of all lanes.

mod actor;
pub(crate) mod cache;
pub(crate) mod capped;
pub(crate) mod evaluator;
pub(crate) mod kept;
pub(crate) mod lockstep;
pub mod pool;
pub mod preparing;
pub(crate) mod row_set;
pub(crate) mod rules;
pub mod store;
pub(crate) mod team;
pub mod threads;
mod try_out;

pub use capped::DEFAULT_MAX_EPISODE_STEPS;
pub use try_out::try_out;
