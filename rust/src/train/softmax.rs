//! Log-probabilities of the legal actions, and gradients by the logits behind them.

use super::judge::Judge;
use crate::collector::ppo::MASKED_LOGIT;
use crate::nn::{exp_sum, parts};
use crate::spaces::Act;

/// The distribution of one observation's actions, which its samples may see through masks of their own.
///
/// An action has one part or several, each with a softmax of its own: its log-probability is the sum
/// of theirs. A gradient by log-probabilities is one by the logits less its share of the
/// probabilities: `d log pi(a) / d logit_j = [a = j] - pi(j)`. The sums of both are kept until the
/// mask changes.
pub(super) struct LogSoftmax<'a> {
    logits: &'a [f32],
    /// Choices of each part.
    nvec: &'a [usize],
    gradient: &'a mut [f32],
    /// Probabilities and log-probabilities `[2 A]`, then the entropy of each part.
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
    /// Of `logits [A]`, those of each part of `nvec` one after another; clears `gradient [A]`.
    pub(super) fn new(
        logits: &'a [f32],
        nvec: &'a [usize],
        gradient: &'a mut [f32],
        scratch: &'a mut Vec<f32>,
    ) -> Self {
        gradient.fill(0.0);
        scratch.resize(2 * logits.len() + nvec.len(), 0.0);
        Self {
            logits,
            nvec,
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
        let (probs, rest) = self.found.split_at_mut(self.logits.len());
        let (log_probs, entropies) = rest.split_at_mut(self.logits.len());
        let is_illegal = |action: usize| illegal.is_some_and(|illegal| illegal[action]);
        for (action, (to, &logit)) in log_probs.iter_mut().zip(self.logits).enumerate() {
            *to = if is_illegal(action) { MASKED_LOGIT } else { logit };
        }
        self.entropy = 0.0;
        for (part, entropy) in parts(self.nvec).zip(entropies) {
            let (probs, log_probs) = (&mut probs[part.clone()], &mut log_probs[part]);
            let mut weights = probs.iter_mut();
            let keep = |weight: f32| {
                if let Some(to) = weights.next() {
                    *to = weight;
                }
            };
            let (max, sum) = exp_sum(log_probs.iter().copied(), keep);
            let shift = max + sum.ln();
            *entropy = 0.0;
            for (prob, log_prob) in probs.iter_mut().zip(log_probs) {
                *prob /= sum;
                *log_prob -= shift;
                *entropy -= *prob * *log_prob;
            }
            self.entropy += *entropy;
        }
    }

    pub(super) fn log_prob(&self, action: usize) -> f32 {
        self.found[self.logits.len() + action]
    }

    fn push_one(&mut self, action: usize, by: f32) {
        if !self.is_illegal(action) {
            self.gradient[action] += by;
        }
    }

    /// Adds `by` times the cross-entropy of `targets [A]`, of one part, to what is minimized; it is
    /// returned.
    pub(super) fn push_cross_entropy(&mut self, targets: &[f32], by: f32) -> f32 {
        let mut cross = 0.0;
        for (action, &target) in targets.iter().enumerate() {
            if target != 0.0 {
                cross -= target * self.log_prob(action);
                self.push_one(action, -target * by);
                self.pushed -= target * by;
            }
        }
        cross
    }

    /// Takes the shares of the probabilities off the gradient.
    pub(super) fn finish(&mut self) {
        let count = self.logits.len();
        for (place, part) in parts(self.nvec).enumerate() {
            let entropy = self.found[2 * count + place];
            for action in part {
                if self.is_illegal(action) {
                    continue;
                }
                let (prob, log_prob) = (self.found[action], self.log_prob(action));
                self.gradient[action] -=
                    prob * (self.pushed + self.by_entropy * (log_prob + entropy));
            }
        }
        (self.pushed, self.by_entropy) = (0.0, 0.0);
    }

    fn is_illegal(&self, action: usize) -> bool {
        self.mask.is_some_and(|illegal| illegal[action])
    }
}

impl<'a> Judge<'a> for LogSoftmax<'a> {
    fn see_through(&mut self, illegal: Option<&'a [bool]>) {
        LogSoftmax::see_through(self, illegal);
    }

    fn log_prob(&self, act: Act<'_>) -> f32 {
        match act {
            Act::Discrete(action) => LogSoftmax::log_prob(self, action),
            Act::Multi(choices) => {
                let chosen = parts(self.nvec).zip(choices);
                chosen.map(|(part, &i)| LogSoftmax::log_prob(self, part.start + i as usize)).sum()
            }
            Act::Box(_) => f32::NAN,
        }
    }

    fn entropy(&self) -> f32 {
        self.entropy
    }

    fn push_log_prob(&mut self, act: Act<'_>, by: f32) {
        match act {
            Act::Discrete(action) => self.push_one(action, by),
            Act::Multi(choices) => {
                for (part, &choice) in parts(self.nvec).zip(choices) {
                    self.push_one(part.start + choice as usize, by);
                }
            }
            Act::Box(_) => {}
        }
        self.pushed += by;
    }

    fn push_entropy(&mut self, by: f32) {
        self.by_entropy += by;
    }

    fn finish(mut self) {
        LogSoftmax::finish(&mut self);
    }
}
