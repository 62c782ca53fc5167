//! Environments and what is played with them.

pub mod env;
pub mod evaluate;
mod lanes;
pub mod starts;
pub mod vec_env;
