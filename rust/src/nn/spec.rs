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

use serde::{Deserialize, Serialize};

use super::blocks::activation::Activation;
use super::blocks::attention::Attention;
use super::blocks::conv::Conv;
use super::blocks::layer_norm::LayerNorm;
use super::blocks::lookup::Embedding;
use super::blocks::pool::Pool;
use super::blocks::running_norm::RunningNorm;
use super::blocks::{named, yes, Describe};
use super::embedding::EmbeddingBag;
use super::first::First;
use super::graph::Graph;
use super::head::Head;
use super::kernels::CpuLevel;
use super::layout::Layout;
use super::linear::{check_finite, Linear, Sequential};
use super::network::{Network, NetworkParts};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::spaces::Dtype;

/// Most outputs of a convolution: an observation takes 64 MiB there.
const MOST_OUTPUTS: usize = 1 << 24;

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
    RunningNorm(RunningNorm),
    Embedding(Embedding),
    Conv(Conv),
    Pool(Pool),
    Attention(Attention),
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

/// The error of a block that expects another input.
pub(super) fn mismatch(expected: impl Into<String>, got: &[usize]) -> Error {
    Error::invalid("input", expected, format!("{got:?}"))
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
}

/// A [`Head`] as data.
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

    fn parameter(&self) -> Option<Parameter> {
        match self {
            Self::Normal { name, dim, .. } => {
                Some(Parameter { name: name.clone(), shape: vec![*dim] })
            }
            _ => None,
        }
    }
}

/// A named tensor of a network, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
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
            Block::RunningNorm(block) => block,
            Block::Embedding(block) => block,
            Block::Conv(block) => block,
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

impl NetSpec {
    /// # Errors
    /// If `text` is no description of a network in JSON.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::invalid("network", "a description in JSON", error))
    }

    /// Whether it is of the oldest form, which [`NetworkParts`] have: a bag and a ReLU, or dense
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

    /// All parameters in the order of the flat vector.
    pub fn parameters(&self) -> Vec<Parameter> {
        let blocks = [&self.encoder, &self.action, &self.value].into_iter().flatten();
        blocks.flat_map(Block::parameters).chain(self.head.parameter()).collect()
    }
}

impl Network {
    /// The network of `spec` with the tensors that `get` gives by name: shape and values.
    ///
    /// # Errors
    /// If a tensor is missing or of another shape (both are named), a value is not finite, or a block
    /// does not take what the one before makes (its place is named).
    pub fn from_spec<Values: AsRef<[f32]>>(
        spec: &NetSpec,
        get: impl Fn(&str) -> Option<(Vec<usize>, Values)>,
        obs_perms: Vec<Vec<usize>>,
        act_perms: Vec<Vec<usize>>,
    ) -> Result<Self> {
        let twists = (obs_perms, act_perms);
        Self::from_spec_for_cpu(spec, get, twists, CpuLevel::detect())
    }

    /// [`Network::from_spec`] for a processor level of one's choice, to compare levels.
    ///
    /// # Errors
    /// Also if this processor does not have it.
    pub fn from_spec_for_cpu<Values: AsRef<[f32]>>(
        spec: &NetSpec,
        get: impl Fn(&str) -> Option<(Vec<usize>, Values)>,
        (obs_perms, act_perms): Twists,
        level: CpuLevel,
    ) -> Result<Self> {
        if spec.is_stack() {
            let parts = NetworkParts::from_spec(spec, get, obs_perms, act_perms)?;
            return Network::for_cpu(&parts, level);
        }
        let get = Getter(get);
        // All of them before anything is made: they bound what the description may ask for.
        let parameters = spec.parameters();
        let found: Vec<Values> =
            parameters.iter().map(|parameter| get.values(parameter)).collect::<Result<_>>()?;
        let mut layout = Layout::default();
        let graph = Graph::new(spec, &mut layout)?;
        let mut weights = layout.zeros();
        for (index, (parameter, values)) in parameters.iter().zip(&found).enumerate() {
            // The head's own are no block's.
            if index < layout.parameters().len() {
                check_finite(&parameter.name, values.as_ref())?;
                layout.write(index, values.as_ref(), &mut weights)?;
            }
        }
        Network::composed(graph, &weights, get.head(&spec.head)?, (obs_perms, act_perms), level)
    }
}

impl NetworkParts {
    /// The parts of a description of the oldest form: a bag and a ReLU, or dense observations, a
    /// linear block and a ReLU, then linear blocks, each with or without a ReLU.
    ///
    /// # Errors
    /// As [`Network::from_spec`], and if the blocks are others.
    pub fn from_spec<Values: AsRef<[f32]>>(
        spec: &NetSpec,
        get: impl Fn(&str) -> Option<(Vec<usize>, Values)>,
        obs_perms: Vec<Vec<usize>>,
        act_perms: Vec<Vec<usize>>,
    ) -> Result<Self> {
        let get = Getter(get);
        let (first, rest) = match spec.encoder.as_slice() {
            &[Block::Dense { features, dtype }, ref layer, Block::Relu, ref rest @ ..] => {
                (First::Dense(dtype, get.dense(layer, features)?), rest)
            }
            [bag, Block::Relu, rest @ ..] => (First::Sparse(get.embedding(bag)?), rest),
            _ => {
                let expected = "a bag or bag_conv1d, or dense and linear, then relu, then linear";
                return Err(Error::invalid("network: encoder", expected, "others"));
            }
        };
        Ok(Self {
            first,
            common: get.sequential("encoder", rest)?,
            action_net: get.sequential("action", &spec.action)?,
            value_net: get.sequential("value", &spec.value)?,
            head: get.head(&spec.head)?,
            obs_perms,
            act_perms,
        })
    }
}

