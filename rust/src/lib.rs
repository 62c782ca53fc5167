//! Reinforcement learning for puzzle-like decision problems.
//!
//! [`rl::env::Env`] is what an environment implements; [`nn::Policy`] evaluates batches of
//! observations; [`collector`] plays episodes for training, [`solve`] for judging and
//! solving. Every random draw comes from a stream named by (seed, iteration, lane), so results
//! do not depend on the number of threads.
//!
//! # Training
//!
//! A run takes the config of `twisterl train`; [`Training::keep_in`](run::Training::keep_in) would keep
//! it in a run folder, which Python reads.
//!
//! ```
//! use twisterl::run::{RunConfig, Training};
//! let config = RunConfig::parse(r#"{
//!     "env_cls": "LightsOut", "env": {"width": 2, "height": 2, "difficulty": 4},
//!     "policy_cls": "BasicPolicy", "policy": {"embedding_size": 32, "common_layers": [32]},
//!     "algorithm_cls": "PPO", "algorithm": {
//!         "collecting": {"num_episodes": 128}, "optimizer": {"lr": 0.01},
//!         "evals": {"ppo_deterministic": {"num_episodes": 50}},
//!         "learning": {"num_steps": 15, "diff_max": 4}
//!     }
//! }"#)?;
//! let mut training = Training::new(config)?;
//! let mut success = None;
//! training.learn(&mut |progress| success = progress.success, &mut || Ok(()))?;
//! assert!(success > Some(0.8));
//! # Ok::<(), twisterl::run::Failure>(())
//! ```
//!
//! # Acting
//!
//! A [`Player`](run::Player) is made of a run folder, of a checkpoint, or of a training.
//!
//! ```no_run
//! use std::path::Path;
//! use twisterl::{run::Player, solve::EvalConfig};
//! let player = Player::of_run(Path::new("runs/ppo_puzzle8_v1"))?;
//! let mut env = player.env();
//! env.set_state(vec![1, 2, 0, 3, 4, 5, 6, 7, 8]);
//! while !env.is_final() {
//!     env.step(player.act(&*env)?);
//! }
//! assert!(env.success());
//! // The best of 10 tries, by chance.
//! let how = EvalConfig { num_searches: 10, ..EvalConfig::default() };
//! let actions = player.solve(&[1, 2, 5, 3, 4, 8, 6, 7, 0], &how, 0, &mut || Ok(()))?;
//! println!("{actions:?}");
//! # Ok::<(), twisterl::run::Failure>(())
//! ```

// What only training uses is left over where there is none, and not compiled.
#![cfg_attr(not(feature = "learning"), allow(dead_code, unused_imports))]

pub mod c_interface;
pub mod clock;
pub mod collector;
pub mod engine;
pub mod envs;
pub mod error;
#[cfg(feature = "learning")]
pub mod es;
pub mod exact;
pub mod exported;
mod gf2;
pub mod guided;
pub mod locks;
pub mod nn;
#[cfg(feature = "learning")]
pub mod ranked;
pub mod rl;
pub mod rng;
pub mod routing;
#[cfg(feature = "learning")]
pub mod run;
pub mod search;
pub mod solve;
pub mod spaces;
pub mod testing;
#[cfg(feature = "learning")]
pub mod train;

// Where there is Python, there is a clock.
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
