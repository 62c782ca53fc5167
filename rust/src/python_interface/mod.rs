//! The crate as Python sees it: conversions only, no decisions.
//!
//! There is no `#[pymodule]` here, so that other crates can extend [`env::PyBaseEnv`] and build
//! a module of their own.

pub mod acts;
pub mod args;
mod capsule;
pub mod dense;
pub mod dict;
pub mod env;
pub mod envs;
pub mod error;
pub mod get_env;
pub mod inside;
mod legacy;
mod memory_map;
mod parameters;
pub mod pickle;
pub mod puzzle;
pub mod pyenv;
mod python_env;
mod python_lanes;
pub mod python_object;
pub mod sparse;
