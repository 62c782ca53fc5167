//! The crate as Python sees it: conversions only, no decisions.
//!
//! There is no `#[pymodule]` here, so that other crates can extend [`env::PyBaseEnv`] and build
//! a module of their own.

pub mod acts;
pub mod args;
mod az_collector;
pub mod capsule;
mod choice;
mod collected;
pub mod collector;
mod columns;
mod dense;
mod derived;
mod described;
pub mod env;
pub mod envs;
pub mod error;
mod es;
mod evaluation;
pub mod get_env;
mod inside;
mod legacy;
mod memory_map;
pub mod nn;
mod optimum;
mod parameters;
mod pickle;
mod ppo_collector;
pub mod puzzle;
pub mod pyenv;
mod python_env;
mod python_lanes;
mod python_object;
mod read;
mod run;
mod starts;
mod strategy;
mod torch_policy;
mod walk;
