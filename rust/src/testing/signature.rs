//! One number that changes when, and only when, behaviour does.
//!
//! It is made of random streams and, for every listed environment, of random play
//! ([`trace`](super::trace)) and of greedy play of a small policy whose sums are exact, so that
//! every language and processor gives the same. specs/signature.txt has it, docs/parity.md what it
//! leaves out.
//!
//! ```
//! let parts = twisterl::testing::signature::parts().unwrap();
//! assert!(parts.iter().any(|part| part.name == "puzzle play"));
//! ```

use serde_json::json;

use super::trace::{digests, join, Workload};
use crate::envs::{Entry, ENVIRONMENTS};
use crate::error::Result;
use crate::nn::{EmbeddingBag, Linear, Network, Sequential};
use crate::rl::env::Env;
use crate::rng::Rng;
use crate::solve::{evaluate, EvalConfig, Starts};

const SEED: u64 = 1;
const LANES: usize = 256;
const STEPS: usize = 128;
const EPISODES: usize = 500;
const HIDDEN: usize = 32;

/// A named part of the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub digest: u64,
}

/// All parts, in the order of the list of environments.
///
/// # Errors
/// If an environment fails.
pub fn parts() -> Result<Vec<Part>> {
    let mut parts = vec![Part { name: "streams".to_string(), digest: streams(SEED, LANES, STEPS) }];
    for entry in ENVIRONMENTS {
        let env = short(entry)?;
        for (what, digest) in [("play", play(&*env)?), ("greedy", greedy(&*env)?)] {
            parts.push(Part { name: format!("{} {what}", entry.name), digest });
        }
    }
    Ok(parts)
}

/// What `benchmark --signature` prints and specs/signature.txt has: the one number, that of each
/// environment with the streams it draws from (all that a port with one environment can have),
/// and the parts.
///
/// # Errors
/// If an environment fails.
pub fn text() -> Result<String> {
    let parts = parts()?;
    let joined = |wanted: &dyn Fn(&str) -> bool| {
        let chosen = parts.iter().filter(|part| wanted(&part.name));
        chosen.map(|part| part.digest).fold(0, join)
    };
    let mut text = format!("{:016x}\n", joined(&|_| true));
    for Entry { name, .. } in ENVIRONMENTS {
        let [play, greedy] = ["play", "greedy"].map(|what| format!("{name} {what}"));
        let digest = joined(&|part| part == "streams" || part == play || part == greedy);
        text += &format!("{digest:016x}  {name}\n");
    }
    for Part { name, digest } in &parts {
        text += &format!("{digest:016x}  {name}\n");
    }
    Ok(text)
}

/// Words, bounded draws and floats of the streams of `lanes` lanes, `steps` of each.
pub fn streams(seed: u64, lanes: usize, steps: usize) -> u64 {
    let mut digest = 0;
    for lane in 0..lanes as u64 {
        let mut rng = Rng::stream(seed, lane % 7, lane);
        for step in 0..steps {
            let word = match step % 3 {
                0 => rng.next_u64(),
                1 => u64::from(rng.below(1 + (lane as u32 & 1023))),
                _ => u64::from(rng.unit().to_bits()),
            };
            digest = join(digest, word);
        }
    }
    digest
}

/// The environment at its default size, with short episodes.
fn short(entry: &Entry) -> Result<Box<dyn Env>> {
    let episode = json!({ "difficulty": 24, "depth_slope": 2, "max_depth": 40 });
    entry.make(episode.as_object().unwrap_or(&serde_json::Map::new()))
}

fn play(env: &dyn Env) -> Result<u64> {
    let workload =
        Workload { seed: SEED, first_lane: 0, lanes: LANES, steps: STEPS, uniform: true };
    Ok(digests(env, &workload, LANES)?.into_iter().fold(0, join))
}

fn greedy(env: &dyn Env) -> Result<u64> {
    let config = EvalConfig { deterministic: true, ..EvalConfig::default() };
    let starts = Starts::Reset(EPISODES);
    let episodes = evaluate(env, &exact_policy(env)?, starts, &config, SEED, &mut || Ok(()))?;
    let digest = episodes.iter().fold(0, |digest, episode| {
        let digest =
            episode.actions.iter().fold(digest, |digest, &action| join(digest, action as u64));
        join(join(digest, episode.success.into()), episode.reward.to_bits().into())
    });
    Ok(digest)
}

/// `F -> 32 -> (A, 1)` with weights that are multiples of 1/32: no sum is ever rounded.
fn exact_policy(env: &dyn Env) -> Result<Network> {
    let mut rng = Rng::new(SEED);
    let mut weights = |count: usize| -> Vec<f32> {
        (0..count).map(|_| (rng.below(65) as f32 - 32.0) / 32.0).collect()
    };
    let features: usize = env.obs_shape().iter().product();
    let (vectors, bias) = (weights(features * HIDDEN), weights(HIDDEN));
    let embeddings = EmbeddingBag::new(vectors, HIDDEN, bias, true, vec![features], 0)?;
    let mut head = |outputs: usize| {
        let (matrix, bias) = (weights(HIDDEN * outputs), weights(outputs));
        Sequential::new(vec![Linear::new(matrix, bias, false)?])
    };
    let (action, value) = (head(env.num_actions())?, head(1)?);
    Network::new(embeddings, Sequential::new(Vec::new())?, action, value, Vec::new(), Vec::new())
}