/// Reads the parameters of blocks.
struct Getter<Get>(Get);

impl<Values: AsRef<[f32]>, Get: Fn(&str) -> Option<(Vec<usize>, Values)>> Getter<Get> {
    fn values(&self, parameter: &Parameter) -> Result<Values> {
        let Parameter { name, shape } = parameter;
        let expected = || format!("a tensor {shape:?}");
        let Some((got, values)) = (self.0)(name) else {
            return Err(Error::invalid(name, expected(), "none"));
        };
        if got != *shape || values.as_ref().len() != shape.iter().product::<usize>() {
            return Err(Error::invalid(name, expected(), format!("{got:?}")));
        }
        Ok(values)
    }

    fn embedding(&self, block: &Block) -> Result<EmbeddingBag> {
        let parameters = block.parameters();
        match *block {
            Block::Bag { features, out, .. } => {
                let vectors = transposed(self.values(&parameters[0])?.as_ref(), out);
                let bias = self.values(&parameters[1])?.as_ref().to_vec();
                EmbeddingBag::new(vectors, out, bias, true, vec![features], 0)
            }
            Block::BagConv1d { shape, axis, out, .. } if axis < 2 => {
                let vectors = transposed(self.values(&parameters[0])?.as_ref(), out);
                // Nothing but the description says how many places there are.
                let outputs = out.checked_mul(shape[1 - axis]).filter(|&n| n <= MOST_OUTPUTS);
                let bias = vec![
                    0.0;
                    outputs.ok_or_else(|| {
                        let expected = format!("at most {MOST_OUTPUTS} outputs");
                        Error::invalid(
                            "network: shape of bag_conv1d",
                            expected,
                            format!("{shape:?}"),
                        )
                    })?
                ];
                EmbeddingBag::new(vectors, out, bias, true, shape.to_vec(), axis)
            }
            _ => {
                let expected = "bag or bag_conv1d first, the latter along axis 0 or 1";
                Err(Error::invalid("network: encoder", expected, format!("{block:?}")))
            }
        }
    }

    /// The first layer over `features` numbers, and the ReLU behind it.
    fn dense(&self, block: &Block, features: usize) -> Result<Linear> {
        let layer = self.linear("encoder", block, true)?;
        if layer.num_inputs() == features {
            return Ok(layer);
        }
        let expected = format!("inputs of the first linear block: {features}");
        Err(Error::invalid("network: encoder", expected, layer.num_inputs()))
    }

    fn linear(&self, part: &str, block: &Block, relu: bool) -> Result<Linear> {
        let Block::Linear { out, .. } = *block else {
            let got = format!("{block:?}");
            return Err(Error::invalid(format!("network: {part}"), "linear, then relu", got));
        };
        let parameters = block.parameters();
        let weights = transposed(self.values(&parameters[0])?.as_ref(), out);
        let bias = match parameters.get(1) {
            Some(bias) => self.values(bias)?.as_ref().to_vec(),
            None => vec![0.0; out],
        };
        Linear::new(weights, bias, relu)
    }

    fn head(&self, head: &HeadSpec) -> Result<Head> {
        Ok(match head {
            HeadSpec::Categorical => Head::Categorical,
            HeadSpec::Product { nvec } => Head::Product { nvec: nvec.clone() },
            HeadSpec::Normal { name, dim, squash } => {
                let parameter = Parameter { name: name.clone(), shape: vec![*dim] };
                let log_std = self.values(&parameter)?.as_ref().to_vec();
                Head::Normal { log_std, squash: *squash }
            }
        })
    }

    fn sequential(&self, part: &str, blocks: &[Block]) -> Result<Sequential> {
        let mut layers = Vec::new();
        let mut blocks = blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            let relu = blocks.next_if_eq(&&Block::Relu).is_some();
            layers.push(self.linear(part, block, relu)?);
        }
        Sequential::new(layers)
    }
}

/// `[inputs, outputs]` of a matrix `[outputs, inputs]`.
fn transposed(matrix: &[f32], outputs: usize) -> Vec<f32> {
    /// Rows that are read together: what they are written to fills whole lines of the cache.
    const TOGETHER: usize = 16;
    let inputs = matrix.len() / outputs.max(1);
    let mut turned = vec![0.0; matrix.len()];
    for (i, rows) in matrix.chunks(TOGETHER * inputs.max(1)).enumerate() {
        let first = i * TOGETHER;
        for (input, column) in turned.chunks_exact_mut(outputs).enumerate() {
            let values = rows.iter().skip(input).step_by(inputs);
            column[first..].iter_mut().zip(values).for_each(|(to, &from)| *to = from);
        }
    }
    turned
}
