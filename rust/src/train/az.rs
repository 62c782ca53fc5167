//! AlphaZero for one player (Silver et al. 2017, "Mastering the game of Go without human
//! knowledge").
//!
//! With the search's distribution `pi_search` over the legal actions and the return `z`:
//!
//! ```text
//! policy = -mean(sum_a pi_search(a|s) log pi(a|s))
//! value  = mean((V - z)^2)
//! l2     = sum of all squared parameters
//! total  = policy_coef policy + vf_coef value + l2_coef l2
//! ```

use super::batch::Samples;
use super::descent::{Descent, Losses, Objective};
use super::learner::Learner;
use super::lengths::check_len;
use super::softmax::LogSoftmax;
use crate::engine::pool::Poll;
use crate::error::Result;

/// What the searches found.
#[derive(Clone, Copy, Debug)]
pub struct AzTargets<'a> {
    /// `[N, A]`; all 0 where an episode ended.
    pub visits: &'a [f32],
    /// `[N]`, rewards from the state on.
    pub returns: &'a [f32],
    pub policy_coef: f32,
    pub vf_coef: f32,
    pub l2: f32,
}

/// Trains `learner`; the losses are "value", "policy", "l2" and "total".
///
/// # Errors
/// If the samples do not fit each other or the network, or as [`Learner::descend`].
pub fn train(
    learner: &mut Learner,
    samples: &Samples<'_>,
    targets: &AzTargets<'_>,
    descent: &Descent,
    poll: Poll<'_>,
) -> Result<Losses> {
    let num_actions = learner.require_categorical()?;
    check_len("visits", targets.visits.len(), samples.len() * num_actions)?;
    check_len("returns", targets.returns.len(), samples.len())?;
    learner.descend(samples, &Az { samples, targets, num_actions }, descent, poll)
}

struct Az<'a> {
    samples: &'a Samples<'a>,
    targets: &'a AzTargets<'a>,
    num_actions: usize,
}

impl Objective for Az<'_> {
    /// Value, policy.
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
        let AzTargets { policy_coef, vf_coef, .. } = *self.targets;
        let mut by_value = 0.0;
        let whole = std::slice::from_ref(&self.num_actions);
        let mut chosen = LogSoftmax::new(logits, whole, gradient, scratch);
        for &sample in samples {
            let sample = sample as usize;
            chosen.see_through(self.samples.illegal(sample, self.num_actions));
            let visits = &self.targets.visits[sample * self.num_actions..][..self.num_actions];
            let cross = chosen.push_cross_entropy(visits, policy_coef * scale);
            let miss = value - self.targets.returns[sample];
            by_value += 2.0 * vf_coef * scale * miss;
            terms[0] += f64::from(miss * miss);
            terms[1] += f64::from(cross);
        }
        chosen.finish();
        by_value
    }

    fn losses(&self, means: &[f64], squares: f64) -> Vec<f64> {
        let AzTargets { policy_coef, vf_coef, l2, .. } = *self.targets;
        let (value, policy) = (means[0], means[1]);
        let total =
            f64::from(policy_coef) * policy + f64::from(vf_coef) * value + f64::from(l2) * squares;
        vec![value, policy, squares, total]
    }

    fn l2(&self) -> f32 {
        self.targets.l2
    }
}
