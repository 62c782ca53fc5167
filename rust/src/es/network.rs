//! A `BasicPolicy` with one hidden layer, its sizes compiled in.
//!
//! ```text
//! hidden = relu(embedding_bias + sum over cells of embedding[cell * cells + tile])
//! logits[a] = action_weight[a] . hidden + action_bias[a]
//! value = value_weight . hidden + value_bias
//! ```
//!
//! The arithmetic is fixed to the bit, for all languages: rows are added in the order of the
//! cells, and a dot product is 16 partial sums (fused, 16 inputs at a time) folded in halves.

use super::block::{Block, LANES};
use super::board::{Board, NUM_ACTIONS};
use super::vectors::Simd;

/// Where each tensor of the policy begins, in blocks: the embedding `[F, H]` feature by feature
/// (the transpose of the checkpoint's), its bias `[H]`, the action weight `[A, H]`, the value
/// weight `[H]`, and one block with the action bias `[A]` and the value bias `[1]`.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub features: usize,
    pub hidden: usize,
}

impl Layout {
    pub const fn embedding_bias(self) -> usize {
        self.features * self.hidden / LANES
    }
    pub const fn action_weight(self) -> usize {
        self.embedding_bias() + self.hidden / LANES
    }
    pub const fn value_weight(self) -> usize {
        self.action_weight() + NUM_ACTIONS * self.hidden / LANES
    }
    pub const fn biases(self) -> usize {
        self.value_weight() + self.hidden / LANES
    }
    pub const fn blocks(self) -> usize {
        self.biases() + 1
    }
    /// Number of weights, of any width.
    pub const fn size(self) -> usize {
        self.hidden * (self.features + 1 + NUM_ACTIONS + 1) + NUM_ACTIONS + 1
    }
}

/// The hidden layer of `CHUNKS` blocks for `board`, after the ReLU.
///
/// # Safety
/// The processor has what `S` needs; `weights` are [`Layout::blocks`].
#[inline(always)]
pub unsafe fn embed<S: Simd, const CELLS: usize, const CHUNKS: usize>(
    board: &Board<CELLS>,
    weights: &[Block],
) -> [S; CHUNKS] {
    let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
    let mut sums = [S::zero(); CHUNKS];
    for (chunk, sum) in sums.iter_mut().enumerate() {
        *sum = S::load(weights.get_unchecked(layout.embedding_bias() + chunk));
    }
    // Word by word: a single loop of 25 cells is not unrolled.
    for first in (0..CELLS).step_by(Board::<CELLS>::PER_WORD) {
        for cell in first..CELLS.min(first + Board::<CELLS>::PER_WORD) {
            let row = weights.as_ptr().add((cell * CELLS + board.tile(cell)) * CHUNKS);
            for (chunk, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(&*row.add(chunk));
            }
        }
    }
    for sum in &mut sums {
        *sum = sum.relu();
    }
    sums
}

/// The partial sums of the dot product of a hidden layer and the weights from block `start` on.
#[inline(always)]
unsafe fn dot<S: Simd, const CHUNKS: usize>(
    hidden: &[S; CHUNKS],
    weights: &[Block],
    start: usize,
) -> S {
    let mut sums = hidden[0].multiply(weights.get_unchecked(start));
    for (chunk, hidden) in hidden.iter().enumerate().skip(1) {
        sums = hidden.multiply_add(weights.get_unchecked(start + chunk), sums);
    }
    sums
}

/// The logits of the action head.
///
/// # Safety
/// As [`embed`].
#[inline(always)]
pub unsafe fn logits<S: Simd, const CELLS: usize, const CHUNKS: usize>(
    hidden: &[S; CHUNKS],
    weights: &[Block],
) -> [f32; NUM_ACTIONS] {
    let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
    let mut sums = [S::zero(); NUM_ACTIONS];
    for (action, sum) in sums.iter_mut().enumerate() {
        *sum = dot(hidden, weights, layout.action_weight() + action * CHUNKS);
    }
    let [left, up, right, down, ..] = weights.get_unchecked(layout.biases()).0;
    S::fold(sums, [left, up, right, down])
}

/// The values of the value head for the hidden layers of the children of a board.
///
/// # Safety
/// As [`embed`].
#[inline(always)]
pub unsafe fn values<S: Simd, const CELLS: usize, const CHUNKS: usize>(
    hidden: &[[S; CHUNKS]; NUM_ACTIONS],
    weights: &[Block],
) -> [f32; NUM_ACTIONS] {
    let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
    let mut sums = [S::zero(); NUM_ACTIONS];
    for (sum, hidden) in sums.iter_mut().zip(hidden) {
        *sum = dot(hidden, weights, layout.value_weight());
    }
    S::fold(sums, [weights.get_unchecked(layout.biases()).0[NUM_ACTIONS]; NUM_ACTIONS])
}
