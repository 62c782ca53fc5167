//! Log-probabilities of actions that are numbers, and gradients by their means and deviations.

use super::judge::Judge;
use crate::nn::{log_slope, normal_log_prob, slope_nodes, HALF_LOG_TAU};
use crate::spaces::Act;

/// A normal distribution for each dimension, or that of its tanh: see [`Head`](crate::nn::Head).
///
/// With `z = (a - m) / s` and `s = exp(l)`, `d log p / d m = z / s` and `d log p / d l = z^2 - 1`.
pub(super) struct Normal<'a> {
    means: &'a [f32],
    log_std: &'a [f32],
    squash: bool,
    by_means: &'a mut [f32],
    by_log_std: &'a mut [f32],
    entropy: f32,
    by_entropy: f32,
}

impl<'a> Normal<'a> {
    /// Of `outputs`, the means and then the logarithms of the deviations; clears `gradient`, of both.
    pub(super) fn new(outputs: &'a [f32], squash: bool, gradient: &'a mut [f32]) -> Self {
        gradient.fill(0.0);
        let (means, log_std) = outputs.split_at(outputs.len() / 2);
        let (by_means, by_log_std) = gradient.split_at_mut(means.len());
        let of = |(&mean, &log_std): (&f32, &f32)| {
            let std = log_std.exp();
            let slope = |(z, weight): (f32, f32)| weight * log_slope(mean + std * z);
            let bent: f32 = if squash { slope_nodes().map(slope).sum() } else { 0.0 };
            log_std + 0.5 + HALF_LOG_TAU + bent
        };
        let entropy = means.iter().zip(log_std).map(of).sum();
        Self { means, log_std, squash, by_means, by_log_std, entropy, by_entropy: 0.0 }
    }
}

impl<'a> Judge<'a> for Normal<'a> {
    fn see_through(&mut self, _: Option<&'a [bool]>) {}

    fn log_prob(&self, act: Act<'_>) -> f32 {
        match act {
            Act::Box(drawn) => normal_log_prob(self.means, self.log_std, self.squash, drawn),
            _ => f32::NAN,
        }
    }

    fn entropy(&self) -> f32 {
        self.entropy
    }

    fn push_log_prob(&mut self, act: Act<'_>, by: f32) {
        let Act::Box(drawn) = act else { return };
        for (i, (&x, (&mean, &log_std))) in
            drawn.iter().zip(self.means.iter().zip(self.log_std)).enumerate()
        {
            let inverse = (-log_std).exp();
            let z = (x - mean) * inverse;
            self.by_means[i] += by * z * inverse;
            self.by_log_std[i] += by * (z * z - 1.0);
        }
    }

    fn push_entropy(&mut self, by: f32) {
        self.by_entropy += by;
    }

    fn finish(self) {
        let by = self.by_entropy;
        if by == 0.0 {
            return;
        }
        for (i, (&mean, &log_std)) in self.means.iter().zip(self.log_std).enumerate() {
            self.by_log_std[i] += by;
            if self.squash {
                let std = log_std.exp();
                for (z, weight) in slope_nodes() {
                    // d log(1 - tanh(u)^2) / d u = -2 tanh(u)
                    let slope = -2.0 * weight * (mean + std * z).tanh();
                    self.by_means[i] += by * slope;
                    self.by_log_std[i] += by * slope * std * z;
                }
            }
        }
    }
}
