//! What the engine plays with: called once for a batch of observations.

use std::sync::Arc;

use super::head::Head;
use super::precision::PlayPrecision;
use super::scratch::Scratch;
use crate::error::{Error, Result};
use crate::spaces::{Parts, Rows};

/// Evaluates observations; the engine's own is [`Network`](super::Network).
///
/// The result of a row depends on that row alone, so that outputs may be kept while the weights
/// stand still.
pub trait Policy: Send + Sync {
    /// Outputs `A` of the action head: a logit for each action, or what [`Policy::head`] says.
    fn num_actions(&self) -> usize;

    /// The distribution of actions that the outputs stand for.
    fn head(&self) -> &Head {
        &Head::Categorical
    }

    /// Number of features `F`.
    fn num_features(&self) -> usize;

    /// What the numbers of an observation are called: one of
    /// [`ObsSpace::DTYPES`](crate::spaces::ObsSpace::DTYPES), or [`DICT`](crate::spaces::DICT).
    fn obs_dtype(&self) -> &'static str {
        crate::spaces::SPARSE
    }

    /// What an observation is made of, where it has several parts.
    fn obs_parts(&self) -> Option<&Parts> {
        None
    }

    /// Number of pairs of permutations `P`.
    fn num_twists(&self) -> usize;

    /// Numbers `S` that it remembers of an episode; 0 for a policy without memory.
    fn state_size(&self) -> usize {
        0
    }

    /// What it remembers before an episode's first observation, `state [S]`.
    fn initial_state(&self, state: &mut [f32]) {
        state.fill(0.0);
    }

    /// Whether a call costs so much, beside what its rows cost, that many lanes should share it.
    fn is_called_dearly(&self) -> bool {
        false
    }

    /// Evaluates `N` observations: `logits [N, A]` before masks and `values [N]`.
    ///
    /// `twists [N]` names the pair of permutations of each row, -1 for none: row `n` is evaluated
    /// with features `obs_perm[i]` in place of `i`, and `logits[n][a]` is the network's output
    /// `act_perm[a]`. The result of a row does not depend on the other rows.
    ///
    /// Errors, with `logits` and `values` unspecified: lengths that do not fit, a row that is no
    /// observation (a feature outside `0..F`), a twist outside `-1..P`, an output that is not finite.
    fn forward_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()>;

    /// [`Policy::forward_batch`] of `N` observations in the course of episodes: `states [N, S]` hold what is
    /// remembered before each, and then what is remembered after it.
    ///
    /// To a policy with memory, [`Policy::forward_batch`] shows each observation as an episode's first.
    fn step_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        states: &mut [f32],
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        check_len("states", states.len(), 0)?;
        self.forward_batch(rows, twists, scratch, logits, values)
    }

    /// The same policy, to be kept by threads that may outlive the caller's; copies no weights.
    fn share(&self) -> Arc<dyn Policy>;

    /// The same policy, computing in numbers of `precision`.
    ///
    /// # Errors
    /// If there is no such form of it, or not on this processor.
    fn at(&self, precision: PlayPrecision) -> Result<Arc<dyn Policy>> {
        match precision {
            PlayPrecision::F32 => Ok(self.share()),
            _ => {
                let expected = "f32 for a policy that is no network of the engine";
                Err(Error::invalid("precision", expected, precision.name()))
            }
        }
    }
}

pub(crate) fn check_len(name: &str, got: usize, expected: usize) -> Result<()> {
    match got == expected {
        true => Ok(()),
        false => Err(Error::invalid(format!("length of {name}"), expected.to_string(), got)),
    }
}

/// Refuses outputs that are not finite, naming the first.
pub fn check_outputs(logits: &[f32], num_actions: usize, values: &[f32]) -> Result<()> {
    let fault = |name: &str, row: usize, value: f32| {
        Err(Error::Policy(format!("expected finite {name}, got {value} for observation {row}")))
    };
    if let Some(i) = logits.iter().position(|logit| !logit.is_finite()) {
        return fault("logits", i / num_actions, logits[i]);
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => fault("values", row, values[row]),
        None => Ok(()),
    }
}
