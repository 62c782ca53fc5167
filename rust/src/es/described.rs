//! Evolution of any network that is described, on any environment.
//!
//! What is perturbed is one flat vector, the parameters in the order of [`NetSpec::parameters`], each
//! row-major. Each member plays as [`solve::evaluate`](crate::solve::evaluate) does, greedily, from the
//! same starts as all others of its generation; its fitness is the sum of all rewards.

use std::collections::BTreeSet;
use std::ops::Range;

use super::noise::Noise;
use super::{EsConfig, Player, Score, State};
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::es::block::LANES;
use crate::nn::{Block, NetSpec, Network};
use crate::rl::env::{Env, Twists};
use crate::rl::start::DifficultyDistribution;
use crate::rng::Rng;
use crate::solve::{evaluate, Episode, EvalConfig, Starts, Strategy};

/// Keeps what names a generation's episodes apart from all other streams.
const EPISODES_TAG: u64 = 0x6570_6973_6F64_6573;

/// A network, and the symmetries that it is seen through.
#[derive(Clone, Debug)]
pub struct Described {
    pub spec: NetSpec,
    pub twists: Twists,
}

impl Described {
    /// The network with these weights `[P]`.
    ///
    /// # Errors
    /// If they are not as many, or the engine does not play the network.
    pub fn network(&self, weights: &[f32]) -> Result<Network> {
        let parameters = self.spec.parameters();
        let sizes = parameters.iter().map(|parameter| parameter.shape.iter().product::<usize>());
        let count: usize = sizes.sum();
        if count != weights.len() {
            return Err(Error::invalid("weights", format!("{count} numbers"), weights.len()));
        }
        let get = |name: &str| {
            let mut start = 0;
            for parameter in &parameters {
                let size: usize = parameter.shape.iter().product();
                if parameter.name == name {
                    return Some((parameter.shape.clone(), &weights[start..start + size]));
                }
                start += size;
            }
            None
        };
        Network::from_spec(&self.spec, get, self.twists.0.clone(), self.twists.1.clone())
    }

    /// Whether `player` reads each of the weights: all but those of the other head, and of the
    /// deviations of what nobody draws.
    pub(super) fn trained(&self, player: Player) -> Vec<bool> {
        let idle = match player {
            Player::Policy => &self.spec.value,
            Player::Value => &self.spec.action,
        };
        let part = |encoder: &[Block], action: &[Block], value: &[Block]| {
            let [encoder, action, value] = [encoder, action, value].map(<[Block]>::to_vec);
            NetSpec { encoder, action, value, head: Default::default(), initial_state: Vec::new() }
                .parameters()
        };
        let names = |parameters: Vec<crate::nn::Parameter>| -> BTreeSet<String> {
            parameters.into_iter().map(|parameter| parameter.name).collect()
        };
        let (idle, all) = (
            names(part(&[], idle, &[])),
            names(part(&self.spec.encoder, &self.spec.action, &self.spec.value)),
        );
        let read = |name: &String| all.contains(name) && !idle.contains(name);
        let parameters = self.spec.parameters().into_iter();
        parameters
            .flat_map(|p| std::iter::repeat_n(read(&p.name), p.shape.iter().product()))
            .collect()
    }
}

/// How many weights `state` has, which are those of `net` and have moments.
///
/// # Errors
/// If they are not.
pub(super) fn checked(net: &Described, state: &State) -> Result<usize> {
    let count = state.weights.len();
    if [&state.first, &state.second].iter().any(|moments| moments.len() != count) {
        return Err(Error::invalid("moments", format!("{count} numbers"), "others"));
    }
    net.network(&state.weights)?;
    Ok(count)
}

/// What the members of `pairs` of a generation of `state` reach on `env`.
///
/// # Errors
/// If lengths do not fit, the network does not fit the environment, or an episode fails.
pub(super) fn scores(
    env: &dyn Env,
    net: &Described,
    state: &State,
    config: &EsConfig,
    pairs: Range<usize>,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Score>> {
    checked(net, state)?;
    let (generation, half_sigma) = (state.generation, (config.sigma * 0.5) as f32);
    // Names the starts and all that is drawn in play, the same for every member.
    let named = Rng::stream(seed ^ EPISODES_TAG, generation, 0).next_u64();
    let mut scores = Vec::with_capacity(2 * pairs.len());
    let mut member = state.weights.clone();
    for pair in pairs {
        let noise = Noise::new(seed, generation, pair);
        for side in [half_sigma, -half_sigma] {
            let blocks = member.chunks_mut(LANES).zip(state.weights.chunks(LANES));
            for (index, (perturbed, weights)) in blocks.enumerate() {
                let doubled = noise.block(index);
                for ((to, weight), doubled) in perturbed.iter_mut().zip(weights).zip(doubled) {
                    *to = side.mul_add(doubled as f32, *weight);
                }
            }
            scores.push(play(env, &net.network(&member)?, config, named, &mut *poll)?);
        }
    }
    Ok(scores)
}

/// What a member reaches.
fn play(
    env: &dyn Env,
    member: &Network,
    config: &EsConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Score> {
    let starts = match config.difficulty_distribution {
        DifficultyDistribution::Uniform => {
            Starts::Varied { count: config.num_episodes, most: env.get_difficulty() }
        }
        _ => Starts::Reset(config.num_episodes),
    };
    let how = EvalConfig {
        strategy: match config.player {
            Player::Policy => Strategy::Policy,
            Player::Value => Strategy::Value,
        },
        deterministic: true,
        num_cores: config.num_cores,
        ..EvalConfig::default()
    };
    let episodes = evaluate(env, member, starts, &how, seed, poll)?;
    Ok(Score {
        fitness: episodes.iter().map(|episode| episode.reward).sum(),
        solved: episodes.iter().filter(|episode| episode.success).count(),
        steps: episodes.iter().map(Episode::len).sum::<u64>() as usize,
    })
}
