//! A network from the state dict of the Python `BasicPolicy`, whose names tell the layers.
//!
//! `embeddings`, then `common.0`, `common.2`, .. and the heads `action.0`, .. and `value.0`, ..: each
//! with a weight `[out, in]` and a bias `[out]`; the odd numbers are the ReLUs between them.

use super::safetensors::{Tensor, Tensors};
use super::spec::{Block, HeadSpec, NetSpec};
use super::Network;
use crate::error::{Error, Result};
use crate::rl::env::Twists;

impl Network {
    /// The network whose state dict `tensors` is, seen through `twists`.
    ///
    /// # Errors
    /// If a tensor is missing, foreign or of a shape that does not fit the others, or if they are tied
    /// to be more than twice what their file holds: layers have copies of their own.
    pub fn from_state_dict(tensors: &Tensors, twists: Twists) -> Result<Self> {
        let stored = tensors.values().len();
        let told: usize = tensors.iter().map(Tensor::len).sum();
        if told > 2 * stored {
            let expected = format!("at most twice the {stored} values of the file");
            return Err(Error::invalid("state dict", expected, told));
        }
        let spec = NetSpec::of_state_dict(tensors)?;
        let (known, all) = (spec.parameters().len(), tensors.iter().len());
        if known != all {
            let expected = format!("the {known} tensors of a BasicPolicy");
            return Err(Error::invalid("state dict", expected, format!("{all} tensors")));
        }
        let get = |name: &str| tensors.get(name).map(|(shape, values)| (shape.to_vec(), values));
        Self::from_spec(&spec, get, twists.0, twists.1)
    }
}

impl NetSpec {
    /// The `BasicPolicy` whose weights have the names and shapes of `tensors`.
    ///
    /// # Errors
    /// If there are no embeddings, or a weight is no matrix.
    pub fn of_state_dict(tensors: &Tensors) -> Result<Self> {
        let name = "embeddings".to_owned();
        let (features, out) = matrix(tensors, &name)?.ok_or_else(|| {
            Error::invalid("tensor embeddings.weight", "[outputs, features]", "nothing")
        })?;
        let mut encoder = vec![Block::Bag { name, features, out }, Block::Relu];
        for layer in layers(tensors, "common")? {
            encoder.extend([layer, Block::Relu]);
        }
        let head = |name| -> Result<Vec<Block>> {
            let mut blocks = Vec::new();
            for layer in layers(tensors, name)? {
                blocks.extend((!blocks.is_empty()).then_some(Block::Relu));
                blocks.push(layer);
            }
            Ok(blocks)
        };
        Ok(Self {
            encoder,
            action: head("action")?,
            value: head("value")?,
            head: HeadSpec::Categorical,
            initial_state: Vec::new(),
        })
    }
}

/// The layers `part.0`, `part.2`, .. up to the first that is missing.
fn layers(tensors: &Tensors, part: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    loop {
        let name = format!("{part}.{}", 2 * blocks.len());
        let Some((inputs, out)) = matrix(tensors, &name)? else { return Ok(blocks) };
        blocks.push(Block::Linear { name, inputs, out, bias: true });
    }
}

/// Inputs and outputs of the layer `name`, if it is there.
fn matrix(tensors: &Tensors, name: &str) -> Result<Option<(usize, usize)>> {
    let name = format!("{name}.weight");
    match tensors.get(&name) {
        None => Ok(None),
        Some((&[out, inputs], _)) => Ok(Some((inputs, out))),
        Some((shape, _)) => {
            let name = format!("tensor {name}");
            Err(Error::invalid(name, "the shape [outputs, inputs]", format!("{shape:?}")))
        }
    }
}
