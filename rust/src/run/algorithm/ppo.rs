//! Proximal policy optimization, the twin of `python/twisterl/rl/ppo.py`.

use serde::Deserialize;

use super::batch::Batch;
use super::sequences::Cut;
use super::{named, Algorithm, Descending, Found, Iteration};
use crate::clock::Stopwatch;
use crate::collector::ppo::{Collector, PpoConfig};
use crate::collector::Column;
use crate::engine::pool::Poll;
use crate::rl::env::Env;
use crate::run::config::RunConfig;
use crate::run::faults::Failure;
use crate::run::policy::Net;
use crate::train::ppo::{train, PpoTargets};
use crate::train::{Actions, Learner, Samples};

pub(super) struct Ppo {
    collecting: PpoConfig,
    collector: Collector,
    training: Training,
    descending: Descending,
}

#[derive(Deserialize)]
struct Training {
    vf_coef: f32,
    ent_coef: f64,
    ent_coef_final: Option<f64>,
    clip_ratio: f32,
    normalize_advantage: bool,
    target_kl: Option<f32>,
    /// Of a network that remembers.
    sequence_length: Option<usize>,
    burn_in: usize,
}

/// Steps of a sequence where the config names none.
const SEQUENCE_LENGTH: usize = 64;

impl Ppo {
    pub(super) fn new(config: &RunConfig) -> Result<Self, Failure> {
        let collecting: PpoConfig = config.section("collecting")?;
        collecting.check()?;
        Ok(Self {
            descending: Descending::new(config, collecting.num_cores)?,
            training: config.section("training")?,
            collector: Collector::default(),
            collecting,
        })
    }
}

impl Algorithm for Ppo {
    fn begin(&mut self, _: &dyn Env, _: &Net, learner: &mut Learner) -> Result<(), Failure> {
        self.descending.require(learner)?;
        let Training { sequence_length, burn_in, .. } = &mut self.training;
        let refused = |key: &str, problem: String| {
            Err(Failure::config("config", format!("algorithm.training.{key}"), problem))
        };
        if learner.state_size() > 0 {
            let length = *sequence_length.get_or_insert(SEQUENCE_LENGTH);
            return match *burn_in > length {
                true => {
                    let most = format!("expected at most {length}, the length of a sequence");
                    refused("burn_in", format!("{most}, got {burn_in}"))
                }
                false => Ok(()),
            };
        }
        let without = "for a policy without memory";
        match (sequence_length, *burn_in) {
            (Some(length), _) => {
                refused("sequence_length", format!("expected None {without}, got {length}"))
            }
            (None, 0) => Ok(()),
            (None, burn_in) => refused("burn_in", format!("expected 0 {without}, got {burn_in}")),
        }
    }

    fn iterate(&mut self, of: Iteration<'_>, poll: Poll<'_>) -> crate::Result<Found> {
        let watch = Stopwatch::start();
        let collecting = self.collecting.started(of.start);
        let work = collecting.work(of.seed, of.iteration);
        let mut table =
            self.collector.collect(of.env, of.policy, &collecting, &work, &mut *poll)?;
        let collect = watch.seconds();
        let batch = Batch::collected(&table, true, &mut *poll)?;
        let mut advantages = table.take::<f32>("advantages")?;
        if self.training.normalize_advantage {
            normalize(&mut advantages);
        }
        let prepare = watch.seconds() - collect;
        let Training { vf_coef, clip_ratio, target_kl, ent_coef, ent_coef_final, .. } =
            self.training;
        let last = ent_coef_final.unwrap_or(ent_coef);
        let actions = match table.column("actions")? {
            Column::F32(cells) => Actions::Numbers(&cells.data),
            _ => Actions::Choices(table.get("actions")?),
        };
        let targets = PpoTargets {
            actions,
            log_probs: table.get("log_probs")?,
            advantages: &advantages,
            returns: table.get("returns")?,
            clip_ratio,
            vf_coef,
            ent_coef: (ent_coef + of.share_done * (last - ent_coef)) as f32,
            target_kl,
        };
        let descent = self.descending.descent(&of, batch.len(), false);
        let cut = match self.training.sequence_length {
            Some(length) => Some(Cut::new(&table, &batch, length, self.training.burn_in)?),
            None => None,
        };
        let sequences = cut.as_ref().map(Cut::sequences);
        let samples = Samples { sequences, ..batch.samples(true) };
        let losses = train(of.learner, &samples, &targets, &descent, poll)?;
        let names = ["value", "policy", "entropy", "total", "kl", "clip_fraction"];
        Ok(Found {
            losses: named(names, &losses),
            num_steps: batch.len(),
            times: vec![
                ("collect", collect),
                ("data_to_torch", prepare),
                ("train", watch.seconds() - collect - prepare),
            ],
        })
    }
}

/// To mean 0 and the sample deviation 1; a single advantage becomes 0.
fn normalize(advantages: &mut [f32]) {
    if advantages.len() < 2 {
        return advantages.fill(0.0);
    }
    // In double precision, whose roundings no order of the sum carries into a mean of 32 bits.
    let count = advantages.len() as f64;
    let mean = advantages.iter().map(|&advantage| f64::from(advantage)).sum::<f64>() / count;
    let squares: f64 = advantages.iter().map(|&a| (f64::from(a) - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt() as f32 + 1e-8;
    let mean = mean as f32;
    advantages.iter_mut().for_each(|advantage| *advantage = (*advantage - mean) / deviation);
}
