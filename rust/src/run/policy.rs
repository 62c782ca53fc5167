//! A network of a run: its description and its first weights.

use serde::de::DeserializeOwned;

use super::config::RunConfig;
use super::faults::Failure;
use super::mersenne::Mersenne;
use super::orthogonal::orthogonal;
use super::tensors::Stored;
use crate::nn::{Block, HeadSpec, NetSpec, Network, Parameter};
use crate::rl::env::Twists;
use crate::spaces::{ActSpace, ObsSpace};
use crate::train::Learner;
use crate::Error;

/// A network for an environment.
pub(super) struct Net {
    pub(super) spec: NetSpec,
    pub(super) twists: Twists,
    /// The second name of a weight in Python's state dict, and its first.
    pub(super) copy: Option<(String, String)>,
    /// What Python saves, in its order.
    pub(super) saved: Vec<Saved>,
    drawing: Drawing,
}

/// A parameter as Python saves it: its number in the description, name and shape.
#[derive(Clone)]
pub(super) struct Saved {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

/// How first weights are drawn.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Drawing {
    /// As torch draws those of its layers, from its own generator.
    Torch,
    /// Orthogonal matrices, as `twisterl.nn.init` makes them, of other numbers than torch's.
    Orthogonal,
}

impl Net {
    pub(super) fn of(spec: NetSpec, twists: Twists, drawing: Drawing) -> Self {
        let parameters = spec.parameters().into_iter().enumerate();
        let mut saved: Vec<Saved> = parameters
            .map(|(index, Parameter { name, shape })| Saved { index, name, shape })
            .collect();
        if matches!(spec.head, HeadSpec::Normal { .. }) {
            // It is the module's own, and those come before those of its parts; of torch's policies
            // it is a row.
            saved.rotate_right(1);
            if drawing == Drawing::Orthogonal {
                saved[0].shape.insert(0, 1);
            }
        }
        Self { spec, twists, copy: None, saved, drawing }
    }

    /// The first weights for `seed`, and torch's generator as it is then.
    pub(super) fn draw(&self, seed: u64) -> (Vec<Vec<f32>>, Stored) {
        let mut generator = Mersenne::new(seed);
        let own = match &self.spec.head {
            HeadSpec::Normal { name, .. } => Some(name),
            _ => None,
        };
        let mut num_inputs = 1;
        let parameters = self.spec.parameters().into_iter().enumerate();
        let drawn = parameters.map(|(index, Parameter { name, shape })| {
            // Deviations of 1.
            if Some(&name) == own {
                return vec![0.0; shape.iter().product()];
            }
            if self.drawing == Drawing::Orthogonal {
                return orthogonal(&name, &shape, seed, index as u64);
            }
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

/// The section `policy`, which the schema has completed.
pub(super) fn arguments<T: DeserializeOwned>(config: &RunConfig) -> Result<T, Failure> {
    serde_json::from_value(config.policy.clone().into())
        .map_err(|error| Failure::config("config", "policy", error.to_string()))
}

/// The head of a policy for actions of `acts`, whose own parameter is called `name`.
pub(super) fn head_of(acts: &ActSpace, name: &str, squash: bool) -> HeadSpec {
    match acts {
        ActSpace::Discrete { .. } => HeadSpec::Categorical,
        ActSpace::MultiDiscrete { nvec } => HeadSpec::Product { nvec: nvec.clone() },
        ActSpace::Box { low, .. } => {
            HeadSpec::Normal { name: name.to_owned(), dim: low.len(), squash }
        }
    }
}

/// A linear layer with a bias.
pub(super) fn linear(name: impl Into<String>, inputs: usize, out: usize) -> Block {
    Block::Linear { name: name.into(), inputs, out, bias: true }
}

/// What reads observations as numbers, in their shape.
pub(super) fn read(seen: &ObsSpace) -> Result<Vec<Block>, String> {
    let features = seen.num_features();
    let first = match seen {
        ObsSpace::Sparse { .. } => Block::Sparse { features },
        ObsSpace::Dense { dtype, .. } => Block::Dense { features, dtype: *dtype },
        ObsSpace::Dict(_) => {
            return Err("expected observations of one part; torch reads a dict".to_owned())
        }
    };
    let shape = seen.shape().to_vec();
    let shaped = (shape.len() > 1).then_some(Block::Reshape { shape });
    Ok(std::iter::once(first).chain(shaped).collect())
}
