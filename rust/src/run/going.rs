//! A run: its environment, network and algorithm, and how far it has come.

use serde::Deserialize;

use super::algorithm::{self, Algorithm};
use super::config::RunConfig;
use super::curriculum::{Curriculum, Metrics};
use super::faults::Failure;
use super::folder::RunFolder;
use super::lock::RunLock;
use super::policies;
use super::policy::Net;
use super::tensors::{by_name, Stored, StoredTensors};
use crate::rl::env::Env;
use crate::rl::start::Start;
use crate::train::Learner;

/// A run that trains: its environment, network, algorithm, and how far it has come.
pub struct Training {
    pub(super) config: RunConfig,
    pub(super) env: Box<dyn Env>,
    pub(super) net: Net,
    pub(super) learner: Learner,
    pub(super) algorithm: Box<dyn Algorithm>,
    pub(super) counters: Counters,
    pub(super) curriculum: Curriculum,
    pub(super) best: Option<Metrics>,
    /// Of values in a beam where the config says none; `None` before one was chosen.
    pub(super) beam_value_weight: Option<f32>,
    /// Where the run is planned to end.
    pub(super) num_iterations: Option<u64>,
    /// What that was when the run began: schedules without a length of their own keep it.
    pub(super) schedule_iterations: Option<u64>,
    /// The file of the first weights, which no config names.
    pub(super) started_from: Option<String>,
    pub(super) passed: Passed,
    /// Whether the last evaluation had `learning.target_reward`.
    pub(super) is_on_target: bool,
    pub(super) kept: Option<Kept>,
}

/// Plain numbers that an iteration moves.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Counters {
    pub(super) iteration: u64,
    pub(super) total_steps: u64,
    pub(super) elapsed_s: f64,
    #[serde(default)]
    pub(super) num_without_improvement: u64,
}

/// What only Python has a use for: it goes on as it came.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    pub(super) tensors: StoredTensors,
    pub(super) torch_threads: Option<u64>,
}

impl Passed {
    /// Torch's `generator` of the CPU.
    pub(super) fn of(generator: Stored) -> Self {
        let tensors = by_name(vec![("random.cpu".to_owned(), generator)]);
        Self { tensors, torch_threads: None }
    }
}

/// The folder of the run, which this training alone writes into.
pub(super) struct Kept {
    pub(super) folder: RunFolder,
    pub(super) _lock: RunLock,
}

impl Training {
    /// A run of `config` that keeps nothing, from the weights that Python draws by its seed.
    ///
    /// # Errors
    /// If the environment, the policy and the algorithm do not fit.
    pub fn new(config: RunConfig) -> Result<Self, Failure> {
        let env = config.make_env()?;
        let net = policies::net(&config, &*env)?;
        let mut learner = Learner::new(&net.spec, &net.twists)
            .map_err(|error| Failure::config("config", "policy", error.to_string()))?;
        let (drawn, generator) = net.draw(config.seed);
        drawn.iter().enumerate().try_for_each(|(index, values)| learner.set(index, values))?;
        let mut algorithm = algorithm::of(&config)?;
        algorithm.begin(&*env, &net, &mut learner)?;
        for (name, evaluation) in &config.evals {
            if evaluation.start == Start::Uniform {
                env.spec().require_uniform().map_err(|error| {
                    let path = format!("algorithm.evals.{name}.start");
                    Failure::config("config", path, error.to_string())
                })?;
            }
        }
        Ok(Self {
            num_iterations: config.learning.num_steps,
            config,
            env,
            net,
            learner,
            algorithm,
            counters: Counters::default(),
            curriculum: Curriculum::default(),
            best: None,
            beam_value_weight: None,
            schedule_iterations: None,
            started_from: None,
            passed: Passed::of(generator),
            is_on_target: false,
            kept: None,
        })
    }
}
