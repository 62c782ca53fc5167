//! One state, from scratch: nothing is prepared that this state does not need.

use super::breadth::{Breadth, Grown, ToldBy};
use super::deepening;
use super::flips::Flips;
use super::forward;
use super::meter::Meter;
use super::patterns::Patterns;
use super::solver::{large_puzzle, only_goal, tiles_of, Solver};
use super::{out_of_reach, Answer};
use crate::clock::Deadline;
use crate::engine::pool::{num_workers, Poll, DEFAULT_CORES};
use crate::error::Result;
use crate::rl::env::Env;
use crate::search::Budget;

/// Nodes for which a board is tried before tables are built for it: some milliseconds.
const NODES_WITHOUT_TABLES: u64 = 1 << 18;

/// A shortest solution of `state`; `budget` bounds all of the work.
///
/// # Errors
/// If `env` offers no exact search, if `state` is none or has no solution, the environment fails, or
/// `poll` does.
pub fn solve(env: &dyn Env, state: &[i64], budget: Budget, poll: Poll<'_>) -> Result<Answer> {
    env.spec().acts.require_discrete("an exact search")?;
    let meter = &mut Meter::new(budget.nodes, Deadline::after(budget.time)?, poll);
    from_here(&mut *env.solvable_at(state)?, meter)
}

/// [`solve`] from the state that `env` is in.
pub(crate) fn from_here(env: &mut dyn Env, meter: &mut Meter<'_>) -> Result<Answer> {
    match large_puzzle(env) {
        Some((width, height)) => deepen(width, height, &tiles_of(env), meter),
        None if env.spec().is_linear => Flips::new(&mut *env.try_clone()?)?.fewest(env, meter),
        None if forward::is_one_way(env) => match env.try_status()?.success {
            true => Ok(Answer::found(Vec::new())),
            false => forward::shortest(env, Solver::MOST_STATES, meter),
        },
        None => meet_halfway(env, meter),
    }
}

/// By single tiles, then by larger groups of them.
fn deepen(width: usize, height: usize, tiles: &[u8], meter: &mut Meter<'_>) -> Result<Answer> {
    let num_threads = num_workers(DEFAULT_CORES);
    let patterns = Patterns::of_single_tiles(width, height);
    if Patterns::are_single_tiles(width, height) {
        return deepening::shortest(&patterns, tiles, num_threads, meter);
    }
    let first = |meter: &mut Meter<'_>| deepening::shortest(&patterns, tiles, num_threads, meter);
    let first = meter.within(NODES_WITHOUT_TABLES, first)?;
    if first.actions.is_some() {
        return Ok(first);
    }
    let Some(patterns) = Patterns::of(width, height, None, meter)? else { return Ok(first) };
    let second = deepening::shortest(&patterns, tiles, num_threads, meter)?;
    Ok(Answer { at_least: second.at_least.max(first.at_least), ..second })
}

/// Grows the states around the goal and those around the state of `env` in turn, the fewer ones
/// first, until they meet. Where there are many goals, those around the state alone.
fn meet_halfway(env: &mut dyn Env, meter: &mut Meter<'_>) -> Result<Answer> {
    let mut around_state = Breadth::new(env, ToldBy::Key)?;
    let mut goal = env.try_clone()?;
    let mut around_goal = only_goal(&mut *goal, ToldBy::Key)?;
    if env.try_status()?.success {
        return Ok(Answer::found(Vec::new()));
    }
    loop {
        let (radius, near_goal) =
            around_goal.as_ref().map_or((0, 0), |states| (states.radius(), states.num_states()));
        let num_states = around_state.num_states() + near_goal;
        let left = Solver::MOST_STATES.saturating_sub(num_states);
        let is_smaller = |states: &Breadth| states.last_layer() <= around_state.last_layer();
        let is_goals_turn = around_goal.as_ref().is_some_and(is_smaller);
        // Whole layers have not met: no solution is shorter than one step more than both radii, and
        // the first one of this length is shortest.
        let at_least = around_state.radius() + radius + 1;
        let mut met = None;
        let grown = match around_goal.as_mut().filter(|_| is_goals_turn) {
            Some(states) => {
                let mut is_only = true;
                let most = near_goal + left;
                let grown = states.grow(&mut *goal, most, meter, |key, success| {
                    met = around_state.find(key);
                    is_only &= !success;
                    success || met.is_some()
                })?;
                if !is_only {
                    around_goal = None;
                    continue;
                }
                grown
            }
            None => {
                let most = around_state.num_states() + left;
                around_state.grow(env, most, meter, |key, success| {
                    met = around_goal.as_ref().and_then(|states| states.find(key));
                    success || met.is_some()
                })?
            }
        };
        match grown {
            Grown::Layer => {}
            Grown::Found(state) => {
                let (from, to) =
                    if is_goals_turn { (met, Some(state)) } else { (Some(state), met) };
                let mut actions = from.map_or(Vec::new(), |from| around_state.from_root(from));
                if let (Some(states), Some(to)) = (&around_goal, to) {
                    actions.append(&mut states.to_root(to));
                }
                return Ok(Answer::found(actions));
            }
            Grown::Complete => return Err(out_of_reach(num_states)),
            Grown::Stopped => return Ok(Answer::unproven(at_least)),
        }
    }
}
