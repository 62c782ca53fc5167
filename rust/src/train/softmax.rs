//! Log-probabilities of the legal actions, and gradients by the logits behind them.

use crate::collector::ppo::MASKED_LOGIT;
use crate::nn::exp_sum;

/// The distribution of one observation's actions, which its samples may see through masks of their own.
///
/// A gradient by log-probabilities is one by the logits less its share of the probabilities:
/// `d log pi(a) / d logit_j = [a = j] - pi(j)`. The sums of both are kept until the mask changes.
pub(super) struct LogSoftmax<'a> {
    logits: &'a [f32],
    gradient: &'a mut [f32],
    /// Probabilities and log-probabilities `[2 A]`.
    found: &'a mut [f32],
    mask: Option<&'a [bool]>,
    is_known: bool,
    entropy: f32,
    /// What all that was pushed by log-probabilities adds up to.
    pushed: f32,
    /// What was pushed by the entropy.
    by_entropy: f32,
}

impl<'a> LogSoftmax<'a> {
    /// Of `logits [A]`; clears `gradient [A]`.
    pub(super) fn new(
        logits: &'a [f32],
        gradient: &'a mut [f32],
        scratch: &'a mut Vec<f32>,
    ) -> Self {
        gradient.fill(0.0);
        scratch.resize(2 * logits.len(), 0.0);
        Self {
            logits,
            gradient,
            found: scratch,
            mask: None,
            is_known: false,
            entropy: 0.0,
            pushed: 0.0,
            by_entropy: 0.0,
        }
    }

    /// What follows is of a sample whose `illegal [A]` actions are masked.
    pub(super) fn see_through(&mut self, illegal: Option<&'a [bool]>) {
        if self.is_known && illegal == self.mask {
            return;
        }
        if self.is_known {
            self.finish();
        }
        (self.mask, self.is_known) = (illegal, true);
        let (probs, log_probs) = self.found.split_at_mut(self.logits.len());
        let is_illegal = |action: usize| illegal.is_some_and(|illegal| illegal[action]);
        for (action, (to, &logit)) in log_probs.iter_mut().zip(self.logits).enumerate() {
            *to = if is_illegal(action) { MASKED_LOGIT } else { logit };
        }
        let mut weights = probs.iter_mut();
        let keep = |weight: f32| {
            if let Some(to) = weights.next() {
                *to = weight;
            }
        };
        let (max, sum) = exp_sum(log_probs.iter().copied(), keep);
        let shift = max + sum.ln();
        self.entropy = 0.0;
        for (prob, log_prob) in probs.iter_mut().zip(log_probs) {
            *prob /= sum;
            *log_prob -= shift;
            self.entropy -= *prob * *log_prob;
        }
    }

    pub(super) fn log_prob(&self, action: usize) -> f32 {
        self.found[self.logits.len() + action]
    }

    pub(super) fn entropy(&self) -> f32 {
        self.entropy
    }

    /// Adds `by` times the log-probability of `action` to what is minimized.
    pub(super) fn push_log_prob(&mut self, action: usize, by: f32) {
        if !self.is_illegal(action) {
            self.gradient[action] += by;
        }
        self.pushed += by;
    }

    /// Adds `by` times the entropy to what is minimized.
    pub(super) fn push_entropy(&mut self, by: f32) {
        self.by_entropy += by;
    }

    /// Adds `by` times the cross-entropy of `targets [A]` to what is minimized; it is returned.
    pub(super) fn push_cross_entropy(&mut self, targets: &[f32], by: f32) -> f32 {
        let mut cross = 0.0;
        for (action, &target) in targets.iter().enumerate() {
            if target != 0.0 {
                cross -= target * self.log_prob(action);
                self.push_log_prob(action, -target * by);
            }
        }
        cross
    }

    /// Takes the shares of the probabilities off the gradient.
    pub(super) fn finish(&mut self) {
        for action in 0..self.logits.len() {
            if self.is_illegal(action) {
                continue;
            }
            let (prob, log_prob) = (self.found[action], self.log_prob(action));
            self.gradient[action] -=
                prob * (self.pushed + self.by_entropy * (log_prob + self.entropy));
        }
        (self.pushed, self.by_entropy) = (0.0, 0.0);
    }

    fn is_illegal(&self, action: usize) -> bool {
        self.mask.is_some_and(|illegal| illegal[action])
    }
}
