//! From the section `policy` to a network: its description and its first weights.

use serde::Deserialize;

use super::config::RunConfig;
use super::faults::Failure;
use super::mersenne::Mersenne;
use super::tensors::Stored;
use crate::nn::{Block, NetSpec, Network, Parameter};
use crate::rl::env::{Env, Twists};
use crate::spaces::{ActSpace, ObsSpace};
use crate::train::Learner;
use crate::Error;

/// A network for an environment.
pub(super) struct Net {
    pub(super) spec: NetSpec,
    pub(super) twists: Twists,
    /// The second name of a weight in Python's state dict, and its first.
    pub(super) copy: Option<(String, String)>,
}

/// The keys of a `BasicPolicy`, and that of a `Conv1dPolicy`.
#[derive(Deserialize)]
struct Arguments {
    embedding_size: usize,
    common_layers: Vec<usize>,
    policy_layers: Vec<usize>,
    value_layers: Vec<usize>,
    twists: bool,
    squash: bool,
    conv_dim: Option<usize>,
}

impl Net {
    /// The network that `config` describes, for `env`.
    ///
    /// # Errors
    /// If they do not fit, or the engine does not train it.
    pub(super) fn new(config: &RunConfig, env: &dyn Env) -> Result<Self, Failure> {
        let refused = |problem: String| Failure::config("config", "policy", problem);
        let arguments: Arguments = serde_json::from_value(config.policy.clone().into())
            .map_err(|error| refused(error.to_string()))?;
        let spec = env.spec();
        let ActSpace::Discrete { n: num_actions } = spec.acts else {
            let problem = format!("got {} actions; expected discrete ones", spec.acts.kind());
            return Err(Failure::config("config", "env", problem));
        };
        if arguments.squash {
            let problem = "squash: expected false, for actions are not numbers, got true";
            return Err(refused(problem.to_owned()));
        }
        let (mut encoder, width, copy) = arguments.first(&spec.obs).map_err(refused)?;
        encoder.push(Block::Relu);
        let common = stack("common", width, &arguments.common_layers, true);
        let width = arguments.common_layers.last().copied().unwrap_or(width);
        encoder.extend(common);
        let head = |name: &str, layers: &[usize], out: usize| {
            stack(name, width, &[layers, &[out]].concat(), false)
        };
        let action = head("action", &arguments.policy_layers, num_actions);
        let value = head("value", &arguments.value_layers, 1);
        let spec_of =
            NetSpec { encoder, action, value, head: Default::default(), initial_state: Vec::new() };
        let twists = if arguments.twists { spec.twists.clone() } else { Twists::default() };
        Ok(Self { spec: spec_of, twists, copy })
    }

    /// The first weights, those that torch draws with `seed`, and its generator as it is then.
    pub(super) fn draw(&self, seed: u64) -> (Vec<Vec<f32>>, Stored) {
        let mut generator = Mersenne::new(seed);
        let mut num_inputs = 1;
        let parameters = self.spec.parameters().into_iter();
        let drawn = parameters.map(|Parameter { shape, .. }| {
            // A bias follows its weight, and has as many inputs.
            if let [_, inputs @ ..] = shape.as_slice() {
                num_inputs = if inputs.is_empty() { num_inputs } else { inputs.iter().product() };
            }
            generator.uniform(&shape, num_inputs)
        });
        (drawn.collect(), generator.torch_state())
    }

    /// The engine's policy with the weights of `learner`.
    pub(super) fn network(&self, learner: &Learner) -> crate::Result<Network> {
        let weights = weights_of(learner)?;
        let get = |name: &str| {
            let (parameter, values) = weights.iter().find(|(known, _)| known.name == name)?;
            Some((parameter.shape.clone(), values.as_slice()))
        };
        Network::from_spec(&self.spec, get, self.twists.0.clone(), self.twists.1.clone())
    }
}

/// The weights of `learner`, in the order of its parameters.
pub(super) fn weights_of(learner: &Learner) -> crate::Result<Vec<(Parameter, Vec<f32>)>> {
    let parameters: Vec<Parameter> = learner.parameters().cloned().collect();
    let read = |(index, parameter): (usize, Parameter)| {
        let mut values = vec![0.0; parameter.shape.iter().product()];
        learner.get(index, &mut values)?;
        Ok((parameter, values))
    };
    parameters.into_iter().enumerate().map(read).collect::<Result<_, Error>>()
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
                let layer = Block::Linear { name, inputs: features, out: size, bias: true };
                Ok((vec![read, layer], size, None))
            }
            (None, ObsSpace::Dict(parts)) => {
                let read = Block::Parts { parts: parts.clone() };
                let inputs = parts.num_features();
                let layer = Block::Linear { name, inputs, out: size, bias: true };
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
        blocks.push(Block::Linear { name: format!("{name}.{}", 2 * i), inputs, out, bias: true });
        if ends_in_relu || i + 1 < widths.len() {
            blocks.push(Block::Relu);
        }
        inputs = out;
    }
    blocks
}
