//! Search by the classes of states, without a network: for environments that have
//! [`Env::class_hash`] and [`Env::traits`].
//!
//! A [`Guide`] holds a table of the classes around the goal and a value of traits learned from random
//! walks. A beam keeps one state of each class, the best by that value, until it touches the table;
//! real actions then lead down it. Hashes of classes may be equal by chance: what is found solves, and
//! is not proven to be shortest.

mod beam;
mod value;

use serde::{Deserialize, Serialize};

use crate::clock::Deadline;
use crate::engine::pool::{Poll, DEFAULT_CORES};
use crate::engine::store::{Key, Slot};
use crate::error::{Error, Result};
use crate::exact::breadth::{Breadth, Grown, ToldBy};
use crate::exact::meter::Meter;
use crate::rl::env::Env;
use crate::rng::Rng;

use value::Value;

/// Of the value, among what is kept.
const WEIGHTS: &str = "weights";

/// How a [`Guide`] is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preparation {
    /// Of the table, about 25 bytes each.
    pub most_classes: usize,
    /// Of random walks, each of `walk_length` actions; the value is learned from them.
    pub num_walks: usize,
    pub walk_length: usize,
    pub seed: u64,
}

impl Default for Preparation {
    fn default() -> Self {
        Self { most_classes: 100_000, num_walks: 20_000, walk_length: 16, seed: 0 }
    }
}

/// How one state is searched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub beam_width: usize,
    pub most_steps: usize,
    pub num_cores: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { beam_width: 256, most_steps: 256, num_cores: DEFAULT_CORES }
    }
}

impl Limits {
    /// Refuses a limit of 0.
    pub(crate) fn check(self) -> Result<()> {
        Error::check_counts([
            ("beam_width", self.beam_width),
            ("most_steps", self.most_steps),
            ("num_cores", self.num_cores),
        ])
    }
}

/// What searches of one environment share.
pub struct Guide {
    env: Box<dyn Env>,
    table: Breadth,
    value: Value,
    /// The action that undoes each action `[A]`.
    inverses: Vec<usize>,
}

impl Guide {
    /// Made anew, or what the [`Store`](crate::engine::store::Store) of the process has of it.
    ///
    /// # Errors
    /// If `env` has no class hashes or traits, no inverse actions or no goal, or fails; if a number is 0, or
    /// `poll` fails.
    pub fn new(env: &dyn Env, prepared: Preparation, poll: Poll<'_>) -> Result<Self> {
        Error::check_counts([
            ("most_classes", prepared.most_classes),
            ("num_walks", prepared.num_walks),
            ("walk_length", prepared.walk_length),
        ])?;
        let inverses = env.spec().require_inverses()?.to_vec();
        env.spec().require_goal()?;
        if env.class_hash().is_none() || env.num_traits() == 0 {
            let expected = "an environment with class hashes and traits (for a guided search)";
            return Err(Error::invalid("env", expected, format!("{} without", env.spec().name)));
        }
        let mut env = env.try_clone()?;
        env.try_reset_goal(&mut Rng::stream(prepared.seed, 0, 0))?;
        let slot = Slot::of(|| Key::of_env("classes", &*env, &format!("{prepared:?}")));
        let found = slot.find(|mut arrays| {
            let value = Value::of_weights(&*env, arrays.take(WEIGHTS)?)?;
            Ok((Breadth::read(&mut *env, ToldBy::ClassHash, arrays)?, value))
        })?;
        if let Some((table, value)) = found {
            return Ok(Self { env, table, value, inverses });
        }
        env.try_reset_goal(&mut Rng::stream(prepared.seed, 0, 0))?;
        let mut table = Breadth::new(&*env, ToldBy::ClassHash)?;
        let meter = &mut Meter::new(None, Deadline::NEVER, &mut *poll);
        let most = prepared.most_classes.min(u32::MAX as usize);
        while table.grow(&mut *env, most, meter, |_, _| false)? == Grown::Layer {}
        let Preparation { num_walks, walk_length, seed, .. } = prepared;
        let value = Value::of_walks(&mut *env, num_walks, walk_length, seed, poll)?;
        slot.keep(|| table.arrays().with(WEIGHTS, value.weights().to_vec()))?;
        Ok(Self { env, table, value, inverses })
    }

    /// The number of classes at each distance up to which all are known.
    pub fn layer_sizes(&self) -> Vec<usize> {
        self.table.layer_sizes()
    }

    /// Actions that solve `state`: a short way, not known to be a shortest. `None` if the beam does not
    /// find one within `most_steps`. They do not depend on `num_cores`.
    ///
    /// # Errors
    /// If `state` is none or cannot be solved, a limit is 0, the environment fails, or `poll` does.
    pub fn solve(
        &self,
        state: &[i64],
        limits: Limits,
        poll: Poll<'_>,
    ) -> Result<Option<Vec<usize>>> {
        limits.check()?;
        beam::search(self, self.env.solvable_at(state)?, limits, poll)
    }
}
