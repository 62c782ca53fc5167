//! Learning to undo random walks from the goal, the twin of `python/twisterl/rl/random_walk.py`.

use serde::Deserialize;

use super::{named, require_no_memory, Algorithm, Descending, Found, Iteration};
use crate::clock::Stopwatch;
use crate::collector::walk::{check, collect_ahead, WalkConfig};
use crate::engine::pool::Poll;
use crate::rl::env::Env;
use crate::run::config::RunConfig;
use crate::run::faults::Failure;
use crate::run::policy::Net;
use crate::train::walk::{train, Fit, WalkTargets};
use crate::train::{parity, Learner, Samples};

pub(super) struct RandomWalk {
    collecting: WalkConfig,
    training: Training,
    descending: Descending,
}

#[derive(Deserialize)]
struct Training {
    vf_coef: f32,
    sample_power: f64,
    bellman_from: Option<u64>,
    fit: Fit,
}

impl RandomWalk {
    pub(super) fn new(config: &RunConfig) -> Result<Self, Failure> {
        let collecting: WalkConfig = config.section("collecting")?;
        collecting.check()?;
        Ok(Self {
            descending: Descending::new(config, collecting.num_cores)?,
            training: config.section("training")?,
            collecting,
        })
    }
}

impl Algorithm for RandomWalk {
    fn begin(&mut self, env: &dyn Env, _: &Net, learner: &mut Learner) -> Result<(), Failure> {
        env.spec().acts.require_discrete("random walks")?;
        check(env, &self.collecting)?;
        require_no_memory(learner)?;
        if self.training.fit == Fit::Parity {
            parity::require_layer(learner)?;
        }
        self.descending.require(learner)
    }

    fn iterate(&mut self, of: Iteration<'_>, poll: Poll<'_>) -> crate::Result<Found> {
        let watch = Stopwatch::start();
        let work = self.collecting.work(of.seed, of.iteration);
        let looks_ahead = self.training.bellman_from.is_some_and(|from| of.iteration >= from);
        let policy = looks_ahead.then_some(of.policy);
        let walks = collect_ahead(of.env, &self.collecting, &work, policy, &mut *poll)?;
        let collect = watch.seconds();
        let num_actions = of.learner.num_actions();
        // Of commuting moves they are shares, whose sums are whole but for rounding.
        let count = |counts: &[f32]| counts.iter().sum::<f32>().round();
        let counts: Vec<f32> = walks.undo_counts.chunks(num_actions).map(count).collect();
        let power = self.training.sample_power;
        let mut weights: Vec<f32> =
            counts.iter().map(|&count| f64::from(count).powf(power) as f32).collect();
        let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let mean = (sum / weights.len() as f64) as f32;
        weights.iter_mut().for_each(|weight| *weight /= mean);
        let shares = walks.undo_counts.chunks(num_actions).zip(&counts);
        let undo: Vec<f32> =
            shares.flat_map(|(undo, count)| undo.iter().map(move |u| u / count)).collect();
        let length = self.collecting.walk_length as f32;
        let mut values: Vec<f32> =
            walks.mean_moves.iter().map(|moves| 1.0 - moves / length).collect();
        for (value, next) in values.iter_mut().zip(&walks.next_values) {
            *value = if next.is_finite() { next - 1.0 / length } else { *value };
        }
        let illegal: Vec<bool> = walks.masks.iter().map(|legal| !legal).collect();
        let twists = vec![-1; walks.rows.len()];
        let row_of: Vec<i64> = (0..walks.rows.len() as i64).collect();
        let samples = Samples {
            rows: &walks.rows,
            twists: &twists,
            row_of: &row_of,
            illegal: illegal.contains(&true).then_some(&illegal),
            sequences: None,
        };
        let targets = WalkTargets {
            undo: &undo,
            values: &values,
            weights: &weights,
            vf_coef: self.training.vf_coef,
        };
        let prepare = watch.seconds() - collect;
        let descent = self.descending.descent(&of, samples.len(), true);
        let losses = match self.training.fit {
            Fit::Gradient => train(of.learner, &samples, &targets, &descent, poll)?,
            Fit::Parity => parity::fit(of.learner, &samples, &targets, poll)?,
        };
        Ok(Found {
            losses: named(["policy", "value", "total"], &losses),
            num_steps: walks.num_samples,
            times: vec![
                ("collect", collect),
                ("data_to_torch", prepare),
                ("train", watch.seconds() - collect - prepare),
            ],
        })
    }
}
