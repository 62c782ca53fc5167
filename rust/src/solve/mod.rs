//! Playing episodes to judge a policy or to solve a state.
//!
//! A [`Strategy`] says how a start is solved: by tries of the policy's own actions or of tree searches
//! (`tries.rs`), towards the largest value (`by_value.rs`), or by a beam of states (`beam.rs`), whose
//! weight of values is found by trying (`weighing.rs`).

mod asked;
mod batches;
mod beam;
mod by_value;
mod config;
mod episode;
mod frontier;
mod ranking;
mod starts;
mod tries;
mod weighing;

use crate::engine::lockstep::{check_fit, check_search, require_no_memory};
use crate::engine::pool::Poll;
use crate::error::Result;
use crate::nn::Policy;
use crate::rl::env::Env;

pub use asked::{Asked, StrategyName};
pub use config::{BeamConfig, EvalConfig, Strategy};
pub use episode::Episode;
pub use starts::Starts;
pub use weighing::choose_beam_weight;

/// Plays from every start and returns the best try of each, in order.
///
/// Try `k` from start `e` draws from the stream (`seed`, `k`, `e`) alone: the result does not
/// depend on `num_cores`. `env` stays as it is.
///
/// # Errors
/// If the strategy is out of range, the policy does not fit the environment, a start is no state or
/// cannot be solved, no action is legal in a state that is not final, an episode does not end, an
/// environment fails, `poll` does, or the policy has no form of `config.precision`.
pub fn evaluate(
    env: &dyn Env,
    policy: &dyn Policy,
    starts: Starts,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    match config.strategy.searches() {
        Some(who) => check_search(env, policy, who)?,
        None => check_fit(env, policy)?,
    }
    match config.strategy {
        Strategy::Policy | Strategy::Mcts(_) => {}
        Strategy::Value => require_no_memory(policy, "looking ahead by values")?,
        Strategy::Beam(_) => require_no_memory(policy, "a beam search")?,
    }
    config.check()?;
    let policy = &*policy.at(config.precision)?;
    starts.check(env)?;
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    match config.strategy {
        Strategy::Policy | Strategy::Mcts(_) => {
            tries::play(env, policy, starts, config, seed, poll)
        }
        Strategy::Value => by_value::play(env, policy, starts, config, seed, poll),
        Strategy::Beam(beam) => beam::search(env, policy, starts, beam, config, seed, poll),
    }
}

/// Plays from the environment's current state and returns the best try.
///
/// # Errors
/// As [`evaluate`], and if actions are not discrete.
pub fn solve(
    env: &dyn Env,
    policy: &dyn Policy,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Episode> {
    env.spec().acts.require_discrete("a solution, which is a list of them")?;
    let mut episodes = evaluate(env, policy, Starts::Current, config, seed, poll)?;
    Ok(episodes.pop().unwrap_or_default())
}
