//! AlphaZero's collection from Python.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::choice::{DIFFICULTY_DISTRIBUTION, ROOT_SELECTION, TRUNCATION};
use super::collected::{Names, PyCollectedData};
use super::get_env::get_env;
use super::nn::PyPolicy;
use super::pickle;
use super::read;
use super::run::{detached, Run};
use super::starts::started;
use crate::collector::az::{AzConfig, AzReport, Collector};
use crate::rng::Rng;
use crate::search::{explore, Exploration, ExploredState, SelfPlay, TreeConfig};

/// Collects AlphaZero episodes; one object for a run, so that iterations are counted.
///
/// `num_episodes`, `num_cores`, `seed`, `gamma`, `truncation`, `difficulty_distribution`, `cache` and
/// `max_episode_steps` are those of `PPOCollector`. Each move is the choice of a tree search of
/// `num_mcts_searches` simulations, each of which adds `max_expand_depth` states; `C` weighs the prior
/// against the value. `root_selection` is "puct", or "gumbel" with `max_considered_actions` and
/// `value_weight`. `reuse` keeps the tree below the move. Noise of shape `dirichlet_alpha` has the
/// share `exploration_fraction` of the root's priors; moves after `temperature_moves` are the best
/// ones. An episode is cut off after `max_moves`, and given up below the value `resign_threshold`,
/// but for the share `resign_exempt`.
///
/// Raises ValueError for what is out of range.
#[pyclass(name = "AZCollector", module = "twisterl.twisterl.collector", subclass, frozen)]
pub struct PyAzCollector {
    config: AzConfig,
    /// With what became of the last collection.
    run: Run<(Collector, AzReport)>,
}

#[pymethods]
impl PyAzCollector {
    #[new]
    #[pyo3(signature = (num_episodes, num_mcts_searches, C, max_expand_depth, num_cores, seed=0, *,
                        gamma=1.0, root_selection="puct", max_considered_actions=16,
                        value_weight=1.0, dirichlet_alpha=0.3, exploration_fraction=0.0, temperature_moves=None,
                        max_moves=None, truncation="terminal", difficulty_distribution="fixed",
                        resign_threshold=None, resign_exempt=0.1, reuse=true, cache=true,
                        max_episode_steps=None))]
    #[allow(clippy::too_many_arguments, non_snake_case)]
    fn new(
        #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
        #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: usize,
        C: f32,
        #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
        #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
        #[pyo3(from_py_with = read::seed)] seed: u64,
        gamma: f32,
        root_selection: &str,
        #[pyo3(from_py_with = read::max_considered_actions)] max_considered_actions: usize,
        value_weight: f32,
        dirichlet_alpha: f32,
        exploration_fraction: f32,
        #[pyo3(from_py_with = read::temperature_moves)] temperature_moves: Option<u64>,
        #[pyo3(from_py_with = read::max_moves)] max_moves: Option<usize>,
        truncation: &str,
        difficulty_distribution: &str,
        resign_threshold: Option<f32>,
        resign_exempt: f32,
        reuse: bool,
        cache: bool,
        #[pyo3(from_py_with = read::max_episode_steps)] max_episode_steps: Option<u32>,
    ) -> PyResult<Self> {
        let tree = TreeConfig {
            num_simulations: num_mcts_searches,
            exploration: C,
            max_expand_depth,
            root_selection: ROOT_SELECTION.read(root_selection)?,
            max_considered_actions,
            value_weight,
            gamma,
            truncation: TRUNCATION.read(truncation)?,
            reuse,
        };
        let self_play = SelfPlay {
            dirichlet_alpha,
            exploration_fraction,
            temperature_moves: temperature_moves.map_or(usize::MAX, |moves| moves as usize),
        };
        let config = AzConfig {
            num_episodes,
            tree,
            self_play,
            num_cores,
            difficulty_distribution: DIFFICULTY_DISTRIBUTION.read(difficulty_distribution)?,
            max_moves: max_moves.unwrap_or(usize::MAX),
            max_episode_steps,
            resign_threshold,
            resign_exempt,
            cache,
        };
        config.check()?;
        Ok(Self { config, run: Run::new(seed) })
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

    /// What became of the last collection, counted: `episodes`, `solved`, `resigned` (given up), `spared`
    /// (not given up only because exempt), `spared_solved` (of those, solved after all),
    /// `simulations` (run anew), `nodes` (states given to the policy, cached or not) and
    /// `memory_bytes` (of the trees and the cache).
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = counts(&self.run.with(|state| state.kept.1.clone()));
        let report = PyDict::new(py);
        for (name, count) in REPORT.into_iter().zip(counts) {
            report.set_item(name, count)?;
        }
        Ok(report)
    }

    /// What makes the collector again, with its report.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        let counts = counts(&this.run.with(|state| state.kept.1.clone()));
        pickle::reduced(slf, (this.arguments(slf.py())?, this.iteration(), counts))
    }

    /// What `__reduce__` told, made again.
    #[classmethod]
    fn _restored<'py>(
        cls: &Bound<'py, PyType>,
        arguments: &Bound<'py, PyDict>,
        iteration: u64,
        report: [u64; REPORT.len()],
    ) -> PyResult<Bound<'py, PyAny>> {
        let made = pickle::instance(cls, arguments)?;
        made.cast::<Self>()?.get().run.with(|state| {
            state.iteration = iteration;
            state.kept.1 = counted(report);
        });
        Ok(made)
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
                let (collector, report) = kept;
                let work = config.work(seed, iteration);
                let table;
                (table, *report) = collector.collect(env, policy, &config, &work, poll)?;
                Ok(table)
            })?;
        PyCollectedData::from_table(py_env.py(), table, Names::AZ, &*policy.get().policy)
    }

    /// The tree that one search by `policy` of the state that `env` is in grows, and what it answers:
    /// a dictionary. Neither noise nor iteration enters; the collector's `seed` names the draws.
    ///
    /// Of the states `[N]`, the root first, each after its parent: int64 `parents`, `actions` (which
    /// led there) and `visits`, float32 `priors` (the policy's probability of it) and `values` (mean
    /// return from there on). Of the search: `policy` float32 `[A]`, what it says of the root's
    /// actions, and `action`.
    fn explore<'py>(
        &self,
        env: &Bound<'py, PyAny>,
        policy: &Bound<'py, PyPolicy>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = env.py();
        let env = get_env(env)?;
        let policy = policy.get().policy.clone();
        let (tree, rng) = (self.config.tree, Rng::stream(self.run.seed, 0, 0));
        let Exploration { tree, policy, action } =
            detached(py, |poll| explore(&*env, &*policy, &tree, rng, poll))?;
        let integers = |value: fn(&ExploredState) -> i64| {
            tree.iter().map(value).collect::<Vec<i64>>().into_pyarray(py)
        };
        let numbers = |value: fn(&ExploredState) -> f32| {
            tree.iter().map(value).collect::<Vec<f32>>().into_pyarray(py)
        };
        let found = PyDict::new(py);
        found.set_item("parents", integers(|state| state.parent as i64))?;
        found.set_item("actions", integers(|state| state.action as i64))?;
        found.set_item("priors", numbers(|state| state.prior))?;
        found.set_item("visits", integers(|state| i64::from(state.visits)))?;
        found.set_item("values", numbers(|state| state.value))?;
        found.set_item("policy", policy.into_pyarray(py))?;
        found.set_item("action", action)?;
        Ok(found)
    }
}

