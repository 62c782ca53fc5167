//! One search from Python, to be looked at.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::collector::{count, read_truncation, signal_poll};
use super::env::get_env;
use super::nn::PyPolicy;
use super::strategy::read_root_selection;
use crate::rng::Rng;
use crate::search::{explore, Exploration, ExploredState, TreeConfig};

/// The tree that one search of the state that `env` is in grows, and what it answers.
///
/// Of the states `[N]`, the root first, each after its parent: `parents`, `actions` (which led
/// there), `priors` (the policy's probability of it), `visits`, `values` (mean return from there
/// on). Of the search: `policy` `[A]`, what it says of the root's actions, and `action`.
#[pyfunction(name = "explore")]
#[pyo3(signature = (env, policy, num_mcts_searches=100, C=1.41, max_expand_depth=1, seed=0, *,
                    root_selection="puct", max_considered_actions=16, value_weight=1.0,
                    gamma=1.0, truncation="terminal"))]
#[allow(clippy::too_many_arguments, non_snake_case)]
pub(super) fn explore_py<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    policy: &Bound<'py, PyPolicy>,
    num_mcts_searches: i64,
    C: f32,
    max_expand_depth: i64,
    seed: u64,
    root_selection: &str,
    max_considered_actions: i64,
    value_weight: f32,
    gamma: f32,
    truncation: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let config = TreeConfig {
        num_simulations: count("num_mcts_searches", num_mcts_searches)?,
        exploration: C,
        max_expand_depth: count("max_expand_depth", max_expand_depth)?,
        root_selection: read_root_selection(root_selection)?,
        max_considered_actions: count("max_considered_actions", max_considered_actions)?,
        value_weight,
        gamma,
        truncation: read_truncation(truncation)?,
        reuse: false,
    };
    let env = get_env(env)?;
    let policy = policy.get().policy.clone();
    let rng = Rng::stream(seed, 0, 0);
    let Exploration { tree, policy, action } =
        py.detach(|| explore(&*env, &policy, &config, rng, &mut signal_poll()))?;
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
