//! What a layer remembers of some sequences.

use super::buffer::Matrix;

/// What a layer remembers of some sequences, and works in.
#[derive(Default)]
pub(super) struct Memory {
    /// How many of the sequences have a first step, a second one and so on: never rising.
    pub(super) steps: Vec<usize>,
    /// Before the first step of each sequence, then after its last.
    pub(super) h: Matrix,
    /// Likewise; of an LSTM.
    pub(super) c: Matrix,
    /// On the way back: the gradients by `h`, by what else goes back, and by what `h` is made into.
    pub(super) by_h: Matrix,
    pub(super) beside: Matrix,
    pub(super) by_recalled: Matrix,
}
