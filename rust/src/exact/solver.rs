//! The exact method that fits an environment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use super::breadth::{Breadth, Grown, ToldBy};
use super::deepening;
use super::flips::Flips;
use super::forward;
use super::meter::Meter;
use super::patterns::Patterns;
use super::{out_of_reach, Answer, GOAL_DRAWS};
use crate::clock::Deadline;
use crate::engine::pool::{num_workers, run_foreign, Poll, DEFAULT_CORES};
use crate::engine::store::{Key, Slot};
use crate::envs::puzzle::Puzzle;
use crate::error::{Error, Result};
use crate::rl::env::Env;
use crate::rng::Rng;
use crate::search::Budget;
use crate::solve::Starts;

/// The largest sliding puzzle of which all states are kept.
const TABLE_CELLS: usize = 9;
/// Answers for one environment, with what was prepared for it.
pub struct Solver {
    env: Box<dyn Env>,
    method: Arc<Method>,
    most_states: usize,
}

/// What a [`Solver`] prepares at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// Around the goal.
    pub most_states: usize,
    /// Of the pattern databases of a sliding puzzle; `None`: a million placements for each group of tiles.
    pub pattern_bytes: Option<u64>,
    /// With less prepared the answers take longer.
    pub time: Option<Duration>,
}

impl Default for Preparation {
    fn default() -> Self {
        Self { most_states: Solver::MOST_STATES, pattern_bytes: None, time: None }
    }
}

enum Method {
    Patterns(Arc<Patterns>),
    Flips(Flips),
    /// All states around the goal, or one of each class, as many as are kept.
    FromGoal {
        states: Breadth,
        complete: bool,
    },
    /// There are many goals: each state is searched from, until one is met.
    FromState,
    /// The same where no action undoes another.
    Forward,
}

impl Solver {
    /// States that a search keeps, by default: at most about 250 MiB.
    pub const MOST_STATES: usize = 10_000_000;

    /// Prepares what the environment needs: at most `most_states` states around its goal, or the
    /// pattern databases of a sliding puzzle of more than nine cells. What the
    /// [`Store`](crate::engine::store::Store) of the process has of them is not made again.
    ///
    /// # Errors
    /// If the environment has no state keys, has inverse actions and no goal to start from, if it
    /// fails, or `poll` does.
    pub fn new(env: &dyn Env, most_states: usize, poll: Poll<'_>) -> Result<Self> {
        Self::prepared(env, Preparation { most_states, ..Preparation::default() }, poll)
    }

    /// [`Solver::new`] with other limits.
    ///
    /// # Errors
    /// As [`Solver::new`], and if the memory for pattern databases is too small for any.
    pub fn prepared(env: &dyn Env, prepared: Preparation, poll: Poll<'_>) -> Result<Self> {
        let Preparation { most_states, pattern_bytes, time } = prepared;
        Error::check_counts([("most_states", most_states)])?;
        env.spec().acts.require_discrete("an exact search")?;
        let meter = &mut Meter::new(None, Deadline::after(time)?, poll);
        let mut env = env.try_clone()?;
        let most_states = most_states.min(u32::MAX as usize);
        let method = match large_puzzle(&*env) {
            Some((width, height)) => {
                let patterns = Patterns::of(width, height, pattern_bytes, meter)?;
                let or_else = || Arc::new(Patterns::of_single_tiles(width, height));
                Method::Patterns(patterns.unwrap_or_else(or_else))
            }
            None if env.spec().is_linear => Method::Flips(Flips::new(&mut *env)?),
            None if forward::is_one_way(&*env) => Method::Forward,
            None => kept_around_goal(&mut *env, most_states, meter)?,
        };
        Ok(Self { env, method: Arc::new(method), most_states })
    }

    /// The number of states at each distance from the goal. `None` if not all of them are kept, and where
    /// one is kept of each class of them, [`Env::class_key`]: how many a class has is not counted.
    pub fn layer_sizes(&self) -> Option<Vec<usize>> {
        match &*self.method {
            Method::FromGoal { states, complete: true } if states.told_by() == ToldBy::Key => {
                Some(states.layer_sizes())
            }
            _ => None,
        }
    }

