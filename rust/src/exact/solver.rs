//! The exact method that fits an environment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::breadth::{Breadth, Grown};
use super::deepening;
use super::meter::{deadline, Meter};
use super::patterns::Patterns;
use super::Answer;
use crate::engine::pool::{num_workers, run, Poll};
use crate::envs::puzzle::Puzzle;
use crate::error::{Error, Result};
use crate::rl::env::Env;
use crate::rng::Rng;
use crate::search::Budget;
use crate::solve::Starts;

/// The largest sliding puzzle of which all states are kept.
const TABLE_CELLS: usize = 9;
/// Draws of the goal that must agree for it to count as the only one.
const GOAL_DRAWS: u64 = 8;

/// Pattern databases by size of board.
type KeptPatterns = HashMap<(usize, usize), Arc<Patterns>>;

/// Built when first needed.
static PATTERNS: Mutex<Option<KeptPatterns>> = Mutex::new(None);

/// Answers for one environment, with what was prepared for it.
pub struct Solver {
    env: Box<dyn Env>,
    method: Method,
    most_states: usize,
}

enum Method {
    Patterns(Arc<Patterns>),
    /// All states around the goal, as many as are kept.
    FromGoal {
        states: Breadth,
        complete: bool,
    },
    /// There are many goals: each state is searched from, until one is met.
    FromState,
}

impl Solver {
    /// States that a search keeps, by default: at most about 250 MiB.
    pub const MOST_STATES: usize = 10_000_000;

    /// Prepares what the environment needs: at most `most_states` states around its goal, or the
    /// pattern databases of a sliding puzzle of more than nine cells.
    ///
    /// # Errors
    /// If the environment has no inverse actions, no goal to start from or no state keys, if it
    /// fails, or `poll` does.
    pub fn new(env: &dyn Env, most_states: usize, poll: Poll<'_>) -> Result<Self> {
        let mut env = env.try_clone()?;
        let most_states = most_states.clamp(1, u32::MAX as usize);
        let method = match env.as_any().downcast_ref::<Puzzle>() {
            Some(puzzle) if puzzle.width() * puzzle.height() > TABLE_CELLS => {
                Method::Patterns(kept_patterns(puzzle.width(), puzzle.height(), poll)?)
            }
            _ => around_goal(&mut *env, most_states, poll)?,
        };
        Ok(Self { env, method, most_states })
    }

    /// The number of states at each distance from the goal, if all of them are kept.
    pub fn layer_sizes(&self) -> Option<Vec<usize>> {
        match &self.method {
            Method::FromGoal { states, complete: true } => Some(states.layer_sizes()),
            _ => None,
        }
    }

    /// A shortest solution of `state`, within `budget`.
    ///
    /// # Errors
    /// If `state` is none, has no solution, the environment fails, or `poll` does.
    pub fn solve(&self, state: &[i64], budget: Budget, poll: Poll<'_>) -> Result<Answer> {
        let mut env = self.env.try_clone()?;
        env.try_set_state(state)?;
        env.check_solvable()?;
        self.answer(&mut *env, &mut Meter::new(budget.nodes, deadline(budget.time), poll))
    }

