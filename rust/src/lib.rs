//! Reinforcement learning for puzzle-like decision problems.
//!
//! [`rl::env::Env`] is what an environment implements; [`nn::Policy`] evaluates batches of
//! observations; [`collector`] plays episodes for training, [`solve`] for judging and
//! solving. Every random draw comes from a stream named by (seed, iteration, lane), so results
//! do not depend on the number of threads.

pub mod clock;
pub mod collector;
pub mod engine;
pub mod envs;
pub mod error;
pub mod es;
pub mod exact;
pub mod nn;
pub mod rl;
pub mod rng;
pub mod run;
pub mod search;
pub mod solve;
pub mod spaces;
pub mod testing;
pub mod train;

/// Where there is Python, there is a clock.
#[cfg(feature = "python_bindings")]
#[allow(clippy::disallowed_methods)]
pub mod python_interface;

/// The pyo3 that this crate was built with, so that an environment crate cannot mix two versions.
#[cfg(feature = "python_bindings")]
pub use pyo3;

pub use error::{Error, Result};

#[cfg(doctest)]
#[doc = include_str!("../../docs/add-an-environment.md")]
struct AddAnEnvironment;