    /// A shortest solution of `state`, within `budget`.
    ///
    /// # Errors
    /// If `state` is none, has no solution, the environment fails, or `poll` does.
    pub fn solve(&self, state: &[i64], budget: Budget, poll: Poll<'_>) -> Result<Answer> {
        let mut meter = Meter::new(budget.nodes, Deadline::after(budget.time)?, poll);
        let mut env = self.env.solvable_at(state)?;
        self.answer(&mut *env, num_workers(DEFAULT_CORES), &mut meter)
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
        starts: Starts,
        seed: u64,
        num_cores: usize,
        budget: Budget,
        poll: Poll<'_>,
    ) -> Result<Vec<Answer>> {
        let deadline = Deadline::after(budget.time)?;
        let limits = move || Ok((budget.nodes, deadline));
        self.answers((starts, seed), num_cores, limits, Self::answer, poll)
    }

    /// What `answer` makes of every start, in order. It is given the environment there, which it may move,
    /// the threads that may share the start, and what is left of `limits`, which are asked for when a start
    /// is begun.
    ///
    /// # Errors
    /// As [`Solver::solve_all`].
    pub(crate) fn answers<T: Send + 'static>(
        &self,
        (starts, seed): (Starts, u64),
        num_cores: usize,
        limits: impl Fn() -> Result<(Option<u64>, Deadline)> + Send + Sync + 'static,
        answer: impl Fn(&Self, &mut dyn Env, usize, &mut Meter<'_>) -> Result<T> + Send + Sync + 'static,
        poll: Poll<'_>,
    ) -> Result<Vec<T>> {
        Error::check_counts([("num_cores", num_cores)])?;
        starts.check(&*self.env)?;
        let next = AtomicUsize::new(0);
        let cores = num_workers(num_cores);
        // Threads share one start where there is no other.
        let (workers, threads) =
            if starts.len() == 1 { (1, cores) } else { (cores.min(starts.len()), 1) };
        let solver = Self { env: self.env.try_clone()?, method: self.method.clone(), ..*self };
        let parts = run_foreign(workers, poll, move |_, stop| {
            let mut root = solver.env.try_clone()?;
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= starts.len() {
                    return Ok(answers);
                }
                stop()?;
                starts.place(index, &mut *root, seed)?;
                let (most_nodes, deadline) = limits()?;
                let meter = &mut Meter::new(most_nodes, deadline, stop);
                answers.push((index, answer(&solver, &mut *root, threads, meter)?));
            }
        })?;
        let mut answers: Vec<_> = parts.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(index, _)| *index);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// From the state that `env` is in, which may be another one then, by `num_threads` where they can
    /// share it.
    pub(crate) fn answer(
        &self,
        env: &mut dyn Env,
        num_threads: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Answer> {
        if env.try_status()?.success {
            return Ok(Answer::found(Vec::new()));
        }
        match &*self.method {
            Method::Patterns(patterns) => {
                deepening::shortest(patterns, &tiles_of(env), num_threads, meter)
            }
            Method::Flips(flips) => flips.fewest(env, meter),
            Method::FromGoal { states, complete } => match states.descend(env)? {
                Some(actions) => Ok(Answer::found(actions)),
                None if *complete => Err(out_of_reach(states.num_states())),
                None => meet(env, Some(states), self.most_states, meter),
            },
            Method::Forward => forward::shortest(env, self.most_states, meter),
            Method::FromState => meet(env, None, self.most_states, meter),
        }
    }
}

