//! The algorithms: how each collects, and what it makes of it. One file each.

use super::config::{Evaluation, Kind, RunConfig};
use super::faults::Failure;
use super::policy::Net;
use super::progress::Evaluated;
use super::tensors::StoredTensors;
use crate::engine::pool::Poll;
use crate::nn::Policy;
use crate::rl::env::Env;
use crate::rl::start::Start;
use crate::solve::EvalConfig;
use crate::train::{AdamConfig, Descent, Learner, TrainPrecision};

mod az;
mod batch;
mod es;
mod ppo;
mod sequences;
mod walk;

/// What an iteration is played and trained by.
pub(super) struct Iteration<'a> {
    pub(super) env: &'a dyn Env,
    pub(super) policy: &'a dyn Policy,
    pub(super) learner: &'a mut Learner,
    /// Where collected episodes begin.
    pub(super) start: Start,
    pub(super) seed: u64,
    pub(super) iteration: u64,
    /// The learning rate.
    pub(super) lr: f64,
    /// The share of the schedules that is over.
    pub(super) share_done: f64,
    /// Iterations of the schedules; `None` if there are none.
    pub(super) schedule_length: Option<u64>,
}

/// What an iteration has brought.
pub(super) struct Found {
    /// Means over the last epoch, by name.
    pub(super) losses: Vec<(&'static str, f64)>,
    /// Steps of the environment.
    pub(super) num_steps: usize,
    /// Seconds, by name.
    pub(super) times: Vec<(&'static str, f64)>,
}

/// Collects and updates.
pub(super) trait Algorithm: Send {
    /// One iteration: collects by the policy, updates the learner.
    fn iterate(&mut self, of: Iteration<'_>, poll: Poll<'_>) -> crate::Result<Found>;

    /// Refuses an environment or a network that cannot be learned from or by; may give the network
    /// other first weights.
    fn begin(&mut self, env: &dyn Env, net: &Net, learner: &mut Learner) -> Result<(), Failure>;

    /// How an evaluation plays.
    fn playing(&self, entry: &Evaluation) -> EvalConfig {
        entry.play
    }

    /// An evaluation by code of its own, where the algorithm has some.
    fn evaluate(
        &self,
        _env: &dyn Env,
        _learner: &Learner,
        _entry: &Evaluation,
        _poll: Poll<'_>,
    ) -> crate::Result<Option<Evaluated>> {
        Ok(None)
    }

    /// Moments of its own optimizer, where the learner's Adam is not used.
    fn moments(&self) -> StoredTensors {
        StoredTensors::new()
    }

    /// Puts back the moments in what a commit holds, of the shapes that [`Algorithm::moments`] gives.
    fn set_moments(&mut self, _stored: &StoredTensors) {}

    /// What iterations hand on besides weights and moments, `[name]` as Python calls it.
    fn memory(&self) -> StoredTensors {
        StoredTensors::new()
    }

    /// Puts back what [`Algorithm::memory`] gave; what is wrong with it as text.
    fn remember(&mut self, _memory: &StoredTensors, _env: &dyn Env) -> Result<(), String> {
        Ok(())
    }

    /// Drops what an iteration that failed has added to the memory.
    fn undo(&mut self) {}
}

/// The algorithm of `config`.
pub(super) fn of(config: &RunConfig) -> Result<Box<dyn Algorithm>, Failure> {
    Ok(match config.kind {
        Kind::Ppo => Box::new(ppo::Ppo::new(config)?),
        Kind::Az => Box::new(az::Az::new(config)?),
        Kind::RandomWalk => Box::new(walk::RandomWalk::new(config)?),
        Kind::Es => Box::new(es::Es::new(config)?),
    })
}

/// The keys of `training` that all share.
#[derive(Clone, Debug, serde::Deserialize)]
struct Passes {
    num_epochs: usize,
    minibatch_size: Option<usize>,
    max_grad_norm: Option<f32>,
    #[serde(default)]
    precision: TrainPrecision,
}

/// What descends by [`Learner::descend`], the rate apart.
struct Descending {
    passes: Passes,
    adam: AdamConfig,
    num_cores: usize,
}

impl Descending {
    fn new(config: &RunConfig, num_cores: usize) -> Result<Self, Failure> {
        let optimizer = &config.optimizer;
        let adam = AdamConfig {
            lr: optimizer.lr,
            betas: optimizer.betas,
            eps: optimizer.eps,
            weight_decay: optimizer.weight_decay,
            amsgrad: optimizer.amsgrad,
        };
        Ok(Self { passes: config.section("training")?, adam, num_cores })
    }

    /// Refuses a network that cannot multiply in the numbers that the config asks for.
    fn require(&self, learner: &mut Learner) -> Result<(), Failure> {
        learner
            .set_precision(self.passes.precision)
            .map_err(|error| Failure::config("config", "algorithm.training", error.to_string()))
    }

    fn descent(&self, of: &Iteration<'_>, epoch_size: usize, draw_twists: bool) -> Descent {
        Descent {
            adam: AdamConfig { lr: of.lr, ..self.adam },
            num_epochs: self.passes.num_epochs,
            epoch_size,
            minibatch_size: self.passes.minibatch_size,
            max_grad_norm: self.passes.max_grad_norm,
            draw_twists: draw_twists && of.learner.num_twists() > 0,
            precision: self.passes.precision,
            seed: of.seed,
            iteration: of.iteration,
            num_cores: self.num_cores,
        }
    }
}

/// `values` by their names.
fn named<const N: usize>(names: [&'static str; N], values: &[f64]) -> Vec<(&'static str, f64)> {
    names.into_iter().zip(values.iter().copied()).collect()
}

/// Refuses a network with a memory, which PPO alone trains.
fn require_no_memory(learner: &Learner) -> Result<(), Failure> {
    match learner.state_size() {
        0 => Ok(()),
        size => {
            let problem =
                format!("expected one without memory, got one that remembers {size} numbers");
            Err(Failure::config("config", "policy_cls", problem))
        }
    }
}
