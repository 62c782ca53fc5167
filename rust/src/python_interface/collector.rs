//! Collecting, evaluating and solving from Python: conversions only, the work is elsewhere.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::az_collector::PyAzCollector;
use super::choice::{not_one_of, DIFFICULTY_DISTRIBUTION, TRUNCATION};
use super::collected::{Names, PyCollectedData};
use super::columns::PyCollectedArrays;
use super::derived::distinct_rows_py;
use super::env::get_env;
use super::es::{es_evaluate, es_first_weights, es_generations};
use super::nn::PyPolicy;
use super::optimum::{solve_optimal, PyOptimalSolver};
use super::pickle;
use super::read;
use super::run::{detached, Run};
use super::strategy::{eval_config, Tries};
use crate::collector::ppo::{Collector, DifficultyDistribution, PpoConfig};
use crate::solve::{evaluate, solve, Episode, Starts};

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

/// What the `start` of a collection makes of the difficulties.
pub(super) fn started(start: &str, difficulties: &mut DifficultyDistribution) -> PyResult<()> {
    match start {
        "reset" => {}
        "uniform" => *difficulties = DifficultyDistribution::Unbounded,
        other => return Err(not_one_of("start", "\"reset\" or \"uniform\"", other)),
    }
    Ok(())
}

/// `(success rate, mean reward)` of `policy` over `num_episodes` episodes from `reset()` of `py_env`,
/// two floats. `py_env` stays as it is and the interpreter lock is released.
///
/// Each episode is the best of `num_searches` tries: of the likeliest actions if `deterministic`,
/// else drawn by (`seed`, try, episode), or of a tree search of `num_mcts_searches` simulations a move
/// with exploration `C` and `max_expand_depth`, by `num_cores` threads. `options`: `strategy`
/// ("greedy", "sample", "mcts" or "beam"), `root_selection`, `gamma`, `beam_width`,
/// `beam_value_weight`, `time_limit_s`, `node_limit`, `max_episode_steps`; docs/config.md has them.
///
/// Raises ValueError for what is out of range, TypeError for an option that is none.
#[pyfunction(name = "evaluate")]
#[pyo3(signature = (py_env, policy, num_episodes, deterministic, num_searches, num_mcts_searches=0,
                    seed=0, C=1.41, max_expand_depth=1, num_cores=32, **options))]
#[allow(clippy::too_many_arguments, non_snake_case)]
fn evaluate_py(
    py: Python<'_>,
    py_env: &Bound<'_, PyAny>,
    policy: &Bound<'_, PyPolicy>,
    #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
    deterministic: bool,
    #[pyo3(from_py_with = read::num_searches)] num_searches: usize,
    #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: u64,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    C: f32,
    #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
    #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<(f32, f32)> {
    let tries = Tries { deterministic, num_searches, num_cores };
    let config = eval_config(tries, num_mcts_searches, C, max_expand_depth, options)?;
    let starts = Starts::Reset(num_episodes);
    let env = get_env(py_env)?;
    let policy = policy.get().policy.clone();
    let episodes = detached(py, |poll| evaluate(&*env, &*policy, starts, &config, seed, poll))?;
    let mean = |value: fn(&Episode) -> f64| {
        (episodes.iter().map(value).sum::<f64>() / episodes.len() as f64) as f32
    };
    Ok((
        mean(|episode| f64::from(u8::from(episode.success))),
        mean(|episode| f64::from(episode.reward)),
    ))
}

/// The best try of every episode: a dictionary of `success` bool [N], `reward` float32 [N], `length`
/// int64 [N], `nodes` int64 [N] (states given to the policy) and, if `actions`, `actions`, a list of
/// int64 arrays.
///
/// Episodes begin by `start`, "reset" or "uniform", or in each row of `states` int64 [N, S], which
/// replace `num_episodes`. `env`, `policy`, `deterministic`, `num_searches`, `seed`, `num_cores`,
/// `num_mcts_searches`, `C`, `max_expand_depth` and `options` are those of `evaluate`, errors too.
#[pyfunction]
#[pyo3(signature = (env, policy, num_episodes=100, deterministic=false, num_searches=1, seed=0,
                    num_cores=32, start="reset", states=None, actions=false, num_mcts_searches=0,
                    C=1.41, max_expand_depth=1, **options))]