/// Searches from `env` until a goal or a state that is nearest to the goal is met.
fn meet(
    env: &mut dyn Env,
    around_goal: Option<&Breadth>,
    most_states: usize,
    meter: &mut Meter<'_>,
) -> Result<Answer> {
    let radius = around_goal.map_or(0, Breadth::radius);
    // Only whole layers: the first state that is met in them is then on a shortest way.
    let is_near = |key: u128| {
        let distance = around_goal.and_then(|states| Some(states.distance(states.find(key)?)));
        distance.is_some_and(|distance| distance <= radius)
    };
    let told_by = around_goal.map_or(ToldBy::Key, Breadth::told_by);
    let mut around_state = Breadth::new(env, told_by)?;
    loop {
        let met = |key, success| success || is_near(key);
        match around_state.grow(env, most_states, meter, met)? {
            Grown::Layer => {}
            Grown::Found(state) => {
                let mut actions = around_state.from_root(state);
                actions.iter().try_for_each(|&action| env.try_step(action))?;
                if let Some(states) = around_goal {
                    actions.append(&mut states.descend(env)?.ok_or_else(not_of_a_class)?);
                }
                return Ok(Answer::found(actions));
            }
            Grown::Complete => return Err(out_of_reach(around_state.num_states())),
            Grown::Stopped => return Ok(Answer::unproven(around_state.radius() + radius + 1)),
        }
    }
}

fn not_of_a_class() -> Error {
    let expected = "an environment whose states of equal class keys are equally far from the goal";
    Error::invalid("env", expected, "one without a way from a state as from another of its class")
}

/// The sides of a sliding puzzle that has too many states to keep them all.
pub(super) fn large_puzzle(env: &dyn Env) -> Option<(usize, usize)> {
    let puzzle = env.as_any().downcast_ref::<Puzzle>()?;
    let (width, height) = (puzzle.width(), puzzle.height());
    (width * height > TABLE_CELLS).then_some((width, height))
}

pub(super) fn tiles_of(env: &dyn Env) -> Vec<u8> {
    let puzzle = env.as_any().downcast_ref::<Puzzle>();
    let tiles = puzzle.map(Puzzle::get_state).unwrap_or_default();
    tiles.into_iter().map(|tile| tile as u8).collect()
}

/// Only the goal, if several draws of it agree; `env` is then there.
pub(super) fn only_goal(env: &mut dyn Env, told_by: ToldBy) -> Result<Option<Breadth>> {
    let mut states: Option<Breadth> = None;
    for draw in 0..GOAL_DRAWS {
        env.try_reset_goal(&mut Rng::stream(0, 0, draw))?;
        match &states {
            Some(first) if first.find_here(env, &mut Vec::new())?.is_none() => return Ok(None),
            Some(_) => {}
            None => states = Some(Breadth::new(env, told_by)?),
        }
    }
    Ok(states)
}

/// [`around_goal`], or what another process has kept of it.
fn kept_around_goal(
    env: &mut dyn Env,
    most_states: usize,
    meter: &mut Meter<'_>,
) -> Result<Method> {
    const COMPLETE: &str = "complete";
    let slot = Slot::of(|| Key::of_env("states", env, &format!("{most_states}")));
    let found = slot.find(|mut arrays| {
        let told_by = ToldBy::best(env);
        let complete = arrays.take_all::<u8>(COMPLETE, 1)?[0] != 0;
        env.try_reset_goal(&mut Rng::stream(0, 0, 0))?;
        let states = Breadth::read(env, told_by, arrays)?;
        Ok(Method::FromGoal { states, complete })
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let made = around_goal(env, most_states, meter)?;
    if let Method::FromGoal { states, complete } = &made {
        // What a limit of time has cut off is another the next time.
        if *complete || states.num_states() >= most_states {
            slot.keep(|| states.arrays().with(COMPLETE, vec![u8::from(*complete)]))?;
        }
    }
    Ok(made)
}

fn around_goal(env: &mut dyn Env, most_states: usize, meter: &mut Meter<'_>) -> Result<Method> {
    let told_by = ToldBy::best(env);
    let Some(mut states) = only_goal(env, told_by)? else { return Ok(Method::FromState) };
    loop {
        match states.grow(env, most_states, meter, |_, success| success)? {
            Grown::Layer => {}
            Grown::Found(_) => return Ok(Method::FromState),
            Grown::Complete => return Ok(Method::FromGoal { states, complete: true }),
            Grown::Stopped => return Ok(Method::FromGoal { states, complete: false }),
        }
    }
}
