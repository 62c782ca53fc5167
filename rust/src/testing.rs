//! What tests and benchmarks need for any environment.
//!
//! ```
//! use twisterl::nn::Policy;
//! use twisterl::envs::puzzle::Puzzle;
//! use twisterl::testing::{random_policy, Widths};
//! let env = Puzzle::new(3, 3, 5, 2, 64).unwrap();
//! let policy = random_policy(&env, Widths { embedding: 64, common: 32 }, 0).unwrap();
//! assert_eq!((policy.num_features(), policy.num_actions()), (81, 4));
//! ```

pub mod players;
pub mod requests;
pub mod signature;
pub mod trace;
mod watched;

use crate::error::Result;
use crate::nn::{
    Block, CpuLevel, EmbeddingBag, First, Head, HeadSpec, Linear, NetSpec, Network, NetworkParts,
    Sequential,
};
use crate::rl::env::{Env, Twists};
use crate::rng::Rng;
use crate::spaces::{ActSpace, ObsSpace, Parts};

/// Outputs of the two hidden layers of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    pub embedding: usize,
    pub common: usize,
}

impl Widths {
    /// The network of the example configs, on which all throughput is measured.
    pub const REFERENCE: Self = Self { embedding: 512, common: 256 };
}

/// `F -> embedding -> common -> (A, 1)` with weights drawn from `seed`, through `env`'s twists.
///
/// # Errors
/// If the environment's shape or twists do not make a policy.
pub fn random_policy(env: &dyn Env, widths: Widths, seed: u64) -> Result<Network> {
    build(env, env.twists(), widths, seed)
}

/// [`random_policy`] that sees every state as it is.
///
/// # Errors
/// If the environment's shape does not make a policy.
pub fn untwisted_policy(env: &dyn Env, widths: Widths, seed: u64) -> Result<Network> {
    build(env, Twists::default(), widths, seed)
}

fn build(env: &dyn Env, twists: Twists, widths: Widths, seed: u64) -> Result<Network> {
    let Widths { embedding, common } = widths;
    let mut rng = Rng::new(seed);
    let spec = env.spec();
    let space = &spec.obs;
    if let ObsSpace::Dict(parts) = space {
        return of_parts(
            parts,
            spec.acts.require_discrete("a random policy")?,
            twists,
            widths,
            &mut rng,
        );
    }
    let features = space.num_features();
    let vectors = weights(features * embedding, 0.5, &mut rng);
    let bias = weights(embedding, 0.1, &mut rng);
    let first = match space {
        ObsSpace::Dense { dtype, .. } => First::Dense(*dtype, Linear::new(vectors, bias, true)?),
        _ => EmbeddingBag::new(vectors, embedding, bias, true, vec![features], 0)?.into(),
    };
    let hidden = Sequential::new(vec![linear(embedding, common, true, &mut rng)?])?;
    let action_net =
        Sequential::new(vec![linear(common, spec.acts.num_outputs(), false, &mut rng)?])?;
    let value_net = Sequential::new(vec![linear(common, 1, false, &mut rng)?])?;
    let (obs_perms, act_perms) = twists;
    let head = match &spec.acts {
        ActSpace::Discrete { .. } => Head::Categorical,
        ActSpace::MultiDiscrete { nvec } => Head::Product { nvec: nvec.clone() },
        ActSpace::Box { low, .. } => {
            Head::Normal { log_std: weights(low.len(), 0.5, &mut rng), squash: false }
        }
    };
    let parts =
        NetworkParts { first, common: hidden, action_net, value_net, head, obs_perms, act_perms };
    Network::for_cpu(&parts, CpuLevel::detect())
}

/// The same layers over the numbers of all parts.
fn of_parts(
    parts: &Parts,
    num_actions: usize,
    (obs_perms, act_perms): Twists,
    Widths { embedding, common }: Widths,
    rng: &mut Rng,
) -> Result<Network> {
    let layer =
        |name: &str, inputs, out| Block::Linear { name: name.into(), inputs, out, bias: true };
    let spec = NetSpec {
        encoder: vec![
            Block::Parts { parts: parts.clone() },
            layer("embeddings", parts.num_features(), embedding),
            Block::Relu,
            layer("common", embedding, common),
            Block::Relu,
        ],
        action: vec![layer("action", common, num_actions)],
        value: vec![layer("value", common, 1)],
        head: HeadSpec::Categorical,
        initial_state: Vec::new(),
    };
    let drawn: Vec<_> = spec
        .parameters()
        .into_iter()
        .map(|parameter| {
            let values = weights(parameter.shape.iter().product(), 0.5, rng);
            (parameter, values)
        })
        .collect();
    let get = |name: &str| {
        let (parameter, values) = drawn.iter().find(|(known, _)| known.name == name)?;
        Some((parameter.shape.clone(), values.as_slice()))
    };
    Network::from_spec(&spec, get, obs_perms, act_perms)
}

fn linear(inputs: usize, outputs: usize, apply_relu: bool, rng: &mut Rng) -> Result<Linear> {
    let scale = (6.0 / inputs as f32).sqrt();
    Linear::new(weights(inputs * outputs, scale, rng), weights(outputs, 0.1, rng), apply_relu)
}

fn weights(count: usize, scale: f32, rng: &mut Rng) -> Vec<f32> {
    (0..count).map(|_| (rng.unit() * 2.0 - 1.0) * scale).collect()
}
