//! Learning to undo random walks from the goal (Takano 2023, "Self-Supervision is All You Need for
//! Solving Rubik's Cube").
//!
//! With the share `u(a|s)` of the walks through a state whose last move `a` undoes, what the value
//! should say `v(s)`, and a weight `w(s)`:
//!
//! ```text
//! policy = -mean(w(s) sum_a u(a|s) log pi(a|s))
//! value  = mean(w(s) (V(s) - v(s))^2)
//! total  = policy + vf_coef value
//! ```

use serde::Deserialize;

use super::batch::Samples;
use super::descent::{Descent, Losses, Objective};
use super::learner::Learner;
use super::lengths::check_len;
use super::softmax::LogSoftmax;
use crate::engine::pool::Poll;
use crate::error::Result;

/// What the walks told of each sample.
#[derive(Clone, Copy, Debug)]
pub struct WalkTargets<'a> {
    /// `[N, A]`
    pub undo: &'a [f32],
    /// `[N]`
    pub values: &'a [f32],
    /// `[N]`
    pub weights: &'a [f32],
    pub vf_coef: f32,
}

impl WalkTargets<'_> {
    pub(super) fn check(&self, num_samples: usize, num_actions: usize) -> Result<()> {
        check_len("undo", self.undo.len(), num_samples * num_actions)?;
        check_len("values", self.values.len(), num_samples)?;
        check_len("weights", self.weights.len(), num_samples)
    }
}

/// How the network comes to say what the walks told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// By [`train`].
    #[default]
    Gradient,
    /// By [`parity::fit`](super::parity::fit).
    Parity,
}

/// Trains `learner`; the losses are "policy", "value" and "total".
///
/// # Errors
/// If the samples do not fit each other or the network, or as [`Learner::descend`].
pub fn train(
    learner: &mut Learner,
    samples: &Samples<'_>,
    targets: &WalkTargets<'_>,
    descent: &Descent,
    poll: Poll<'_>,
) -> Result<Losses> {
    let num_actions = learner.require_categorical()?;
    targets.check(samples.len(), num_actions)?;
    learner.descend(samples, &Walk { samples, targets, num_actions }, descent, poll)
}

struct Walk<'a> {
    samples: &'a Samples<'a>,
    targets: &'a WalkTargets<'a>,
    num_actions: usize,
}

impl Objective for Walk<'_> {
    /// Policy, value.
    const NUM_TERMS: usize = 2;

    fn observe(
        &self,
        samples: &[u32],
        scale: f32,
        logits: &[f32],
        value: f32,
        gradient: &mut [f32],
        scratch: &mut Vec<f32>,
        terms: &mut [f64],
    ) -> f32 {
        let mut by_value = 0.0;
        let whole = std::slice::from_ref(&self.num_actions);
        let mut chosen = LogSoftmax::new(logits, whole, gradient, scratch);
        for &sample in samples {
            let sample = sample as usize;
            chosen.see_through(self.samples.illegal(sample, self.num_actions));
            let weight = self.targets.weights[sample];
            let undo = &self.targets.undo[sample * self.num_actions..][..self.num_actions];
            let cross = chosen.push_cross_entropy(undo, weight * scale);
            let miss = value - self.targets.values[sample];
            by_value += 2.0 * self.targets.vf_coef * scale * weight * miss;
            terms[0] += f64::from(weight * cross);
            terms[1] += f64::from(weight * miss * miss);
        }
        chosen.finish();
        by_value
    }

    fn losses(&self, means: &[f64], _squares: f64) -> Vec<f64> {
        let (policy, value) = (means[0], means[1]);
        vec![policy, value, policy + f64::from(self.targets.vf_coef) * value]
    }
}
