//! The fewest actions where each flips features of the observation, the same in every state: elimination
//! over GF(2) (Anderson and Feil, "Turning Lights Out with Linear Algebra").

use super::meter::Meter;
use super::{out_of_reach, Answer, GOAL_DRAWS};
use crate::error::{Error, Result};
use crate::gf2::{add, contains, count, empty, first, insert, Basis, Set};
use crate::rl::env::Env;
use crate::rng::Rng;

/// What every set of actions flips, as far as it is told by few of them.
#[derive(Debug)]
pub(super) struct Flips {
    /// The features of the goal.
    goal: Set,
    basis: Basis,
    /// Sums of actions that flip nothing, none of which is a sum of others.
    idle: Vec<Set>,
}

impl Flips {
    /// Those of `env`, which comes back in its goal.
    ///
    /// # Errors
    /// If the environment fails, has no single goal, or its actions do not flip.
    pub(super) fn new(env: &mut dyn Env) -> Result<Self> {
        let goal = only_goal(env)?;
        let num_actions = env.num_actions();
        let mut flips = Self { goal, basis: Basis::default(), idle: Vec::new() };
        for action in 0..num_actions {
            env.try_step(action)?;
            let mut features = seen(env)?;
            env.try_step(action)?;
            if seen(env)? != flips.goal {
                return Err(not_linear(format!("one whose action {action} does not undo itself")));
            }
            add(&mut features, &flips.goal);
            let mut actions = empty(num_actions);
            insert(&mut actions, action);
            flips.idle.extend(flips.basis.push(features, actions));
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
        let mut actions = empty(env.num_actions());
        self.basis.reduce(&mut features, &mut actions);
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
        let is_in = |action: &usize| contains(&fewest, *action);
        let actions: Vec<usize> = (0..env.num_actions()).filter(is_in).collect();
        let mut played = env.try_clone()?;
        actions.iter().try_for_each(|&action| played.try_step(action))?;
        match played.try_status()?.success {
            true => Ok(Answer::found(actions)),
            false => Err(not_linear("another".to_owned())),
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
    let mut set = empty(num_features);
    words.iter().for_each(|&feature| insert(&mut set, feature as usize));
    Ok(set)
}

fn not_linear(got: String) -> Error {
    let expected = "an environment whose actions flip the same features in every state (is_linear)";
    Error::invalid("env", expected, got)
}
