//! Playing episodes for training, in parallel and reproducibly.

mod ahead;
pub mod az;
mod given;
mod merge;
pub mod ppo;
mod queue;
mod steps;
mod table;
pub mod walk;
mod work;

pub use crate::engine::cache::distinct_rows;
pub use given::{legal_and_chosen, require_rows};
pub use table::{Cell, Cells, Column, Table};
pub use work::{Span, Work};
