//! Whole training runs without Python: the same configs, run folders and curves.
//!
//! ```text
//! JSON -> checked, with every default      (json.rs, schema.rs, config.rs)
//!      -> environment, network, algorithm   (going.rs, *polic*.rs, algorithm/)
//!      -> the loop                           (training.rs, plan.rs, curriculum.rs)
//!      -> a run folder, and back             (folder.rs, commits.rs, lock.rs, state.rs)
//!      -> actions                            (player.rs)
//! ```
//!
//! Where Python's updates are the engine's too, a run is the same run: equal first weights, metrics,
//! moments and checkpoints, byte for byte, and either language goes on with what the other has saved.

mod algorithm;
mod attention;
mod basic_policy;
mod commits;
mod config;
mod curriculum;
mod faults;
mod files;
mod folder;
mod going;
mod json;
mod lock;
mod mersenne;
mod orthogonal;
mod plan;
mod player;
mod policies;
mod policy;
mod progress;
mod schema;
mod state;
mod tensors;
mod torch_policies;
mod training;

pub use config::{Kind, RunConfig};
pub use faults::{Failure, Fault, Faults};
pub use folder::Existing;
pub use going::Training;
pub use player::Player;
pub use progress::{Evaluated, Progress};
pub use schema::most_iterations;

/// Says what the user should know of a run that goes on.
fn warn(text: &str) {
    eprintln!("{text}");
}