    /// The optimum of every start, in order; `actions` tells whether it is proven.
    ///
    /// `budget.nodes` is for each start, `budget.time` for all of them together. Starts and
    /// `seed` mean the same states as in [`evaluate`](crate::solve::evaluate).
    ///
    /// # Errors
    /// If a start is no state or has no solution, the environment fails, or `poll` does.
    pub fn solve_all(
        &self,
        starts: Starts<'_>,
        seed: u64,
        num_cores: usize,
        budget: Budget,
        poll: Poll<'_>,
    ) -> Result<Vec<Answer>> {
        starts.check(&*self.env)?;
        let deadline = deadline(budget.time);
        let next = AtomicUsize::new(0);
        let parts = run(num_workers(num_cores).min(starts.len()), poll, |_, stop| {
            let mut env = self.env.try_clone()?;
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= starts.len() {
                    return Ok(answers);
                }
                stop()?;
                starts.place(index, &mut *env, seed)?;
                let mut meter = Meter::new(budget.nodes, deadline, stop);
                answers.push((index, self.answer(&mut *env, &mut meter)?));
            }
        })?;
        let mut answers: Vec<_> = parts.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(index, _)| *index);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// From the state that `env` is in.
    fn answer(&self, env: &mut dyn Env, meter: &mut Meter<'_>) -> Result<Answer> {
        if env.try_status()?.success {
            return Ok(Answer::found(Vec::new()));
        }
        match &self.method {
            Method::Patterns(patterns) => {
                let puzzle = env.as_any().downcast_ref::<Puzzle>();
                let tiles = puzzle.map(Puzzle::get_state).unwrap_or_default();
                let tiles: Vec<u8> = tiles.into_iter().map(|tile| tile as u8).collect();
                deepening::shortest(patterns, &tiles, meter)
            }
            Method::FromGoal { states, complete } => {
                let state = env.state_key().and_then(|key| states.find(key));
                match state {
                    Some(state) => Ok(Answer::found(states.to_root(state))),
                    None if *complete => Err(out_of_reach(states.num_states())),
                    None => self.meet(env, Some(states), meter),
                }
            }
            Method::FromState => self.meet(env, None, meter),
        }
    }

    /// Searches from `env` until a goal or a state that is nearest to the goal is met.
    fn meet(
        &self,
        env: &mut dyn Env,
        around_goal: Option<&Breadth>,
        meter: &mut Meter<'_>,
    ) -> Result<Answer> {
        let radius = around_goal.map_or(0, Breadth::radius);
        // Only whole layers: the first state that is met in them is then on a shortest way.
        let near = |key: u128| -> Option<(&Breadth, usize)> {
            let states = around_goal?;
            let state = states.find(key)?;
            (states.distance(state) <= radius).then_some((states, state))
        };
        let mut rest = Vec::new();
        let mut around_state = Breadth::new(env)?;
        loop {
            let met = |key, success| {
                let found = if success { None } else { near(key) };
                rest = found.map(|(states, state)| states.to_root(state)).unwrap_or_default();
                success || found.is_some()
            };
            match around_state.grow(env, self.most_states, meter, met)? {
                Grown::Layer => {}
                Grown::Found(state) => {
                    let mut actions = around_state.from_root(state);
                    actions.append(&mut rest);
                    return Ok(Answer::found(actions));
                }
                Grown::Complete => return Err(out_of_reach(around_state.num_states())),
                Grown::Stopped => return Ok(Answer::unproven(around_state.radius() + radius + 1)),
            }
        }
    }
}

fn out_of_reach(num_states: usize) -> Error {
    let got = format!("one of which the goal is out of reach ({num_states} states searched)");
    Error::invalid("state", "one that can be solved", got)
}

fn kept_patterns(width: usize, height: usize, poll: Poll<'_>) -> Result<Arc<Patterns>> {
    let mut kept = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    if let Some(patterns) = kept.get(&(width, height)) {
        return Ok(patterns.clone());
    }
    let patterns = Arc::new(Patterns::new(width, height, poll)?);
    kept.insert((width, height), patterns.clone());
    Ok(patterns)
}

fn around_goal(env: &mut dyn Env, most_states: usize, poll: Poll<'_>) -> Result<Method> {
    let mut states: Option<Breadth> = None;
    for draw in 0..GOAL_DRAWS {
        env.try_reset_goal(&mut Rng::stream(0, 0, draw))?;
        match (&states, env.state_key()) {
            (Some(first), Some(key)) if first.find(key).is_none() => return Ok(Method::FromState),
            (None, _) => states = Some(Breadth::new(env)?),
            _ => {}
        }
    }
    let Some(mut states) = states else { return Ok(Method::FromState) };
    let mut meter = Meter::new(None, None::<Instant>, poll);
    loop {
        match states.grow(env, most_states, &mut meter, |_, success| success)? {
            Grown::Layer => {}
            Grown::Found(_) => return Ok(Method::FromState),
            Grown::Complete => return Ok(Method::FromGoal { states, complete: true }),
            Grown::Stopped => return Ok(Method::FromGoal { states, complete: false }),
        }
    }
}
