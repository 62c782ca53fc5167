//! Proximal policy optimization (Schulman et al. 2017), with masked actions.
//!
//! With the ratio `r = pi(a|s) / pi_old(a|s)`, both over the legal actions alone (of actions of more
//! than one choice, [`Head`](crate::nn::Head) says what `pi` and its entropy are):
//!
//! ```text
//! policy  = -mean(min(r A, clip(r, 1 - clip_ratio, 1 + clip_ratio) A))
//! value   = mean((V - R)^2)
//! entropy = mean(-sum_a pi(a|s) log pi(a|s))
//! total   = policy + vf_coef value - ent_coef entropy
//! ```

use super::batch::Samples;
use super::descent::{Descent, Losses, Objective};
use super::judge::{Actions, Judge};
use super::learner::Learner;
use super::lengths::check_len;
use super::normal::Normal;
use super::softmax::LogSoftmax;
use crate::engine::pool::Poll;
use crate::error::Result;
use crate::nn::HeadSpec;

/// What the samples were played for.
#[derive(Clone, Copy, Debug)]
pub struct PpoTargets<'a> {
    pub actions: Actions<'a>,
    /// `[N]`, of the action when it was drawn.
    pub log_probs: &'a [f32],
    /// `[N]`
    pub advantages: &'a [f32],
    /// `[N]`
    pub returns: &'a [f32],
    /// How far an update may move an action's probability, as a ratio; in (0, 1).
    pub clip_ratio: f32,
    pub vf_coef: f32,
    pub ent_coef: f32,
    /// The estimate of the divergence beyond which an update is refused, and all that would follow.
    pub target_kl: Option<f32>,
}

/// Where the divergence is among the losses.
const KL: usize = 4;

/// Trains `learner`; the losses are "value", "policy", "entropy", "total", "kl" and "clip_fraction".
///
/// # Errors
/// If the samples do not fit each other or the network, or as [`Learner::descend`].
pub fn train(
    learner: &mut Learner,
    samples: &Samples<'_>,
    targets: &PpoTargets<'_>,
    descent: &Descent,
    poll: Poll<'_>,
) -> Result<Losses> {
    let num_actions = learner.num_actions();
    targets.actions.check(learner.head(), num_actions, samples.len())?;
    check_len("log_probs", targets.log_probs.len(), samples.len())?;
    check_len("advantages", targets.advantages.len(), samples.len())?;
    check_len("returns", targets.returns.len(), samples.len())?;
    let drawn = match learner.head() {
        HeadSpec::Categorical => Drawn::Choices(vec![num_actions]),
        HeadSpec::Product { nvec } => Drawn::Choices(nvec.clone()),
        HeadSpec::Normal { dim, squash, .. } => Drawn::Numbers { dim: *dim, squash: *squash },
    };
    learner.descend(samples, &Ppo { samples, targets, num_actions, drawn }, descent, poll)
}

/// `r - 1 - log r`, the estimator k3 of "Approximating KL Divergence" (Schulman 2020): never negative.
fn divergence(ratio: f32, log_ratio: f32) -> f32 {
    if log_ratio.abs() < 1e-2 {
        // The difference would be lost in the roundings of the ratio.
        return log_ratio * log_ratio * (0.5 + log_ratio / 6.0);
    }
    ratio - 1.0 - log_ratio
}

struct Ppo<'a> {
    samples: &'a Samples<'a>,
    targets: &'a PpoTargets<'a>,
    num_actions: usize,
    drawn: Drawn,
}

/// What actions are drawn from.
enum Drawn {
    /// A softmax for each part, of so many choices.
    Choices(Vec<usize>),
    Numbers {
        dim: usize,
        squash: bool,
    },
}

impl Ppo<'_> {
    /// [`Objective::observe`] of actions of `width` choices or numbers, which `chosen` judges.
    fn judge<'a>(
        &'a self,
        samples: &[u32],
        scale: f32,
        value: f32,
        terms: &mut [f64],
        width: usize,
        mut chosen: impl Judge<'a>,
    ) -> f32 {
        let PpoTargets { clip_ratio, vf_coef, ent_coef, .. } = *self.targets;
        let mut by_value = 0.0;
        for &sample in samples {
            let sample = sample as usize;
            chosen.see_through(self.samples.illegal(sample, self.num_actions));
            let act = self.targets.actions.row(sample, width);
            let advantage = self.targets.advantages[sample];
            let log_ratio = chosen.log_prob(act) - self.targets.log_probs[sample];
            let ratio = log_ratio.exp();
            let clipped = ratio.clamp(1.0 - clip_ratio, 1.0 + clip_ratio);
            let (free, bound) = (ratio * advantage, clipped * advantage);
            if free <= bound {
                chosen.push_log_prob(act, -free * scale);
            }
            if ent_coef != 0.0 {
                chosen.push_entropy(-ent_coef * scale);
            }
            let miss = value - self.targets.returns[sample];
            by_value += 2.0 * vf_coef * scale * miss;
            terms[0] += f64::from(miss * miss);
            terms[1] -= f64::from(free.min(bound));
            terms[2] += f64::from(chosen.entropy());
            terms[3] += f64::from(divergence(ratio, log_ratio));
            terms[4] += f64::from(u8::from(clipped != ratio));
        }
        chosen.finish();
        by_value
    }
}

impl Objective for Ppo<'_> {
    /// Value, policy, entropy, divergence, clipped.
    const NUM_TERMS: usize = 5;

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
        match &self.drawn {
            Drawn::Choices(nvec) => {
                let chosen = LogSoftmax::new(logits, nvec, gradient, scratch);
                self.judge(samples, scale, value, terms, nvec.len(), chosen)
            }
            Drawn::Numbers { dim, squash } => {
                let chosen = Normal::new(logits, *squash, gradient);
                self.judge(samples, scale, value, terms, *dim, chosen)
            }
        }
    }

    fn losses(&self, means: &[f64], _squares: f64) -> Vec<f64> {
        let [value, policy, entropy, kl, clipped] = [0, 1, 2, 3, 4].map(|term| means[term]);
        let PpoTargets { vf_coef, ent_coef, .. } = *self.targets;
        let total = policy + f64::from(vf_coef) * value - f64::from(ent_coef) * entropy;
        vec![value, policy, entropy, total, kl, clipped]
    }

    fn may_go_too_far(&self) -> bool {
        self.targets.target_kl.is_some()
    }

    fn goes_too_far(&self, losses: &[f64]) -> bool {
        self.targets.target_kl.is_some_and(|most| losses[KL] > f64::from(most))
    }
}
