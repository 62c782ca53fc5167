//! A network as data: what torch builds, the engine runs and a file holds.
//!
//! ```
//! use twisterl::nn::{Block, NetSpec, Network, Policy};
//! let text = r#"{
//!     "encoder": [{"block": "bag", "name": "embeddings", "features": 3, "out": 1}, {"block": "relu"}],
//!     "action": [{"block": "linear", "name": "action.0", "inputs": 1, "out": 2}],
//!     "value": [{"block": "linear", "name": "value.0", "inputs": 1, "out": 1}]
//! }"#;
//! let spec = NetSpec::parse(text)?;
//! assert_eq!(spec.parameters().len(), 6);
//! let weights = |name: &str| -> Option<(Vec<usize>, Vec<f32>)> {
//!     Some(match name {
//!         "embeddings.weight" => (vec![1, 3], vec![1.0, 2.0, 3.0]),
//!         "action.0.weight" => (vec![2, 1], vec![1.0, -1.0]),
//!         "value.0.weight" => (vec![1, 1], vec![2.0]),
//!         "action.0.bias" => (vec![2], vec![0.0, 0.0]),
//!         _ => (vec![1], vec![0.5]),
//!     })
//! };
//! let policy = Network::from_spec(&spec, weights, vec![], vec![])?;
//! assert_eq!((policy.num_features(), policy.num_actions()), (3, 2));
//! # Ok::<(), twisterl::Error>(())
//! ```

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blocks::activation::Activation;
use super::blocks::attention::Attention;
use super::blocks::conv::Conv;
use super::blocks::group_norm::GroupNorm;
use super::blocks::layer_norm::LayerNorm;
use super::blocks::lookup::Embedding;
use super::blocks::offset::Offset;
use super::blocks::pool::Pool;
use super::blocks::recurrent::Recurrent;
use super::blocks::running_norm::RunningNorm;
use super::blocks::{named, yes, Describe};
use super::shapes::Parameter;
use crate::error::{Error, Result};
use crate::spaces::{Dtype, Parts};

/// One step of a network. `name` is the prefix of its parameters, as in torch's state dict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// The first layer over binary features: bias plus the weights of the active ones.
    /// `weight [out, features]`, `bias [out]`.
    Bag {
        name: String,
        features: usize,
        out: usize,
    },
    /// The first layer as a convolution of kernel 1 over binary features of the shape `shape`: axis
    /// `axis` is its channels, and each place on the other axis has `out` outputs of its own.
    /// `weight [out, channels, 1]`, no bias.
    BagConv1d {
        name: String,
        shape: [usize; 2],
        axis: usize,
        out: usize,
    },
    /// Dense observations of `features` numbers, in place of a bag.
    Dense {
        features: usize,
        dtype: Dtype,
    },
    /// Binary features as numbers, 1 where one is active and 0 elsewhere: for blocks that need them
    /// all, while a bag needs the active ones alone.
    Sparse {
        features: usize,
    },
    /// The numbers of observations of several parts, one part after another.
    Parts {
        parts: Parts,
    },
    /// Fully connected, along the last axis. `weight [out, inputs]`, and `bias [out]` unless `bias`
    /// is false.
    Linear {
        name: String,
        inputs: usize,
        out: usize,
        #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
        bias: bool,
    },
    /// `max(x, 0)`.
    Relu,
    /// Another function of each number.
    Activation(Activation),
    LayerNorm(LayerNorm),
    GroupNorm(GroupNorm),
    RunningNorm(RunningNorm),
    Embedding(Embedding),
    Conv(Conv),
    Offset(Offset),
    Pool(Pool),
    Attention(Attention),
    Recurrent(Recurrent),
    /// All numbers on one axis.
    Flatten,
    /// The same numbers in another shape.
    Reshape {
        shape: Vec<usize>,
    },
    /// Numbers `start` to `end` of one axis, the latter not included.
    Slice {
        start: usize,
        end: usize,
    },
    /// `x + blocks(x)`
    Residual {
        blocks: Vec<Block>,
    },
    /// Lists of blocks for the same input, what they give joined to one; a list without blocks gives
    /// the input.
    Parallel {
        branches: Vec<Vec<Block>>,
        join: Join,
    },
}

/// What becomes of the outputs of branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// One after another along the first axis.
    Concat,
    Sum,
}

/// A policy network: the blocks that both heads share, then those of each.
///
/// Its parameters in their order are one flat vector, [`NetSpec::parameters`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    pub encoder: Vec<Block>,
    /// To the logits `[A]`.
    pub action: Vec<Block>,
    /// To the value.
    pub value: Vec<Block>,
    /// What the outputs of `action` stand for.
    #[serde(default, skip_serializing_if = "HeadSpec::is_categorical")]
    pub head: HeadSpec,
    /// `[S]`, what recurrent blocks remember before an episode's first observation, those of `encoder`
    /// first; zeros where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub initial_state: Vec<f32>,
}

/// A [`Head`](super::Head) as data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "head", rename_all = "snake_case", deny_unknown_fields)]
pub enum HeadSpec {
    #[default]
    Categorical,
    Product {
        nvec: Vec<usize>,
    },
    /// `name [dim]` holds the logarithms of the deviations.
    Normal {
        name: String,
        dim: usize,
        squash: bool,
    },
}

