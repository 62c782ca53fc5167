//! What gradient descent is asked for: an objective, and how to go through the samples.

use serde::{Deserialize, Serialize};

use super::adam::AdamConfig;
use crate::error::{Error, Result};

/// What an algorithm asks of a network: the mean over the samples of what it says of each.
pub trait Objective: Sync {
    /// Terms that are added up over the samples.
    const NUM_TERMS: usize;

    /// The samples of one observation, which all have its outputs `logits [A]`, before masks, and
    /// `value`; behind the outputs are the head's own parameters, `[A + H]` in all. Adds their terms
    /// to `terms`; writes the gradient of what is minimized by the outputs and parameters to
    /// `gradient [A + H]`, and returns that by the value; both times `scale`, one over the number of
    /// samples.
    #[allow(clippy::too_many_arguments)]
    fn observe(
        &self,
        samples: &[u32],
        scale: f32,
        logits: &[f32],
        value: f32,
        gradient: &mut [f32],
        scratch: &mut Vec<f32>,
        terms: &mut [f64],
    ) -> f32;

    /// The named losses from the mean terms and the sum of all squared weights.
    fn losses(&self, means: &[f64], squares: f64) -> Vec<f64>;

    /// The weight of the sum of all squared weights in what is minimized.
    fn l2(&self) -> f32 {
        0.0
    }

    /// Whether an update may be refused.
    fn may_go_too_far(&self) -> bool {
        false
    }

    /// Whether to refuse the update that has these losses, and all that would follow.
    fn goes_too_far(&self, _losses: &[f64]) -> bool {
        false
    }
}

/// In what numbers linear layers multiply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainPrecision {
    #[default]
    F32,
    /// Factors are rounded to bf16, sums are f32: forward, backward and in the gradient of the weights,
    /// which stay f32, as all other layers do. Equal weights, samples and seeds give the same bytes for
    /// any number of threads on processors of one [`Bf16Level`](crate::nn::Bf16Level).
    Bf16,
}

/// How to go through the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Descent {
    #[serde(flatten)]
    pub adam: AdamConfig,
    pub num_epochs: usize,
    /// Samples of an epoch, drawn anew for each; all of them if there are not more.
    pub epoch_size: usize,
    /// Samples of an update; `None`: all of an epoch.
    pub minibatch_size: Option<usize>,
    /// A longer gradient is shortened to it.
    pub max_grad_norm: Option<f32>,
    /// Show each sample through a twist that is drawn anew in every epoch.
    pub draw_twists: bool,
    pub precision: TrainPrecision,
    /// Names the random streams, with the iteration.
    pub seed: u64,
    pub iteration: u64,
    /// Capped at what the machine has and the network is worth.
    pub num_cores: usize,
}

/// The mean losses of the last epoch, in the order of the objective.
pub type Losses = Vec<f64>;

impl Default for Descent {
    /// One pass over all samples, in one update.
    fn default() -> Self {
        Self {
            adam: AdamConfig::default(),
            num_epochs: 1,
            epoch_size: usize::MAX,
            minibatch_size: None,
            max_grad_norm: None,
            draw_twists: false,
            precision: TrainPrecision::F32,
            seed: 0,
            iteration: 0,
            num_cores: 1,
        }
    }
}

impl Descent {
    /// Refuses what is out of range.
    pub fn check(&self) -> Result<()> {
        self.adam.check()?;
        let counts = [
            ("num_epochs", self.num_epochs),
            ("epoch_size", self.epoch_size),
            ("minibatch_size", self.minibatch_size.unwrap_or(1)),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::invalid(*name, "at least 1", 0));
        }
        match self.max_grad_norm {
            Some(most) if !(most.is_finite() && most > 0.0) => {
                Err(Error::invalid("max_grad_norm", "a positive number", most))
            }
            _ => Ok(()),
        }
    }
}
