//! AlphaZero's collection from Python.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use twisterl::collector::az::{AzConfig, AzReport, Collector};
use twisterl::collector::{Table, Work};
use twisterl::engine::pool::Poll;
use twisterl::nn::Policy;
use twisterl::python_interface::args::integer;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle;
use twisterl::rl::env::Env;
use twisterl::rl::start::Start;
use twisterl::rng::Rng;
use twisterl::search::{explore, Exploration};
use twisterl::Result;

use crate::collected::{Names, PyCollectedData};
use crate::columns::array;
use crate::detached::detached;
use crate::keywords::{constructor, dictionary, method, Given};
use crate::net::PyPolicy;
use crate::run::{collector, Collects, Run};

collector! {
    /// Collects AlphaZero episodes; one object for a run, so that iterations are counted.
    ///
    /// `num_episodes`, `num_cores`, `seed`, `gamma`, `truncation`, `difficulty_distribution`, `cache` and
    /// `max_episode_steps` are those of `PPOCollector`. Each move is the choice of a tree search of
    /// `num_mcts_searches` simulations, each of which adds `max_expand_depth` states; `C` weighs the prior
    /// against the value. `root_selection` is "puct", or "gumbel" with `max_considered_actions` and
    /// `value_weight`. `reuse` keeps the tree below the move; with `transpositions` a state that several
    /// ways of as many moves lead to is one node. Noise of shape `dirichlet_alpha` has the share
    /// `exploration_fraction` of the root's priors; moves after `temperature_moves` are the best
    /// ones. An episode is cut off after `max_moves`, and given up below the value `resign_threshold`,
    /// but for the share `resign_exempt`. `precision` "int8" is faster and a little coarser than "f32".
    ///
    /// Raises ValueError for what is out of range.
    #[pyclass(name = "AZCollector", module = "twisterl.twisterl.collector", subclass, frozen)]
    PyAzCollector: Collector, AzConfig, Names::AZ,
    |found| found => AzReport,
    "(num_episodes, num_mcts_searches, C, max_expand_depth, num_cores, seed=0, *, gamma=1.0, root_selection=\"puct\", max_considered_actions=16, value_weight=1.0, dirichlet_alpha=0.3, exploration_fraction=0.0, temperature_moves=None, max_moves=None, truncation=\"terminal\", difficulty_distribution=\"fixed\", resign_threshold=None, resign_exempt=0.1, reuse=True, transpositions=False, cache=True, precision=\"f32\", max_episode_steps=None)"
}

#[pymethods]
impl PyAzCollector {
    /// What became of the last collection, counted: `episodes`, `solved`, `resigned` (given up), `spared`
    /// (not given up only because exempt), `spared_solved` (of those, solved after all),
    /// `simulations` (run anew), `nodes` (states given to the policy, cached or not) and
    /// `memory_bytes` (of the trees and the cache).
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dictionary(py, &self.run.state().report)
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
        let policy = policy.get().policy.at(self.run.config.precision)?;
        let (tree, rng) = (self.run.config.tree, Rng::stream(self.run.seed, 0, 0));
        let Exploration { tree, policy, action } =
            detached(py, |poll| explore(&*env, &*policy, &tree, rng, poll))?;
        let found = PyDict::new(py);
        found.set_item("parents", array(py, &tree, |state| state.parent as i64))?;
        found.set_item("actions", array(py, &tree, |state| state.action as i64))?;
        found.set_item("priors", array(py, &tree, |state| state.prior))?;
        found.set_item("visits", array(py, &tree, |state| i64::from(state.visits)))?;
        found.set_item("values", array(py, &tree, |state| state.value))?;
        found.set_item("policy", policy.into_pyarray(py))?;
        found.set_item("action", action)?;
        Ok(found)
    }
}
