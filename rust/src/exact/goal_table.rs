//! The states around the goal, where a search may end: what is left is read off.

use std::sync::Arc;

use super::breadth::{Breadth, Grown, ToldBy};
use super::meter::Meter;
use super::GOAL_DRAWS;
use crate::clock::Deadline;
use crate::engine::cache::row_key;
use crate::engine::kept::Kept;
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::rl::env::Env;
use crate::rng::Rng;

/// What a state takes, while its table grows too.
const BYTES_OF_A_STATE: u64 = 64;

static KEPT: Kept<GoalTable> = Kept::new();

/// All states up to a distance from the only goal of an environment, told apart by what is seen of
/// them.
#[derive(Debug)]
pub(crate) struct GoalTable {
    states: Breadth,
    most_states: usize,
    /// Of the environment.
    name: String,
    action_names: Vec<String>,
    /// What is seen after each action in the goal.
    next_to_goal: Vec<u128>,
}

impl GoalTable {
    /// As far around the goal of `env` as `bytes` go; `None` if they are 0. It is kept for the next
    /// call for such an environment.
    ///
    /// # Errors
    /// If `env` has no inverse actions, or not one goal that can be told, if it fails, or `poll` does.
    pub(crate) fn around(env: &dyn Env, bytes: u64, poll: Poll<'_>) -> Result<Option<Arc<Self>>> {
        if bytes == 0 {
            return Ok(None);
        }
        let most_states = (bytes / BYTES_OF_A_STATE).clamp(1, u64::from(u32::MAX)) as usize;
        let mut env = env.try_clone()?;
        let states = observed_goal(&mut *env)?;
        let next_to_goal = neighbours(&mut *env)?;
        let (name, action_names) = (env.spec().name.clone(), env.spec().action_names.clone());
        let mut table = Self { states, most_states, name, action_names, next_to_goal };
        let found = KEPT.find(|other| table.is_like(other));
        if found.is_some() {
            return Ok(found);
        }
        table.grow(&mut *env, poll)?;
        Ok(Some(KEPT.keep(table)))
    }

    /// Whether `env` may have a table.
    ///
    /// # Errors
    /// As [`GoalTable::around`].
    pub(crate) fn check(env: &dyn Env) -> Result<()> {
        let mut env = env.try_clone()?;
        observed_goal(&mut *env)?;
        neighbours(&mut *env).map(drop)
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.action_names, &self.next_to_goal, self.most_states)
            == (&other.name, &other.action_names, &other.next_to_goal, other.most_states)
    }

    fn grow(&mut self, env: &mut dyn Env, poll: Poll<'_>) -> Result<()> {
        let meter = &mut Meter::new(None, Deadline::NEVER, poll);
        let mut is_only = true;
        while self.states.grow(env, self.most_states, meter, |_, success| {
            is_only &= !success;
            success
        })? == Grown::Layer
        {}
        is_only.then_some(()).ok_or_else(many_goals)
    }

    /// The distance up to which all states are known.
    pub(crate) fn radius(&self) -> usize {
        self.states.radius()
    }

    /// The state that is seen as `row`, if it is not farther from the goal than
    /// [`GoalTable::radius`], and its distance.
    #[inline]
    pub(crate) fn find(&self, row: &[i32]) -> Option<(usize, usize)> {
        let state = self.states.find(row_key(row))?;
        let distance = self.states.distance(state);
        (distance <= self.radius()).then_some((state, distance))
    }

    /// The actions that lead from `state` to the goal.
    pub(crate) fn way(&self, state: usize) -> Vec<usize> {
        self.states.to_root(state)
    }
}

/// The goal, known by what is seen of it; `env` is then there.
fn observed_goal(env: &mut dyn Env) -> Result<Breadth> {
    env.spec().require_inverses()?;
    env.spec().require_goal()?;
    env.try_reset_goal(&mut Rng::stream(0, 0, 0))?;
    let states = Breadth::new(env, ToldBy::Observation)?;
    for draw in (0..GOAL_DRAWS).rev() {
        env.try_reset_goal(&mut Rng::stream(0, 0, draw))?;
        if states.find(seen(env)?).is_none() {
            return Err(many_goals());
        }
    }
    Ok(states)
}

fn many_goals() -> Error {
    let expected = "0, or an environment with one goal (for a table of the states around it)";
    Error::invalid("goal_table_bytes", expected, "an environment with several")
}

/// What is seen after each legal action of `env`, which comes back.
fn neighbours(env: &mut dyn Env) -> Result<Vec<u128>> {
    let inverses = env.spec().require_inverses()?.to_vec();
    let mut masks = vec![false; inverses.len()];
    env.try_masks(&mut masks)?;
    let mut next = Vec::with_capacity(inverses.len());
    for (action, undo) in inverses.into_iter().enumerate().filter(|&(action, _)| masks[action]) {
        env.try_step(action)?;
        next.push(seen(env)?);
        env.try_step(undo)?;
    }
    Ok(next)
}

fn seen(env: &dyn Env) -> Result<u128> {
    let mut row = Vec::new();
    env.try_observe(&mut row)?;
    Ok(row_key(&row))
}
