//! Playing episodes to judge a policy or to solve a state.
//!
//! A [`Strategy`] says how a start is solved: by tries of the policy's own actions or of tree searches
//! (`tries.rs`), towards the largest value (`by_value.rs`), or by a beam of states (`beam.rs`), whose
//! weight of values is found by trying (`weighing.rs`); without the policy by a beam of the environment's
//! own estimates (`by_patterns.rs`), or exactly (`optimally.rs`).

mod asked;
mod batches;
mod beam;
#[cfg(feature = "learning")]
mod by_patterns;
mod by_value;
mod config;
mod episode;
mod frontier;
mod optimally;
#[cfg(feature = "learning")]
mod pattern_beam;
#[cfg(feature = "learning")]
mod pattern_lessons;
mod ranking;
mod starts;
mod tries;
mod weighing;

use crate::engine::lockstep::{check_fit, check_search, require_no_memory};
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::exact::goal_table::GoalTable;
use crate::nn::Policy;
use crate::rl::env::Env;
use crate::search::check_transpositions;

pub use asked::{Asked, StrategyName};
pub use config::{BeamConfig, EvalConfig, Strategy};
pub use episode::Episode;
pub use starts::Starts;
pub use weighing::choose_beam_weight;

/// Plays from every start and returns the best try of each, in order.
///
/// Without starts nothing is played, and refused what would be with some.
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
    if !config.strategy.needs_policy() {
        return evaluate_alone(env, starts, config, seed, poll);
    }
    match config.strategy.searches() {
        Some(who) => check_search(env, policy, who)?,
        None => check_fit(env, policy)?,
    }
    match config.strategy {
        Strategy::Value => require_no_memory(policy, "looking ahead by values")?,
        Strategy::Beam(_) => require_no_memory(policy, "a beam search")?,
        Strategy::Mcts(tree) => check_transpositions(&tree, env, policy)?,
        _ => {}
    }
    config.check()?;
    let policy = &*policy.at(config.precision)?;
    starts.check(env)?;
    if starts.is_empty() {
        return check_prepared(env, config, poll).map(|()| Vec::new());
    }
    match config.strategy {
        Strategy::Value => by_value::play(env, policy, starts, config, seed, poll),
        Strategy::Beam(beam) => beam::search(env, policy, starts, beam, config, seed, poll),
        _ => tries::play(env, policy, starts, config, seed, poll),
    }
}

/// [`evaluate`] by a strategy that needs no policy.
///
/// # Errors
/// If the strategy needs one, `env` cannot be solved by it, and as [`evaluate`].
pub fn evaluate_alone(
    env: &dyn Env,
    starts: Starts,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    config.check()?;
    env.spec().acts.require_discrete("an exact search")?;
    starts.check(env)?;
    match config.strategy {
        _ if starts.is_empty() => check_prepared(env, config, poll).map(|()| Vec::new()),
        Strategy::Optimal => optimally::play(env, starts, config, seed, poll),
        #[cfg(feature = "learning")]
        Strategy::Patterns { width } => by_patterns::play(env, starts, width, config, seed, poll),
        _ => Err(Error::invalid("policy", "one, for this strategy", "none")),
    }
}

/// Whether what a strategy prepares itself by can be made of `env`, so that a call without starts tells
/// all that one with some would be refused for.
#[cfg_attr(not(feature = "learning"), expect(unused_variables, reason = "patterns alone ask it"))]
fn check_prepared(env: &dyn Env, config: &EvalConfig, poll: Poll<'_>) -> Result<()> {
    match config.strategy {
        Strategy::Mcts(_) | Strategy::Beam(_) if config.goal_table_bytes > 0 => {
            GoalTable::check(env)
        }
        Strategy::Optimal => env.spec().require_goal(),
        #[cfg(feature = "learning")]
        Strategy::Patterns { width } => by_patterns::check(env, width, config, poll),
        _ => Ok(()),
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

/// [`solve`] by a strategy that needs no policy.
///
/// # Errors
/// As [`evaluate_alone`].
pub fn solve_alone(
    env: &dyn Env,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Episode> {
    let mut episodes = evaluate_alone(env, Starts::Current, config, seed, poll)?;
    Ok(episodes.pop().unwrap_or_default())
}
