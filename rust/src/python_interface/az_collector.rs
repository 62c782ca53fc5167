//! AlphaZero's collection from Python.

use pyo3::prelude::*;

use super::collected::{Names, PyCollectedData};
use super::collector::{count, read_difficulty_distribution, read_truncation, signal_poll};
use super::env::get_env;
use super::nn::PyPolicy;
use super::strategy::read_root_selection;
use crate::collector::az::{collect, AzConfig};
use crate::search::{SelfPlay, TreeConfig};

/// Collects AlphaZero episodes; one object for a run, so that iterations are counted.
#[pyclass(name = "AZCollector", module = "twisterl.twisterl.collector", subclass)]
pub struct PyAzCollector {
    config: AzConfig,
    seed: u64,
    iteration: u64,
}

#[pymethods]
impl PyAzCollector {
    #[new]
    #[pyo3(signature = (num_episodes, num_mcts_searches, C, max_expand_depth, num_cores, seed=0, *,
                        gamma=1.0, root_selection="puct", max_considered_actions=16,
                        dirichlet_alpha=0.3, exploration_fraction=0.0, temperature_moves=None,
                        max_moves=None, truncation="terminal", difficulty_distribution="fixed",
                        reuse=true, cache=true))]
    #[allow(clippy::too_many_arguments, non_snake_case)]
    fn new(
        num_episodes: i64,
        num_mcts_searches: i64,
        C: f32,
        max_expand_depth: i64,
        num_cores: i64,
        seed: u64,
        gamma: f32,
        root_selection: &str,
        max_considered_actions: i64,
        dirichlet_alpha: f32,
        exploration_fraction: f32,
        temperature_moves: Option<usize>,
        max_moves: Option<i64>,
        truncation: &str,
        difficulty_distribution: &str,
        reuse: bool,
        cache: bool,
    ) -> PyResult<Self> {
        let tree = TreeConfig {
            num_simulations: count("num_mcts_searches", num_mcts_searches)?,
            exploration: C,
            max_expand_depth: count("max_expand_depth", max_expand_depth)?,
            root_selection: read_root_selection(root_selection)?,
            max_considered_actions: count("max_considered_actions", max_considered_actions)?,
            gamma,
            truncation: read_truncation(truncation)?,
            reuse,
        };
        let self_play = SelfPlay {
            dirichlet_alpha,
            exploration_fraction,
            temperature_moves: temperature_moves.unwrap_or(usize::MAX),
        };
        let max_moves = max_moves.map(|most| count("max_moves", most)).transpose()?;
        let config = AzConfig {
            num_episodes: count("num_episodes", num_episodes)?,
            tree,
            self_play,
            num_cores: count("num_cores", num_cores)?,
            difficulty_distribution: read_difficulty_distribution(difficulty_distribution)?,
            max_moves: max_moves.unwrap_or(usize::MAX),
            cache,
        };
        config.check()?;
        Ok(Self { config, seed, iteration: 0 })
    }

    /// The iteration whose streams the next `collect` draws from.
    #[getter]
    fn iteration(&self) -> u64 {
        self.iteration
    }

    #[setter]
    fn set_iteration(&mut self, iteration: u64) {
        self.iteration = iteration;
    }

    /// Plays `num_episodes` episodes; `env` stays as it is and the interpreter lock is released.
    #[pyo3(signature = (env, policy, iteration=None))]
    fn collect(
        slf: &Bound<'_, Self>,
        env: &Bound<'_, PyAny>,
        policy: &Bound<'_, PyPolicy>,
        iteration: Option<u64>,
    ) -> PyResult<PyCollectedData> {
        let py = slf.py();
        let env = get_env(env)?;
        let policy = policy.get().policy.clone();
        let (config, seed, iteration) = {
            let this = slf.borrow();
            (this.config.clone(), this.seed, iteration.unwrap_or(this.iteration))
        };
        let rollout =
            py.detach(|| collect(&*env, &policy, &config, seed, iteration, &mut signal_poll()))?;
        slf.borrow_mut().iteration = iteration + 1;
        PyCollectedData::from_rollout(py, rollout, Names::AZ)
    }
}
