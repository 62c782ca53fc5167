//! AlphaZero, the twin of `python/twisterl/rl/az.py`.
//!
//! With a replay buffer, an iteration draws from the newest `replay_size` samples, as many an epoch
//! as it has collected itself, each at most once.

use serde::Deserialize;

use super::batch::Batch;
use super::{named, require_no_memory, Algorithm, Descending, Found, Iteration};
use crate::clock::Stopwatch;
use crate::collector::az::{AzConfig, Collector};
use crate::engine::pool::Poll;
use crate::rl::env::Env;
use crate::run::config::RunConfig;
use crate::run::faults::Failure;
use crate::run::policy::Net;
use crate::run::tensors::{by_name, Stored, StoredTensors};
use crate::spaces::Rows;
use crate::train::az::{train, AzTargets};
use crate::train::Learner;

pub(super) struct Az {
    collecting: AzConfig,
    seed: u64,
    collector: Collector,
    training: Training,
    descending: Descending,
    replay: Option<Replay>,
    /// The buffer before the running iteration, if that has changed it.
    before: Option<Option<Replay>>,
}

#[derive(Deserialize)]
struct Training {
    policy_coef: f32,
    vf_coef: f32,
    l2: f32,
    replay_size: usize,
}

/// Samples with what they are trained towards.
#[derive(Clone)]
struct Replay {
    batch: Batch,
    /// `[N, A]`
    visits: Vec<f32>,
    /// `[N]`
    returns: Vec<f32>,
}

impl Az {
    pub(super) fn new(config: &RunConfig) -> Result<Self, Failure> {
        let mut section = config.algorithm["collecting"].clone();
        let own = section.as_object_mut().and_then(|keys| keys.remove("seed"));
        let own = own.and_then(|seed| seed.as_u64()).unwrap_or(0);
        let fault = |error| crate::Error::invalid("collecting", "that of AZ", error);
        let collecting =
            AzConfig::deserialize(&section).map_err(|error: serde_json::Error| fault(error))?;
        collecting.check()?;
        Ok(Self {
            descending: Descending::new(config, collecting.num_cores)?,
            training: config.section("training")?,
            collector: Collector::default(),
            // Both count: the documented seed of the collector, and the one that a run is given.
            seed: (own + config.seed) % (1 << 63),
            collecting,
            replay: None,
            before: None,
        })
    }
}

impl Algorithm for Az {
    fn begin(&mut self, env: &dyn Env, _: &Net, learner: &mut Learner) -> Result<(), Failure> {
        env.spec().acts.require_discrete("AlphaZero")?;
        require_no_memory(learner)
    }

    fn iterate(&mut self, of: Iteration<'_>, poll: Poll<'_>) -> crate::Result<Found> {
        let watch = Stopwatch::start();
        self.before = None;
        let collecting = self.collecting.started(of.start);
        let work = collecting.work(self.seed, of.iteration);
        let (mut table, _) =
            self.collector.collect(of.env, of.policy, &collecting, &work, &mut *poll)?;
        let collect = watch.seconds();
        // A sample may be seen through any twist, whichever the search saw it through.
        let fresh = Replay {
            batch: Batch::collected(&table, false, &mut *poll)?,
            visits: table.take("visits")?,
            returns: table.take("returns")?,
        };
        let prepare = watch.seconds() - collect;
        let num_steps = fresh.batch.len();
        let size = self.training.replay_size;
        let source = match &self.replay {
            Some(replay) if size > 0 => replay.joined(&fresh, &mut *poll)?,
            _ => fresh,
        };
        let source = if size > 0 { source.newest(size) } else { source };
        let Training { policy_coef, vf_coef, l2, .. } = self.training;
        let Replay { batch, visits, returns } = &source;
        let targets = AzTargets { visits, returns, policy_coef, vf_coef, l2 };
        let descent = self.descending.descent(&of, num_steps.min(batch.len()), true);
        let losses = train(of.learner, &batch.samples(false), &targets, &descent, poll)?;
        if size > 0 {
            self.before = Some(self.replay.replace(source));
        }
        Ok(Found {
            losses: named(["value", "policy", "l2", "total"], &losses),
            num_steps,
            times: vec![
                ("collect", collect),
                ("data_to_torch", prepare),
                ("train", watch.seconds() - collect - prepare),
            ],
        })
    }

    fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            self.replay = before;
        }
    }

    fn memory(&self) -> StoredTensors {
        let Some(Replay { batch, visits, returns }) = &self.replay else {
            return StoredTensors::new();
        };
        let (rows, samples) = (batch.rows.len(), batch.len());
        let num_actions = visits.len() / samples.max(1);
        let words: Vec<i64> = batch.rows.words().iter().map(|word| i64::from(*word)).collect();
        let pair = |name: &str, stored| (name.to_owned(), stored);
        by_name(vec![
            pair("indices", Stored::of(vec![words.len()], &words)),
            pair("offsets", Stored::of(vec![rows + 1], batch.rows.offsets())),
            pair("perms", Stored::of(vec![rows], &batch.twists)),
            pair("rows", Stored::of(vec![samples], &batch.row_of)),
            pair("illegal", Stored::of(vec![samples, num_actions], &batch.illegal)),
            pair("visits", Stored::of(vec![samples, num_actions], visits)),
            pair("returns", Stored::of(vec![samples], returns)),
        ])
    }

    fn remember(&mut self, memory: &StoredTensors, env: &dyn Env) -> Result<(), String> {
        self.replay = match memory.is_empty() {
            true => None,
            false => Some(Replay::read(memory, env).ok_or_else(|| {
                let spec = env.spec();
                let features = spec.obs.num_features();
                format!(
                    "the saved replay buffer holds no samples of {features} features and {} actions",
                    spec.num_actions()
                )
            })?),
        };
        Ok(())
    }
}

impl Replay {
    fn joined(&self, other: &Self, poll: Poll<'_>) -> crate::Result<Self> {
        Ok(Self {
            batch: self.batch.joined(&other.batch, poll)?,
            visits: [&self.visits[..], &other.visits].concat(),
            returns: [&self.returns[..], &other.returns].concat(),
        })
    }

    /// The last `size` samples.
    fn newest(self, size: usize) -> Self {
        let samples = self.batch.len();
        if samples <= size {
            return self;
        }
        let first = samples - size;
        let num_actions = self.visits.len() / samples;
        Self {
            batch: self.batch.from(first),
            visits: self.visits[first * num_actions..].to_vec(),
            returns: self.returns[first..].to_vec(),
        }
    }

    /// Saved samples, if they are such of `env`; the engine relies on what they are.
    fn read(memory: &StoredTensors, env: &dyn Env) -> Option<Self> {
        let spec = env.spec();
        let ints = |name: &str| memory.get(name)?.values::<i64>();
        let words = ints("indices")?.into_iter().map(|word| i32::try_from(word).ok());
        let rows = Rows::from_parts(words.collect::<Option<_>>()?, ints("offsets")?)?;
        let (twists, row_of) = (ints("perms")?, ints("rows")?);
        let illegal = memory.get("illegal")?.values::<bool>()?;
        let visits = memory.get("visits")?.values::<f32>()?;
        let returns = memory.get("returns")?.values::<f32>()?;
        let (samples, cells) = (row_of.len(), row_of.len() * spec.num_actions());
        let known = 0..rows.len() as i64;
        let fits = twists.len() == rows.len()
            && twists.iter().all(|twist| *twist == -1)
            && row_of.iter().all(|row| known.contains(row))
            && [illegal.len(), visits.len()] == [cells; 2]
            && returns.len() == samples
            && (0..rows.len()).all(|i| spec.obs.check_row(i, rows.row(i)).is_ok());
        fits.then_some(Self { batch: Batch { rows, twists, row_of, illegal }, visits, returns })
    }
}
