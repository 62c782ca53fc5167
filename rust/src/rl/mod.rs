//! Environments, alone and in batches.

pub mod checked;
pub mod deferred;
pub mod env;
pub mod estimates;
mod lanes;
pub mod spec;
pub mod start;
pub mod transvections;
pub mod vec_env;
