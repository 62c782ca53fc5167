//! AlphaZero's collection from Python.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::collected::{Names, PyCollectedData};
use super::collector::{count, read_difficulty_distribution, read_truncation, signal_poll};
use super::env::get_env;
use super::nn::PyPolicy;
use super::strategy::read_root_selection;
use crate::collector::az::{AzConfig, AzReport, Collector};
use crate::search::{SelfPlay, TreeConfig};

/// Collects AlphaZero episodes; one object for a run, so that iterations are counted.
#[pyclass(name = "AZCollector", module = "twisterl.twisterl.collector", subclass)]
pub struct PyAzCollector {
    config: AzConfig,
    seed: u64,
    iteration: u64,
    collector: Collector,
    report: AzReport,
}

#[pymethods]
impl PyAzCollector {
    #[new]
    #[pyo3(signature = (num_episodes, num_mcts_searches, C, max_expand_depth, num_cores, seed=0, *,
                        gamma=1.0, root_selection="puct", max_considered_actions=16,
                        value_weight=1.0, dirichlet_alpha=0.3, exploration_fraction=0.0, temperature_moves=None,
                        max_moves=None, truncation="terminal", difficulty_distribution="fixed",
                        resign_threshold=None, resign_exempt=0.1, reuse=true, cache=true))]
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
        value_weight: f32,
        dirichlet_alpha: f32,
        exploration_fraction: f32,
        temperature_moves: Option<usize>,
        max_moves: Option<i64>,
        truncation: &str,
        difficulty_distribution: &str,
        resign_threshold: Option<f32>,
        resign_exempt: f32,
        reuse: bool,
        cache: bool,
    ) -> PyResult<Self> {
        let tree = TreeConfig {
            num_simulations: count("num_mcts_searches", num_mcts_searches)?,
            exploration: C,
            max_expand_depth: count("max_expand_depth", max_expand_depth)?,
            root_selection: read_root_selection(root_selection)?,
            max_considered_actions: count("max_considered_actions", max_considered_actions)?,
            value_weight,
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
            resign_threshold,
            resign_exempt,
            cache,
        };
        config.check()?;
        Ok(Self {
            config,
            seed,
            iteration: 0,
            collector: Collector::default(),
            report: AzReport::default(),
        })
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

    /// What became of the last collection: `episodes`, `solved`, `resigned` (given up), `spared`
    /// (not given up only because exempt), `spared_solved` (of those, solved after all),
    /// `simulations` (run anew), `nodes` (states given to the policy, cached or not) and
    /// `memory_bytes` (of the trees and the cache).
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let AzReport {
            episodes,
            solved,
            resigned,
            spared,
            spared_solved,
            simulations,
            nodes,
            memory_bytes,
        } = self.report;
        let report = PyDict::new(py);
        for (name, count) in [
            ("episodes", episodes),
            ("solved", solved),
            ("resigned", resigned),
            ("spared", spared),
            ("spared_solved", spared_solved),
            ("simulations", simulations as usize),
            ("nodes", nodes as usize),
            ("memory_bytes", memory_bytes),
        ] {
            report.set_item(name, count)?;
        }
        Ok(report)
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
        let (config, seed, iteration, mut collector) = {
            let mut this = slf.borrow_mut();
            let iteration = iteration.unwrap_or(this.iteration);
            (this.config.clone(), this.seed, iteration, std::mem::take(&mut this.collector))
        };
        let (rollout, report) = py.detach(|| {
            collector.collect(&*env, &policy, &config, seed, iteration, &mut signal_poll())
        })?;
        let mut this = slf.borrow_mut();
        this.collector = collector;
        this.iteration = iteration + 1;
        this.report = report;
        drop(this);
        PyCollectedData::from_rollout(py, rollout, Names::AZ)
    }
}
