//! Weights by sixteens, as the loops read them.

/// Partial sums of a dot product; widths are multiples of it.
pub const LANES: usize = 16;

/// Sixteen weights that begin with a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(64))]
pub struct Block(pub [f32; LANES]);

/// `weights` in whole blocks, zeros behind them.
pub fn to_blocks(weights: &[f32]) -> Vec<Block> {
    let block = |chunk: &[f32]| {
        let mut block = Block::default();
        block.0[..chunk.len()].copy_from_slice(chunk);
        block
    };
    weights.chunks(LANES).map(block).collect()
}
