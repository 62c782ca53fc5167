//! PPO's collector from Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::choice::{DIFFICULTY_DISTRIBUTION, TRUNCATION};
use super::collected::{Names, PyCollectedData};
use super::nn::PyPolicy;
use super::pickle;
use super::read;
use super::run::Run;
use super::starts::started;
use crate::collector::ppo::{Collector, PpoConfig};

/// Collects PPO episodes; one object for a run, so that iterations are counted.
///
/// `num_episodes` a collection, by `num_cores` threads, at most those of the machine. `gamma` is the
/// discount and `lambda` that of GAE, both in [0, 1]. Episode `i` draws from the stream (`seed`,
/// iteration, `i`). `truncation`: what is left when the steps are used up is worth nothing,
/// "terminal", or the value, "bootstrap". `difficulty_distribution`: "fixed", or "uniform" up to that
/// of the environment. `cache`: equal states are evaluated once; it changes the time alone. More than
/// `max_episode_steps` steps are an error; without it 100,000 where an episode may never end.
///
/// Raises ValueError for what is out of range.
#[pyclass(name = "PPOCollector", module = "twisterl.twisterl.collector", subclass, frozen)]
pub struct PyPpoCollector {
    config: PpoConfig,
    run: Run<Collector>,
}

#[pymethods]
impl PyPpoCollector {
    #[new]
    #[pyo3(signature = (num_episodes, gamma, lambda, num_cores, seed=0, truncation="terminal",
                        difficulty_distribution="fixed", cache=true, max_episode_steps=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
        gamma: f32,
        lambda: f32,
        #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
        #[pyo3(from_py_with = read::seed)] seed: u64,
        truncation: &str,
        difficulty_distribution: &str,
        cache: bool,
        #[pyo3(from_py_with = read::max_episode_steps)] max_episode_steps: Option<u32>,
    ) -> PyResult<Self> {
        let config = PpoConfig {
            num_episodes,
            gamma,
            gae_lambda: lambda,
            num_cores,
            truncation: TRUNCATION.read(truncation)?,
            difficulty_distribution: DIFFICULTY_DISTRIBUTION.read(difficulty_distribution)?,
            max_episode_steps,
            cache,
        };
        config.check()?;
        Ok(Self { config, run: Run::new(seed) })
    }

    /// What makes the collector again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        let PpoConfig {
            num_episodes,
            gamma,
            gae_lambda,
            num_cores,
            truncation,
            difficulty_distribution,
            max_episode_steps,
            cache,
        } = this.config.clone();
        let arguments = PyDict::new(slf.py());
        arguments.set_item("num_episodes", num_episodes)?;
        arguments.set_item("gamma", gamma)?;
        arguments.set_item("lambda", gae_lambda)?;
        arguments.set_item("num_cores", num_cores)?;
        arguments.set_item("seed", this.run.seed)?;
        arguments.set_item("truncation", TRUNCATION.name(truncation))?;
        let distribution = DIFFICULTY_DISTRIBUTION.name(difficulty_distribution);
        arguments.set_item("difficulty_distribution", distribution)?;
        arguments.set_item("cache", cache)?;
        arguments.set_item("max_episode_steps", max_episode_steps)?;
        pickle::reduced(slf, (arguments, this.iteration()))
    }

    /// What `__reduce__` told, made again.
    #[classmethod]
    fn _restored<'py>(
        cls: &Bound<'py, PyType>,
        arguments: &Bound<'py, PyDict>,
        iteration: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let made = pickle::instance(cls, arguments)?;
        made.cast::<Self>()?.get().set_iteration(iteration);
        Ok(made)
    }

    /// The iteration whose streams the next `collect` draws from, an integer from 0.
    #[getter]
    fn iteration(&self) -> u64 {
        self.run.with(|state| state.iteration)
    }

    #[setter]
    fn set_iteration(&self, #[pyo3(from_py_with = read::iteration)] iteration: u64) {
        self.run.with(|state| state.iteration = iteration);
    }

    /// Plays `num_episodes` episodes of `py_env`, which stays as it is, by `policy`; the interpreter
    /// lock is released. `iteration` replaces the counted one.
    ///
    /// `start` is "reset", by the environment's difficulty, or "uniform", in any solvable state.
    /// Raises what the environment raises, and ValueError if the policy does not fit it.
    #[pyo3(signature = (py_env, policy, iteration=None, start="reset"))]
    fn collect(
        &self,
        py_env: &Bound<'_, PyAny>,
        policy: &Bound<'_, PyPolicy>,
        #[pyo3(from_py_with = read::iteration)] iteration: Option<u64>,
        start: &str,
    ) -> PyResult<PyCollectedData> {
        let (mut config, seed) = (self.config.clone(), self.run.seed);
        started(start, &mut config.difficulty_distribution)?;
        let table =
            self.run.collect(py_env, policy, iteration, |kept, env, policy, iteration, poll| {
                kept.collect(env, policy, &config, &config.work(seed, iteration), poll)
            })?;
        PyCollectedData::from_table(py_env.py(), table, Names::PPO, &*policy.get().policy)
    }
}
