//! `BasicPolicy` and `Conv1dPolicy`: the twins of `python/twisterl/nn/policy.py`.

use serde::Deserialize;

use super::policy::{head_of, linear, Drawing, Net};
use crate::nn::{Block, NetSpec};
use crate::rl::env::{Env, Twists};
use crate::spaces::{ActSpace, ObsSpace};

/// The keys of a `BasicPolicy`, and that of a `Conv1dPolicy`.
#[derive(Deserialize)]
pub(super) struct Arguments {
    embedding_size: usize,
    common_layers: Vec<usize>,
    policy_layers: Vec<usize>,
    value_layers: Vec<usize>,
    twists: bool,
    squash: bool,
    conv_dim: Option<usize>,
}

/// The network of `arguments` for `env`; what does not fit as text.
pub(super) fn made(arguments: Arguments, env: &dyn Env) -> Result<Net, String> {
    let spec = env.spec();
    if arguments.squash && !matches!(spec.acts, ActSpace::Box { .. }) {
        return Err("squash: expected false, for actions are not numbers, got true".to_owned());
    }
    let (mut encoder, width, copy) = arguments.first(&spec.obs)?;
    encoder.push(Block::Relu);
    let common = stack("common", width, &arguments.common_layers, true);
    let width = arguments.common_layers.last().copied().unwrap_or(width);
    encoder.extend(common);
    let head = |name: &str, layers: &[usize], out: usize| {
        stack(name, width, &[layers, &[out]].concat(), false)
    };
    let action = head("action", &arguments.policy_layers, spec.acts.num_outputs());
    let value = head("value", &arguments.value_layers, 1);
    let head = head_of(&spec.acts, "log_std", arguments.squash);
    let described = NetSpec { encoder, action, value, head, initial_state: Vec::new() };
    let twists = if arguments.twists { spec.twists.clone() } else { Twists::default() };
    let mut net = Net::of(described, twists, Drawing::Torch);
    net.copy = copy;
    Ok(net)
}

impl Arguments {
    /// The blocks that read an observation, their outputs, and the second name of their weight.
    #[allow(clippy::type_complexity)]
    fn first(
        &self,
        obs: &ObsSpace,
    ) -> Result<(Vec<Block>, usize, Option<(String, String)>), String> {
        let (size, name) = (self.embedding_size, "embeddings".to_owned());
        match (self.conv_dim, obs) {
            (None, ObsSpace::Sparse { .. }) => {
                let bag = Block::Bag { name, features: obs.num_features(), out: size };
                Ok((vec![bag], size, None))
            }
            (None, &ObsSpace::Dense { dtype, .. }) => {
                let features = obs.num_features();
                let read = Block::Dense { features, dtype };
                let layer = linear(name, features, size);
                Ok((vec![read, layer], size, None))
            }
            (None, ObsSpace::Dict(parts)) => {
                let read = Block::Parts { parts: parts.clone() };
                let layer = linear(name, parts.num_features(), size);
                Ok((vec![read, layer], size, None))
            }
            (Some(axis), ObsSpace::Sparse { shape }) => {
                let &[rows, columns] = shape.as_slice() else {
                    return Err(format!("obs_shape: expected two numbers, got {shape:?}"));
                };
                let positions = [rows, columns][1 - axis];
                if size % positions != 0 {
                    let expected = format!("expected a multiple of {positions}");
                    return Err(format!("embedding_size: {expected}, got {size}"));
                }
                let (name, out) = (format!("{name}.{axis}"), size / positions);
                let copy = ("conv_layer.weight".to_owned(), format!("{name}.weight"));
                let block = Block::BagConv1d { name, shape: [rows, columns], axis, out };
                Ok((vec![block], size, Some(copy)))
            }
            (Some(_), obs) => {
                let got = if obs.parts().is_some() { "a dict" } else { "dense ones" };
                Err(format!("Conv1dPolicy: expected sparse observations, got {got}"))
            }
        }
    }
}

/// Linear layers of these widths with a ReLU between them, and one at the end if `ends_in_relu`.
fn stack(name: &str, inputs: usize, widths: &[usize], ends_in_relu: bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut inputs = inputs;
    for (i, &out) in widths.iter().enumerate() {
        blocks.push(linear(format!("{name}.{}", 2 * i), inputs, out));
        if ends_in_relu || i + 1 < widths.len() {
            blocks.push(Block::Relu);
        }
        inputs = out;
    }
    blocks
}
