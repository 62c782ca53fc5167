//! `AttentionPolicy`: the twin of `AttentionEncoder` in `python/twisterl/nn/encoders.py`.

use serde::Deserialize;

use super::policy::{linear, read, Saved};
use crate::nn::{Attention, Block, Offset};
use crate::spaces::ObsSpace;

const PLACE: &str = "module.encoder.place";

#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) d_model: usize,
    nhead: usize,
}

impl Tokens {
    /// From observations to `d_model` numbers.
    pub(super) fn blocks(&self, seen: &ObsSpace) -> Result<Vec<Block>, String> {
        let &Self { d_model: size, nhead: heads } = self;
        if size % heads != 0 {
            return Err(format!("d_model: expected a multiple of nhead {heads}, got {size}"));
        }
        let mut blocks = read(seen)?;
        let count = seen.shape().first().copied().unwrap_or(1);
        let width = seen.num_features() / count.max(1);
        if seen.shape() != [count, width] {
            blocks.push(Block::Reshape { shape: vec![count, width] });
        }
        let attended = Block::Attention(Attention {
            name: "module.encoder.attention".to_owned(),
            size,
            heads,
            bias: true,
        });
        blocks.extend([
            linear("module.encoder.embed", width, size),
            Block::Offset(Offset { name: PLACE.to_owned(), shape: vec![count, size] }),
            Block::Relu,
            Block::Residual { blocks: vec![attended] },
            Block::Flatten,
            linear("module.encoder.joined", count * size, size),
            Block::Relu,
        ]);
        Ok(blocks)
    }
}

/// Puts the places where Python has them: before what the parts of the encoder learn.
pub(super) fn order(saved: &mut Vec<Saved>) {
    if let Some(at) = saved.iter().position(|saved| saved.name == PLACE) {
        let place = saved.remove(at);
        let first = saved.iter().position(|saved| saved.name.starts_with("module.encoder."));
        saved.insert(first.unwrap_or(at), place);
    }
}
