//! Play by proven shortest solutions: `optimal`.

use super::config::EvalConfig;
use super::episode::Episode;
use super::starts::Starts;
use crate::clock::Deadline;
use crate::engine::pool::Poll;
use crate::error::Result;
use crate::exact::meter::Meter;
use crate::exact::{self, Answer, Preparation, Solver};
use crate::rl::env::Env;

/// A shortest solution of every start that is proven within `config.budget`, which is for each; no other counts.
///
/// # Errors
/// If `env` offers no exact search, and as [`evaluate`](super::evaluate).
pub(super) fn play(
    env: &dyn Env,
    starts: Starts,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    let budget = config.budget;
    if matches!(starts, Starts::Current) {
        // Nothing is prepared that one board does not need.
        let meter = &mut Meter::new(budget.nodes, Deadline::after(budget.time)?, poll);
        let answer = exact::from_here(&mut *env.try_clone()?, meter)?;
        return Ok(vec![episode(env, answer, meter.nodes())?]);
    }
    let prepared = Preparation { pattern_bytes: config.pattern_bytes, ..Preparation::default() };
    let solver = Solver::prepared(env, prepared, &mut *poll)?;
    let limits = move || Ok((budget.nodes, Deadline::after(budget.time)?));
    let played = |solver: &Solver, root: &mut dyn Env, threads, meter: &mut Meter<'_>| {
        let answer = solver.answer(&mut *root.try_clone()?, threads, meter)?;
        episode(root, answer, meter.nodes())
    };
    solver.answers((starts, seed), config.num_cores, limits, played, poll)
}

/// What `answer` from the state of `root` comes to.
fn episode(root: &dyn Env, answer: Answer, nodes: u64) -> Result<Episode> {
    let played = match answer.actions {
        Some(actions) => {
            let actions = actions.into_iter().map(|action| action as i64).collect();
            Episode::played(root, actions)?
        }
        None => None,
    };
    let unsolved = Episode { reward: root.try_status()?.reward, ..Episode::default() };
    Ok(Episode { nodes, at_least: answer.at_least as u64, ..played.unwrap_or(unsolved) })
}
