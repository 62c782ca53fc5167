//! Search guided by a policy: a tree for every game, grown in waves.

mod config;
mod dirichlet;
mod explore;
mod gumbel;
mod play;
mod returns;
mod select;
mod transpositions;
mod tree;

pub use config::{Budget, RootSelection, SelfPlay, TreeConfig, Truncation};
pub use explore::{explore, Exploration};
pub(crate) use play::{play, Forester, SearchRules};
pub(crate) use transpositions::check_transpositions;
pub use tree::ExploredState;
