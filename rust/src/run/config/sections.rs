//! The sections of a run config as the loop and its algorithms take them.

use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::Value;

use crate::es::Rule;
use crate::rl::start::Start;
use crate::run::faults::Failure;
use crate::solve::{Asked, BeamConfig, EvalConfig, Strategy};

/// An entry of `evals`.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub num_episodes: usize,
    pub seed: u64,
    pub start: Start,
    pub freq: u64,
    pub play: EvalConfig,
    /// Whether `play` is a beam whose weight of values nobody has said.
    pub is_open: bool,
}

impl Evaluation {
    pub(super) fn new(mut entry: Value) -> crate::Result<Self> {
        #[derive(Deserialize)]
        struct Episodes {
            num_episodes: usize,
            seed: u64,
            start: Start,
            freq: u64,
        }
        let fault = |error: serde_json::Error| crate::Error::invalid("entry", "an entry", error);
        let Episodes { num_episodes, seed, start, freq } =
            Episodes::deserialize(&entry).map_err(fault)?;
        if let Some(keys) = entry.as_object_mut() {
            keys.retain(|key, _| {
                !["num_episodes", "seed", "start", "freq"].contains(&key.as_str())
            });
        }
        let asked = Asked::deserialize(&entry).map_err(fault)?;
        let play = EvalConfig::try_from(asked)?;
        let is_open =
            asked.beam_value_weight.is_none() && matches!(play.strategy, Strategy::Beam(_));
        Ok(Self { num_episodes, seed, start, freq, play, is_open })
    }

    /// `play`, with this `weight` of values where the entry has left it open.
    pub fn weighing(&self, play: EvalConfig, weight: Option<f32>) -> EvalConfig {
        match (play.strategy, weight) {
            (Strategy::Beam(beam), Some(value_weight)) if self.is_open => {
                EvalConfig { strategy: Strategy::Beam(BeamConfig { value_weight, ..beam }), ..play }
            }
            _ => play,
        }
    }
}

/// The section `learning`.
#[derive(Clone, Debug, Deserialize)]
pub struct Learning {
    pub diff_threshold: f64,
    pub threshold_min: Option<f64>,
    pub diff_max: usize,
    pub diff_step: usize,
    pub warmup: usize,
    pub final_diff_is_none: bool,
    pub diff_metric: Option<String>,
    pub num_steps: Option<u64>,
    pub time_budget_s: Option<f64>,
    pub patience: Option<u64>,
    #[serde(default)]
    pub target_reward: Option<f64>,
}

/// The section `logging`.
#[derive(Clone, Debug, Deserialize)]
pub struct Logging {
    pub checkpoint_freq: u64,
    pub keep_last: usize,
    pub keep_every: u64,
}

/// The section `training.lr_schedule`.
#[derive(Clone, Debug, Deserialize)]
pub struct Schedule {
    pub kind: Shape,
    pub num_iterations: Option<u64>,
    pub final_ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    Constant,
    Linear,
    Cosine,
}

/// The section `optimizer`.
#[derive(Clone, Debug, Deserialize)]
pub struct Optimizer {
    pub lr: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    #[serde(default)]
    pub amsgrad: bool,
    /// Of Evolution Strategies.
    #[serde(default)]
    pub rule: Rule,
}

/// A section of a completed config; its schema is what the type was written from.
pub(super) fn read<T: DeserializeOwned>(section: &Value) -> Result<T, Failure> {
    serde_json::from_value(section.clone())
        .map_err(|error| Failure::config("config", "algorithm", error.to_string()))
}
