//! Where activations live between the layers.

use super::blocks::Kept;
use super::buffer::Matrix;
use super::coarse::Coarsened;
use super::kernels::Bags;

/// Memory that a network works in; kept between calls, it allocates only once.
#[derive(Default)]
pub struct Scratch {
    pub(super) bags: Bags,
    /// The output of `common`, or of the joined heads; then two to alternate between.
    pub(super) activations: [Matrix; 3],
    pub(super) coarsened: Coarsened,
    /// What the layers of a composed network keep.
    pub(super) kept: Vec<Kept>,
    /// What rows that pass alone become.
    pub(super) joined: Matrix,
    /// Initial states of rows.
    pub(super) states: Vec<f32>,
}
