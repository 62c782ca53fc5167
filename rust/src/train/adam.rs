//! Adam (Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization"), as torch has it.
//!
//! With the gradient `g`, to which `weight_decay` times the weight is added:
//!
//! ```text
//! m = b1 m + (1 - b1) g               v = b2 v + (1 - b2) g^2
//! w = w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//! ```
//!
//! `amsgrad` (Reddi et al. 2018) divides by the largest `v` that there has been.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::{Flat, Layout};

/// What a step of Adam goes by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamConfig {
    /// The learning rate of this step, positive.
    pub lr: f64,
    /// Decay of the two moments, each in [0, 1).
    pub betas: [f64; 2],
    /// Added to the second moment's root, positive.
    pub eps: f64,
    /// Not negative.
    pub weight_decay: f64,
    /// Keep the largest second moment.
    pub amsgrad: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 3e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, amsgrad: false }
    }
}

impl AdamConfig {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("lr", self.lr), ("eps", self.eps)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::invalid(name, "a number that is not negative", value));
            }
        }
        if let Some(beta) = self.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            return Err(Error::invalid("betas", "numbers in [0, 1)", beta));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            let expected = "a number that is not negative";
            return Err(Error::invalid("weight_decay", expected, self.weight_decay));
        }
        Ok(())
    }
}

/// What Adam keeps of each weight, under torch's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `exp_avg`
    First,
    /// `exp_avg_sq`
    Second,
    /// `max_exp_avg_sq`, with `amsgrad` alone.
    Largest,
}

impl Moment {
    /// All of them by these names.
    pub const NAMED: [(&'static str, Self); 3] =
        [("exp_avg", Self::First), ("exp_avg_sq", Self::Second), ("max_exp_avg_sq", Self::Largest)];
}

/// The moments of all weights.
#[derive(Clone)]
pub(super) struct Adam {
    moments: [Flat; 3],
    /// Steps that were made.
    pub(super) step: u64,
}

impl Adam {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { moments: std::array::from_fn(|_| layout.zeros()), step: 0 }
    }

    pub(super) fn moment(&self, which: Moment) -> &Flat {
        &self.moments[which as usize]
    }

    pub(super) fn moment_mut(&mut self, which: Moment) -> &mut Flat {
        &mut self.moments[which as usize]
    }

    /// One step by `scale` times the gradient, in blocks that know nothing of each other.
    pub(super) fn step<'a>(
        &'a mut self,
        config: &AdamConfig,
        weights: &'a mut Flat,
        gradient: &'a mut Flat,
        scale: f32,
    ) -> (Rates, impl Iterator<Item = Block<'a>> + Send) {
        self.step += 1;
        let [b1, b2] = config.betas;
        let steps = self.step.min(i32::MAX as u64) as i32;
        let rates = Rates {
            scale,
            step_size: (config.lr / (1.0 - b1.powi(steps))) as f32,
            first: (1.0 - b1) as f32,
            keep: b2 as f32,
            second: (1.0 - b2) as f32,
            root: (1.0 / (1.0 - b2.powi(steps)).sqrt()) as f32,
            eps: config.eps as f32,
            weight_decay: config.weight_decay as f32,
            amsgrad: config.amsgrad,
        };
        let [first, second, largest] = &mut self.moments;
        let moments = first
            .numbers_mut()
            .chunks_mut(BLOCK)
            .zip(second.numbers_mut().chunks_mut(BLOCK))
            .zip(largest.numbers_mut().chunks_mut(BLOCK));
        let blocks = weights
            .numbers_mut()
            .chunks_mut(BLOCK)
            .zip(gradient.numbers_mut().chunks_mut(BLOCK))
            .zip(moments)
            .map(|((weights, gradient), ((first, second), largest))| Block {
                weights,
                gradient,
                first,
                second,
                largest,
            });
        (rates, blocks)
    }
}

/// Weights of one piece of work.
const BLOCK: usize = 1 << 13;

/// Some weights and all that belongs to them.
pub(super) struct Block<'a> {
    weights: &'a mut [f32],
    gradient: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    largest: &'a mut [f32],
}

/// The numbers of one step.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    scale: f32,
    step_size: f32,
    first: f32,
    keep: f32,
    second: f32,
    root: f32,
    eps: f32,
    weight_decay: f32,
    amsgrad: bool,
}

impl Rates {
    /// Scales the gradient of a block and moves its weights.
    #[inline(always)]
    pub(super) fn take_step(&self, block: Block<'_>) {
        let Block { weights, gradient, first, second, largest } = block;
        if self.scale < 1.0 {
            gradient.iter_mut().for_each(|g| *g *= self.scale);
        }
        let moments = first.iter_mut().zip(second.iter_mut());
        let all = weights.iter_mut().zip(gradient.iter()).zip(moments);
        if self.amsgrad {
            for (((weight, &g), (m, v)), most) in all.zip(largest.iter_mut()) {
                self.moments(*weight, g, m, v);
                *most = most.max(*v);
                *weight -= self.way(*m, *most);
            }
        } else {
            for ((weight, &g), (m, v)) in all {
                self.moments(*weight, g, m, v);
                *weight -= self.way(*m, *v);
            }
        }
    }

    #[inline(always)]
    fn moments(&self, weight: f32, g: f32, m: &mut f32, v: &mut f32) {
        let g = g + self.weight_decay * weight;
        *m += (g - *m) * self.first;
        *v = *v * self.keep + self.second * g * g;
    }

    #[inline(always)]
    fn way(&self, m: f32, v: f32) -> f32 {
        self.step_size * m / (v.sqrt() * self.root + self.eps)
    }
}