/// What the numbers of a report are called.
const REPORT: [&str; 8] = [
    "episodes",
    "solved",
    "resigned",
    "spared",
    "spared_solved",
    "simulations",
    "nodes",
    "memory_bytes",
];

fn counts(report: &AzReport) -> [u64; REPORT.len()] {
    let &AzReport {
        episodes,
        solved,
        resigned,
        spared,
        spared_solved,
        simulations,
        nodes,
        memory_bytes,
    } = report;
    let [episodes, solved, resigned, spared, spared_solved, memory_bytes] =
        [episodes, solved, resigned, spared, spared_solved, memory_bytes].map(|count| count as u64);
    [episodes, solved, resigned, spared, spared_solved, simulations, nodes, memory_bytes]
}

/// The report of which these are the [`counts`].
fn counted(counts: [u64; REPORT.len()]) -> AzReport {
    let [episodes, solved, resigned, spared, spared_solved, _, _, memory_bytes] =
        counts.map(|count| count as usize);
    let [.., simulations, nodes, _] = counts;
    AzReport { episodes, solved, resigned, spared, spared_solved, simulations, nodes, memory_bytes }
}

impl PyAzCollector {
    /// What the constructor makes an equal collector of.
    fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let AzConfig {
            num_episodes,
            tree,
            self_play,
            num_cores,
            difficulty_distribution,
            max_moves,
            max_episode_steps,
            resign_threshold,
            resign_exempt,
            cache,
        } = self.config.clone();
        let TreeConfig {
            num_simulations,
            exploration,
            max_expand_depth,
            root_selection,
            max_considered_actions,
            value_weight,
            gamma,
            truncation,
            reuse,
        } = tree;
        let SelfPlay { dirichlet_alpha, exploration_fraction, temperature_moves } = self_play;
        let limit = |most: usize| (most < usize::MAX).then_some(most);
        let arguments = PyDict::new(py);
        arguments.set_item("num_episodes", num_episodes)?;
        arguments.set_item("num_mcts_searches", num_simulations)?;
        arguments.set_item("C", exploration)?;
        arguments.set_item("max_expand_depth", max_expand_depth)?;
        arguments.set_item("num_cores", num_cores)?;
        arguments.set_item("seed", self.run.seed)?;
        arguments.set_item("gamma", gamma)?;
        arguments.set_item("root_selection", ROOT_SELECTION.name(root_selection))?;
        arguments.set_item("max_considered_actions", max_considered_actions)?;
        arguments.set_item("value_weight", value_weight)?;
        arguments.set_item("dirichlet_alpha", dirichlet_alpha)?;
        arguments.set_item("exploration_fraction", exploration_fraction)?;
        arguments.set_item("temperature_moves", limit(temperature_moves))?;
        arguments.set_item("max_moves", limit(max_moves))?;
        arguments.set_item("truncation", TRUNCATION.name(truncation))?;
        let distribution = DIFFICULTY_DISTRIBUTION.name(difficulty_distribution);
        arguments.set_item("difficulty_distribution", distribution)?;
        arguments.set_item("resign_threshold", resign_threshold)?;
        arguments.set_item("resign_exempt", resign_exempt)?;
        arguments.set_item("reuse", reuse)?;
        arguments.set_item("cache", cache)?;
        arguments.set_item("max_episode_steps", max_episode_steps)?;
        Ok(arguments)
    }
}
