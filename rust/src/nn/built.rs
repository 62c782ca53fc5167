//! A network of what describes it and of tensors by name.

use super::embedding::EmbeddingBag;
use super::first::First;
use super::graph::Graph;
use super::head::Head;
use super::kernels::CpuLevel;
use super::layout::Layout;
use super::linear::{check_finite, Linear, Sequential};
use super::network::{Network, NetworkParts};
use super::shapes::Parameter;
use super::spec::{Block, HeadSpec, NetSpec};
use crate::error::{Error, Result};
use crate::rl::env::Twists;

/// Most outputs of a convolution: an observation takes 64 MiB there.
const MOST_OUTPUTS: usize = 1 << 24;

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
        twists: Twists,
        level: CpuLevel,
    ) -> Result<Self> {
        Self::of(spec, &Getter(&|name| get(name).map(erased)), twists, level)
    }

    fn of(spec: &NetSpec, get: &Getter<'_>, twists: Twists, level: CpuLevel) -> Result<Self> {
        if spec.is_stack() {
            return Network::for_cpu(&NetworkParts::of(spec, get, twists)?, level);
        }
        // All of them before anything is made: they bound what the description may ask for.
        let parameters = spec.parameters();
        let found: Vec<Box<dyn AsRef<[f32]> + '_>> =
            parameters.iter().map(|parameter| get.values(parameter)).collect::<Result<_>>()?;
        let mut layout = Layout::default();
        let graph = Graph::new(spec, &mut layout)?;
        let mut weights = layout.zeros();
        for (index, (parameter, values)) in parameters.iter().zip(&found).enumerate() {
            // The head's own are no block's.
            if index < layout.parameters().len() {
                let values = (**values).as_ref();
                check_finite(&parameter.name, values)?;
                layout.write(index, values, &mut weights)?;
            }
        }
        Network::composed(graph, &weights, get.head(&spec.head)?, twists, level)
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
        Self::of(spec, &Getter(&|name| get(name).map(erased)), (obs_perms, act_perms))
    }

    fn of(spec: &NetSpec, get: &Getter<'_>, (obs_perms, act_perms): Twists) -> Result<Self> {
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

/// A shape and values, wherever they are.
type Found<'a> = (Vec<usize>, Box<dyn AsRef<[f32]> + 'a>);

fn erased<'a>((shape, values): (Vec<usize>, impl AsRef<[f32]> + 'a)) -> Found<'a> {
    (shape, Box::new(values))
}

/// Reads the parameters of blocks; compiled once for all that tensors come from.
struct Getter<'a>(&'a dyn Fn(&str) -> Option<Found<'a>>);

impl<'a> Getter<'a> {
    fn values(&self, parameter: &Parameter) -> Result<Box<dyn AsRef<[f32]> + 'a>> {
        let Parameter { name, shape } = parameter;
        let expected = || format!("a tensor {shape:?}");
        let Some((got, values)) = (self.0)(name) else {
            return Err(Error::invalid(name, expected(), "none"));
        };
        if got != *shape || (*values).as_ref().len() != shape.iter().product::<usize>() {
            return Err(Error::invalid(name, expected(), format!("{got:?}")));
        }
        Ok(values)
    }

    fn embedding(&self, block: &Block) -> Result<EmbeddingBag> {
        let parameters = block.parameters();
        match *block {
            Block::Bag { features, out, .. } => {
                let vectors = transposed((*self.values(&parameters[0])?).as_ref(), out);
                let bias = (*self.values(&parameters[1])?).as_ref().to_vec();
                EmbeddingBag::new(vectors, out, bias, true, vec![features], 0)
            }
            Block::BagConv1d { shape, axis, out, .. } if axis < 2 => {
                let vectors = transposed((*self.values(&parameters[0])?).as_ref(), out);
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
        let weights = transposed((*self.values(&parameters[0])?).as_ref(), out);
        let bias = match parameters.get(1) {
            Some(bias) => (*self.values(bias)?).as_ref().to_vec(),
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
                let log_std = (*self.values(&parameter)?).as_ref().to_vec();
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
