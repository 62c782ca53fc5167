//! Training without another library: gradient descent in minibatches on what was collected.
//!
//! ```text
//! samples -> minibatches of distinct observations                 (draws.rs, batch.rs)
//!            or of sequences, for a network that remembers        (sequences.rs)
//!         -> losses, gradient                                     (gradient.rs)
//!         -> Adam -> weights, packed anew                         (update.rs, adam.rs)
//! ```
//!
//! What an algorithm wants is an [`Objective`], one file each: [`ppo`], [`walk`], [`az`]. Equal
//! weights, samples, seed and iteration give the same bytes for any number of threads. [`parity`] needs
//! no descent.

mod adam;
pub mod az;
mod batch;
mod descent;
mod draws;
mod gradient;
mod judge;
mod learner;
mod lengths;
mod normal;
pub mod parity;
pub mod ppo;
mod sequences;
mod softmax;
mod update;
pub mod walk;

pub use adam::{AdamConfig, Moment};
pub use batch::Samples;
pub use descent::{Descent, Losses, Objective, TrainPrecision};
pub use judge::Actions;
pub use learner::{Learner, WEIGHT};
pub use sequences::Sequences;
