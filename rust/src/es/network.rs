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

use super::board::{Board, NUM_ACTIONS};

/// Partial sums of a dot product; widths are multiples of it.
pub const LANES: usize = 16;

/// Sixteen weights that begin with a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(64))]
pub struct Block(pub [f32; LANES]);

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
    /// Number of weights.
    pub const fn size(self) -> usize {
        self.biases() * LANES + NUM_ACTIONS + 1
    }
}

/// The hidden layer of `CHUNKS` blocks for `board`, after the ReLU.
#[inline(always)]
pub fn embed<const CELLS: usize, const CHUNKS: usize>(
    board: &Board<CELLS>,
    weights: &[Block],
) -> [Block; CHUNKS] {
    let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
    let (rows, _) = weights.as_chunks::<CHUNKS>();
    let mut sums = rows[layout.embedding_bias() / CHUNKS];
    for (cell, &tile) in board.tiles.iter().enumerate() {
        let row = &rows[cell * CELLS + usize::from(tile)];
        for (sum, row) in sums.iter_mut().zip(row) {
            for (sum, weight) in sum.0.iter_mut().zip(row.0) {
                *sum += weight;
            }
        }
    }
    for sum in sums.iter_mut().flat_map(|block| &mut block.0) {
        *sum = if *sum > 0.0 { *sum } else { 0.0 };
    }
    sums
}

/// The dot product of a hidden layer and the weights that begin at block `start`.
#[inline(always)]
fn dot<const CHUNKS: usize>(hidden: &[Block; CHUNKS], weights: &[Block], start: usize) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (hidden, weights) in hidden.iter().zip(&weights[start..start + CHUNKS]) {
        for (sum, (input, weight)) in sums.iter_mut().zip(hidden.0.iter().zip(weights.0)) {
            *sum = input.mul_add(weight, *sum);
        }
    }
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
    }
    sums[0]
}

/// The logits of the action head.
#[inline(always)]
pub fn logits<const CELLS: usize, const CHUNKS: usize>(
    hidden: &[Block; CHUNKS],
    weights: &[Block],
) -> [f32; NUM_ACTIONS] {
    let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
    let bias = &weights[layout.biases()].0;
    // No closure: it would be compiled without the vectors of its caller.
    let mut outputs = [0.0; NUM_ACTIONS];
    for (action, output) in outputs.iter_mut().enumerate() {
        *output = dot(hidden, weights, layout.action_weight() + action * CHUNKS) + bias[action];
    }
    outputs
}

/// The value of the value head.
#[inline(always)]
pub fn value<const CELLS: usize, const CHUNKS: usize>(
    hidden: &[Block; CHUNKS],
    weights: &[Block],
) -> f32 {
    let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
    dot(hidden, weights, layout.value_weight()) + weights[layout.biases()].0[NUM_ACTIONS]
}

/// `weights` in whole blocks, zeros behind them.
pub fn to_blocks(weights: &[f32]) -> Vec<Block> {
    let block = |chunk: &[f32]| {
        let mut block = Block::default();
        block.0[..chunk.len()].copy_from_slice(chunk);
        block
    };
    weights.chunks(LANES).map(block).collect()
}
