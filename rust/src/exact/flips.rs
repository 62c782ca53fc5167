//! The fewest actions where each flips features of the observation, the same in every state: elimination
//! over GF(2) (Anderson and Feil, "Turning Lights Out with Linear Algebra").

use super::meter::Meter;
use super::{out_of_reach, Answer, GOAL_DRAWS};
use crate::error::{Error, Result};
use crate::rl::env::Env;
use crate::rng::Rng;

/// A set of features or of actions, 64 in a word.
type Set = Vec<u64>;

/// What every set of actions flips, as far as it is told by few of them.
#[derive(Debug)]
pub(super) struct Flips {
    /// The features of the goal.
    goal: Set,
    /// Sums of actions, none of which flips the first feature of another one before it.
    basis: Vec<Sum>,
    /// Sums of actions that flip nothing, none of which is a sum of others.
    idle: Vec<Set>,
}

/// What some actions flip together.
#[derive(Debug)]
struct Sum {
    first: usize,
    features: Set,
    actions: Set,
}

impl Flips {
    /// Those of `env`, which comes back in its goal.
    ///
    /// # Errors
    /// If the environment fails, has no single goal, or its actions do not flip.
    pub(super) fn new(env: &mut dyn Env) -> Result<Self> {
        let goal = only_goal(env)?;
        let num_actions = env.num_actions();
        let mut flips = Self { goal, basis: Vec::new(), idle: Vec::new() };
        for action in 0..num_actions {
            env.try_step(action)?;
            let mut features = seen(env)?;
            env.try_step(action)?;
            if seen(env)? != flips.goal {
                return Err(not_linear(format!("one whose action {action} does not undo itself")));
            }
            add(&mut features, &flips.goal);
            let mut actions = vec![0; num_actions.div_ceil(64)];
            actions[action / 64] |= 1 << (action % 64);
            flips.reduce(&mut features, &mut actions);
            match first(&features) {
                Some(first) => flips.basis.push(Sum { first, features, actions }),
                None => flips.idle.push(actions),
            }
        }
        Ok(flips)
    }

    /// The fewest actions from the state of `env` to the goal: one set of them that leads there, and those
    /// that differ from it by actions which flip nothing, are all there are.
    ///
    /// # Errors
    /// If none do, the environment fails or is none whose actions flip, or the poll of `meter` fails.
    pub(super) fn fewest(&self, env: &dyn Env, meter: &mut Meter<'_>) -> Result<Answer> {
        let mut features = seen(env)?;
        add(&mut features, &self.goal);
        let mut actions = vec![0; env.num_actions().div_ceil(64)];
        self.reduce(&mut features, &mut actions);
        if first(&features).is_some() {
            return Err(out_of_reach(0));
        }
        let mut fewest = actions.clone();
        // In the order of Gray's code each set differs from the one before by one idle sum.
        let num_sets = 1u64.checked_shl(self.idle.len() as u32).unwrap_or(u64::MAX);
        for number in 1..num_sets {
            if !meter.count()? {
                return Ok(Answer::unproven(usize::from(count(&fewest) > 0)));
            }
            add(&mut actions, &self.idle[number.trailing_zeros() as usize]);
            if count(&actions) < count(&fewest) {
                fewest.clone_from(&actions);
            }
        }
        let is_in = |action: &usize| fewest[action / 64] >> (action % 64) & 1 == 1;
        let actions: Vec<usize> = (0..env.num_actions()).filter(is_in).collect();
        let mut played = env.try_clone()?;
        actions.iter().try_for_each(|&action| played.try_step(action))?;
        match played.try_status()?.success {
            true => Ok(Answer::found(actions)),
            false => Err(not_linear("another".to_owned())),
        }
    }

    /// Adds sums of the basis to `features` until none has a first feature in it, and their actions to
    /// `actions`.
    fn reduce(&self, features: &mut Set, actions: &mut Set) {
        for sum in &self.basis {
            if features[sum.first / 64] >> (sum.first % 64) & 1 == 1 {
                add(features, &sum.features);
                add(actions, &sum.actions);
            }
        }
    }
}

/// The features of the goal, where `env` is then.
fn only_goal(env: &mut dyn Env) -> Result<Set> {
    env.try_reset_goal(&mut Rng::stream(0, 0, 0))?;
    let goal = seen(env)?;
    for draw in (0..GOAL_DRAWS).rev() {
        env.try_reset_goal(&mut Rng::stream(0, 0, draw))?;
        if seen(env)? != goal {
            return Err(not_linear("one with several goals".to_owned()));
        }
    }
    Ok(goal)
}

fn seen(env: &dyn Env) -> Result<Set> {
    let num_features: usize = env.obs_shape().iter().product();
    let mut words = Vec::new();
    env.try_observe(&mut words)?;
    let mut set = vec![0; num_features.div_ceil(64)];
    for feature in words {
        set[feature as usize / 64] |= 1 << (feature % 64);
    }
    Ok(set)
}

fn add(set: &mut Set, other: &Set) {
    set.iter_mut().zip(other).for_each(|(word, other)| *word ^= other);
}

fn first(set: &Set) -> Option<usize> {
    let word = set.iter().position(|&word| word != 0)?;
    Some(64 * word + set[word].trailing_zeros() as usize)
}

fn count(set: &Set) -> u32 {
    set.iter().map(|word| word.count_ones()).sum()
}

fn not_linear(got: String) -> Error {
    let expected = "an environment whose actions flip the same features in every state (is_linear)";
    Error::invalid("env", expected, got)
}
