//! How an estimated gradient moves the weights: Adam or momentum, with decoupled weight decay.

use serde::{Deserialize, Serialize};

/// The kind of optimizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Kingma and Ba 2015, algorithm 1.
    #[default]
    Adam,
    /// `v = beta v + g`, then `w = w + rate v`.
    Momentum,
}

/// How the learning rate goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decline {
    #[default]
    Constant,
    Linear,
    Cosine,
}

/// The section `optimizer` of a config and the schedule of the learning rate.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimizer {
    pub rule: Rule,
    /// At the start.
    #[serde(rename = "lr")]
    pub rate: f64,
    pub decline: Decline,
    /// Updates until the learning rate is `final_ratio` times the first.
    pub decline_generations: u64,
    pub final_ratio: f64,
    pub betas: (f64, f64),
    #[serde(rename = "eps")]
    pub epsilon: f64,
    /// Each update multiplies the weights by `1 - rate * weight_decay`.
    pub weight_decay: f64,
}

impl Default for Optimizer {
    /// Adam at a constant rate.
    fn default() -> Self {
        Self {
            rule: Rule::Adam,
            rate: 0.02,
            decline: Decline::Constant,
            decline_generations: 1,
            final_ratio: 0.0,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl Optimizer {
    /// The learning rate of update `generation`, which counts from 0.
    pub fn rate_at(&self, generation: u64) -> f64 {
        let share = (generation as f64 / self.decline_generations.max(1) as f64).min(1.0);
        let progress = match self.decline {
            Decline::Constant => return self.rate,
            Decline::Linear => share,
            Decline::Cosine => 0.5 - 0.5 * (std::f64::consts::PI * share).cos(),
        };
        self.rate * (1.0 - (1.0 - self.final_ratio) * progress)
    }
}

/// The update of one generation, weight by weight; all products that feed a sum are fused.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    rule: Rule,
    rate: f32,
    keep: f32,
    betas: (f32, f32),
    rests: (f32, f32),
    /// Root of the bias correction of the second moment.
    correction: f32,
    epsilon: f32,
}

/// By repeated squaring: the same bits in every language.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            result *= base;
        }
        base *= base;
        exponent /= 2;
    }
    result
}

impl Update {
    /// The update number `generation`, which counts from 0.
    pub fn new(optimizer: &Optimizer, generation: u64) -> Self {
        let Optimizer { rule, betas, epsilon, weight_decay, .. } = *optimizer;
        let rate = optimizer.rate_at(generation);
        let step = match rule {
            Rule::Adam => rate / (1.0 - power(betas.0, generation + 1)),
            Rule::Momentum => rate,
        };
        Self {
            rule,
            rate: step as f32,
            keep: (1.0 - rate * weight_decay) as f32,
            betas: (betas.0 as f32, betas.1 as f32),
            rests: ((1.0 - betas.0) as f32, (1.0 - betas.1) as f32),
            correction: (1.0 - power(betas.1, generation + 1)).sqrt() as f32,
            epsilon: epsilon as f32,
        }
    }

    /// Moves `weight` up along `gradient`; `first` and `second` are its moments.
    #[inline(always)]
    pub fn apply(&self, gradient: f32, weight: &mut f32, first: &mut f32, second: &mut f32) {
        match self.rule {
            Rule::Adam => {
                *first = first.mul_add(self.betas.0, gradient * self.rests.0);
                *second = second.mul_add(self.betas.1, (gradient * gradient) * self.rests.1);
                let scale = second.sqrt() / self.correction + self.epsilon;
                *weight = weight.mul_add(self.keep, (*first * self.rate) / scale);
            }
            Rule::Momentum => {
                *first = first.mul_add(self.betas.0, gradient);
                *weight = first.mul_add(self.rate, *weight * self.keep);
            }
        }
    }
}