#[allow(clippy::too_many_arguments, non_snake_case)]
fn evaluate_episodes<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    policy: &Bound<'py, PyPolicy>,
    #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
    deterministic: bool,
    #[pyo3(from_py_with = read::num_searches)] num_searches: usize,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
    start: &str,
    states: Option<PyReadonlyArray2<'py, i64>>,
    actions: bool,
    #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: u64,
    C: f32,
    #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let tries = Tries { deterministic, num_searches, num_cores };
    let config = eval_config(tries, num_mcts_searches, C, max_expand_depth, options)?;
    let starts = starts(states, start, num_episodes)?;
    let env = get_env(env)?;
    let policy = policy.get().policy.clone();
    let episodes = detached(py, |poll| evaluate(&*env, &*policy, starts, &config, seed, poll))?;
    let result = PyDict::new(py);
    result.set_item("success", array(py, &episodes, |episode| episode.success))?;
    result.set_item("reward", array(py, &episodes, |episode| episode.reward))?;
    result.set_item("length", array(py, &episodes, |episode| episode.actions.len() as i64))?;
    result.set_item("nodes", array(py, &episodes, |episode| episode.nodes as i64))?;
    if actions {
        let lists = episodes.into_iter().map(|episode| episode.actions.into_pyarray(py));
        result.set_item("actions", lists.collect::<Vec<_>>())?;
    }
    Ok(result)
}

/// What `start`, `num_episodes` and the `states` that replace them mean.
pub(super) fn starts(
    states: Option<PyReadonlyArray2<'_, i64>>,
    start: &str,
    num_episodes: usize,
) -> PyResult<Starts> {
    match (states, start) {
        (Some(states), _) => {
            let rows = states.as_array().outer_iter().map(|row| row.to_vec()).collect();
            Ok(Starts::States(rows))
        }
        (None, "reset") => Ok(Starts::Reset(num_episodes)),
        (None, "uniform") => Ok(Starts::Uniform(num_episodes)),
        (None, other) => Err(not_one_of("start", "\"reset\" or \"uniform\"", other)),
    }
}

fn array<'py, T: numpy::Element>(
    py: Python<'py>,
    episodes: &[Episode],
    value: fn(&Episode) -> T,
) -> Bound<'py, PyArray1<T>> {
    episodes.iter().map(value).collect::<Vec<T>>().into_pyarray(py)
}

/// `((success, reward), actions)` of the best try from the state that `py_env` is in: 1.0 or 0.0, the
/// sum of the rewards, and a list of integers, which is the tracked solution where there is one.
///
/// `policy`, `deterministic`, `num_searches`, `num_mcts_searches`, `C`, `max_expand_depth`, `seed`,
/// `num_cores` and `options` are those of `evaluate`, errors too. Other tries draw by other seeds.
#[pyfunction(name = "solve")]
#[pyo3(signature = (py_env, policy, deterministic=false, num_searches=1, num_mcts_searches=0, C=1.41,
                    max_expand_depth=1, seed=0, num_cores=32, **options))]
#[allow(clippy::too_many_arguments, non_snake_case)]
fn solve_py(
    py: Python<'_>,
    py_env: &Bound<'_, PyAny>,
    policy: &Bound<'_, PyPolicy>,
    deterministic: bool,
    #[pyo3(from_py_with = read::num_searches)] num_searches: usize,
    #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: u64,
    C: f32,
    #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<((f32, f32), Vec<i64>)> {
    let tries = Tries { deterministic, num_searches, num_cores };
    let config = eval_config(tries, num_mcts_searches, C, max_expand_depth, options)?;
    let env = get_env(py_env)?;
    let policy = policy.get().policy.clone();
    let episode = detached(py, |poll| solve(&*env, &*policy, &config, seed, poll))?;
    Ok(((f32::from(u8::from(episode.success)), episode.reward), episode.actions))
}

/// Adds this module's names to the submodule `collector`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyPpoCollector>()?;
    module.add_class::<PyAzCollector>()?;
    module.add_class::<PyCollectedData>()?;
    module.add_class::<PyCollectedArrays>()?;
    module.add_function(wrap_pyfunction!(distinct_rows_py, module)?)?;
    super::inside::register(module)?;
    super::walk::register(module)?;
    module.add_function(wrap_pyfunction!(evaluate_py, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate_episodes, module)?)?;
    module.add_function(wrap_pyfunction!(solve_py, module)?)?;
    module.add_function(wrap_pyfunction!(es_first_weights, module)?)?;
    module.add_function(wrap_pyfunction!(es_generations, module)?)?;
    module.add_function(wrap_pyfunction!(es_evaluate, module)?)?;
    module.add_class::<PyOptimalSolver>()?;
    module.add_function(wrap_pyfunction!(solve_optimal, module)?)
}
