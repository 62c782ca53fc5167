//! Search by the ranks of blocks, without a network: for environments whose states are matrices over
//! GF(2) ([`Env::matrices`]), as those of circuits on a coupling map are.
//!
//! A value that is a sum over ranks leads a beam, which takes gates off a circuit from both of its ends.
//! It is learned from what such beams find (as by expert iteration; Anthony, Tian and Barber, "Thinking
//! fast and slow with deep learning and tree search"): which of all gates comes next.

mod beam;
mod blocks;
mod candidates;
mod lanes;
mod lessons;
mod value;

use serde::{Deserialize, Serialize};

use crate::engine::pool::{Poll, DEFAULT_CORES};
use crate::engine::store::{Arrays, Key, Slot};
use crate::error::{Error, Result};
use crate::guided::Limits;
use crate::rl::env::Env;
use crate::rng::Rng;

use beam::{search, Reach};
use value::Value;

/// Among what is kept.
const WEIGHTS: &str = "weights";

/// How a [`Ranked`] is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preparation {
    /// Of learning, 32 scrambled states each.
    pub num_rounds: usize,
    pub seed: u64,
    pub num_cores: usize,
}

impl Default for Preparation {
    fn default() -> Self {
        Self { num_rounds: 100, seed: 0, num_cores: DEFAULT_CORES }
    }
}

/// What searches of one environment share.
pub struct Ranked {
    env: Box<dyn Env>,
    value: Value,
}

impl Ranked {
    /// Learns the value, which does not depend on `num_cores`. `told` hears how many rounds are done: of none
    /// where the [`Store`](crate::engine::store::Store) of the process has what was learned.
    ///
    /// # Errors
    /// If the states of `env` are no matrices over GF(2), or too large ones, or it fails; if a number is 0,
    /// or `told` or `poll` fails.
    pub fn new(
        env: &dyn Env,
        prepared: Preparation,
        told: &mut dyn FnMut(usize) -> Result<()>,
        poll: Poll<'_>,
    ) -> Result<Self> {
        let counts = [("num_rounds", prepared.num_rounds), ("num_cores", prepared.num_cores)];
        Error::check_counts(counts)?;
        let Preparation { num_rounds, seed, .. } = prepared;
        let slot = Slot::of(|| Key::of_env("ranks", env, &format!("{num_rounds} {seed}")));
        let found = slot.find(|mut arrays| Self::with_weights(env, arrays.take(WEIGHTS)?))?;
        if let Some(found) = found {
            return Ok(found);
        }
        let mut ranked = Self::untaught(env)?;
        lessons::learn(&mut ranked.value, &*ranked.env, prepared, told, poll)?;
        slot.keep(|| Arrays::default().with(WEIGHTS, ranked.weights().to_vec()))?;
        Ok(ranked)
    }

    /// With the [`Ranked::weights`] of another one for the same environment.
    ///
    /// # Errors
    /// If the states of `env` are no such matrices, or these are not as many numbers as its values have.
    pub fn with_weights(env: &dyn Env, weights: Vec<f32>) -> Result<Self> {
        let mut ranked = Self::untaught(env)?;
        let expected = ranked.value.weights().len();
        if weights.len() != expected || !weights.iter().all(|weight| weight.is_finite()) {
            let got = format!("{} numbers, or some that are not finite", weights.len());
            return Err(Error::invalid("weights", format!("{expected} numbers"), got));
        }
        ranked.value.set_weights(weights);
        Ok(ranked)
    }

    fn untaught(env: &dyn Env) -> Result<Self> {
        let mut env = env.try_clone()?;
        env.try_reset_goal(&mut Rng::new(0))?;
        let Some((matrices, _)) = env.matrices() else {
            let expected =
                "an environment of matrices, of Cliffords of at most 8 qubits or linear \
                            functions of at most 12 (for a search by ranks)";
            return Err(Error::invalid("env", expected, format!("{} without", env.spec().name)));
        };
        Ok(Self { value: Value::new(matrices), env })
    }

    /// What was learned.
    pub fn weights(&self) -> &[f32] {
        self.value.weights()
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
        let Limits { beam_width: width, most_steps, num_cores } = limits;
        let mut env = self.env.solvable_at(state)?;
        let Some((_, start)) = env.matrices() else { return Ok(None) };
        let found = search(&self.value, start, Reach { width, most_steps, num_cores }, poll)?;
        let Some(moves) = found else { return Ok(None) };
        let matrices = &self.value.matrices;
        let (mut actions, mut before, mut rest) = (Vec::new(), Vec::new(), start);
        for each in moves {
            let action = usize::from(each.action);
            match each.is_before {
                true => {
                    matrices.play_before(&mut rest, action);
                    before.push(action);
                }
                false => {
                    matrices.play(&mut rest, action);
                    actions.push(action);
                }
            }
        }
        let Some(turned) = matrices.turned(&before, &rest) else { return Ok(None) };
        actions.extend(turned);
        actions.iter().try_for_each(|&action| env.try_step(action))?;
        Ok(env.try_status()?.success.then_some(actions))
    }
}