impl HeadSpec {
    fn is_categorical(&self) -> bool {
        *self == Self::Categorical
    }

    pub(super) fn parameter(&self) -> Option<Parameter> {
        match self {
            Self::Normal { name, dim, .. } => {
                Some(Parameter { name: name.clone(), shape: vec![*dim] })
            }
            _ => None,
        }
    }
}

impl Block {
    /// Its parameters, in torch's order.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        match self {
            Block::Bag { name, features: inputs, out }
            | Block::Linear { name, inputs, out, bias: true } => {
                vec![named(name, "weight", vec![*out, *inputs]), named(name, "bias", vec![*out])]
            }
            Block::Linear { name, inputs, out, bias: false } => {
                vec![named(name, "weight", vec![*out, *inputs])]
            }
            Block::BagConv1d { name, shape, axis, out } => {
                let channels = shape.get(*axis).copied().unwrap_or(0);
                vec![named(name, "weight", vec![*out, channels, 1])]
            }
            Block::Recurrent(block) => block.parameters(),
            Block::Residual { blocks } => blocks.iter().flat_map(Block::parameters).collect(),
            Block::Parallel { branches, .. } => {
                branches.iter().flatten().flat_map(Block::parameters).collect()
            }
            _ => self.leaf().map(Describe::parameters).unwrap_or_default(),
        }
    }

    /// The block itself, where it is one layer that has a file of its own.
    pub(super) fn leaf(&self) -> Option<&dyn Describe> {
        Some(match self {
            Block::Relu => &Activation::Relu,
            Block::Activation(block) => block,
            Block::LayerNorm(block) => block,
            Block::GroupNorm(block) => block,
            Block::RunningNorm(block) => block,
            Block::Embedding(block) => block,
            Block::Conv(block) => block,
            Block::Offset(block) => block,
            Block::Pool(block) => block,
            Block::Attention(block) => block,
            _ => return None,
        })
    }

    /// What it is called in a description.
    pub(super) fn kind(&self) -> String {
        let described = serde_json::to_value(self).unwrap_or_default();
        described["block"].as_str().unwrap_or_default().to_owned()
    }
}

/// The first of `blocks`, or of those inside of them, that is none, and why.
fn no_block(blocks: &Value, place: String) -> Option<(String, serde_json::Error)> {
    blocks.as_array()?.iter().enumerate().find_map(|(i, block)| {
        let here = format!("{place}.{i}");
        let branches = block["branches"].as_array().into_iter().flatten().enumerate();
        let mut inside = branches
            .map(|(j, branch)| (branch, format!("{here}.branches.{j}")))
            .chain([(&block["blocks"], format!("{here}.blocks"))]);
        inside.find_map(|(blocks, place)| no_block(blocks, place)).or_else(|| {
            let error = Block::deserialize(block).err()?;
            Some((format!(": {here}"), error))
        })
    })
}

impl NetSpec {
    /// # Errors
    /// If `text` is no description of a network in JSON, naming the first block that is none.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            let whole: Value = serde_json::from_str(text).unwrap_or_default();
            let mut parts = ["encoder", "action", "value"].into_iter();
            let block = parts.find_map(|part| no_block(&whole[part], part.to_owned()));
            let (place, error) = block.unwrap_or_else(|| (String::new(), error));
            Error::invalid(format!("network{place}"), "a description in JSON", error)
        })
    }

    /// Whether it is of the oldest form, which [`NetworkParts`](super::NetworkParts) have: a bag and a ReLU, or dense
    /// observations, a linear block and a ReLU, then linear blocks with or without one.
    pub fn is_stack(&self) -> bool {
        let rest = match self.encoder.as_slice() {
            [Block::Dense { .. }, Block::Linear { .. }, Block::Relu, rest @ ..] => rest,
            [Block::Bag { .. } | Block::BagConv1d { .. }, Block::Relu, rest @ ..] => rest,
            _ => return false,
        };
        [rest, &self.action, &self.value].into_iter().all(|blocks| {
            let is_stacked = |block: &Block| matches!(block, Block::Linear { .. } | Block::Relu);
            let twice = [Block::Relu, Block::Relu];
            blocks.iter().all(is_stacked)
                && blocks.first() != Some(&Block::Relu)
                && !blocks.windows(2).any(|pair| *pair == twice)
        })
    }

    /// All parameters in the order of the flat vector, one that several blocks have once.
    pub fn parameters(&self) -> Vec<Parameter> {
        let blocks = [&self.encoder, &self.action, &self.value].into_iter().flatten();
        let mut known = HashMap::new();
        let mut found: Vec<Parameter> = Vec::new();
        for parameter in blocks.flat_map(Block::parameters).chain(self.head.parameter()) {
            let first: usize = *known.entry(parameter.name.clone()).or_insert(found.len());
            // Two of one name that differ are refused where they are read.
            if found.get(first) != Some(&parameter) {
                found.push(parameter);
            }
        }
        found
    }
}
