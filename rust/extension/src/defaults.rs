//! What the configs of the core have where nothing is given, for Python's models of them.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use twisterl::collector::az::AzConfig;
use twisterl::collector::ppo::PpoConfig;
use twisterl::collector::walk::WalkConfig;
use twisterl::es::{EsConfig, Optimizer};
use twisterl::search::TreeConfig;
use twisterl::solve::Asked;

use crate::keywords::{dictionary, function, Given};

/// What each config has where nothing is given: dictionaries by key, by the name of the model of
/// `twisterl.config`.
#[pyfunction]
#[pyo3(name = "defaults")]
pub(crate) fn defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    all.set_item("PPOCollecting", dictionary(py, &PpoConfig::default())?)?;
    all.set_item("AZCollecting", dictionary(py, &AzConfig::default())?)?;
    all.set_item("RandomWalkCollecting", dictionary(py, &WalkConfig::default())?)?;
    all.set_item("ESCollecting", dictionary(py, &EsConfig::default())?)?;
    all.set_item("ESOptimizer", dictionary(py, &Optimizer::default())?)?;
    all.set_item("Evaluation", dictionary(py, &Asked::default())?)?;
    Ok(all)
}

function! {
    /// Simulations of a move, at most, of a tree search with this `max_expand_depth`, `root_selection` and
    /// `reuse`, an integer.
    most_simulations, "most_simulations", "(max_expand_depth, root_selection, reuse)",
    |_py, given| { Ok(given.rest::<TreeConfig>()?.most_simulations()) } => usize
}
