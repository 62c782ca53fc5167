//! `route`: few swaps in Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde::{Deserialize, Serialize};
use twisterl::engine::threads::DEFAULT_CORES;
use twisterl::python_interface::args::integers;
use twisterl::python_interface::error::wrong_type;
use twisterl::python_interface::get_env::get_env;
use twisterl::routing::{route, DEFAULT_WIDTH};

use crate::detached::detached;
use crate::keywords::{function, Given};

/// The actions of each state, or `None`.
type Solutions = Vec<Option<Vec<usize>>>;

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Asked {
    beam_width: usize,
    num_cores: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self { beam_width: DEFAULT_WIDTH, num_cores: DEFAULT_CORES }
    }
}

function! {
/// The actions that solve each of `states`, N sequences of `num_qubits` integers, of `env`, a `Permutation`,
/// without a network: a list of N lists, None where no beam solves a state.
///
/// Beams of `beam_width` states search from each state and from its inverse; the shorter solution
/// counts. The result does not depend on `num_cores`. The interpreter lock is released. Raises ValueError
/// for another environment, and for what is no state.
    route_py, "route", "(env, states, beam_width=1024, num_cores=32)",
    |py, given| {
        let env = get_env(&given.required("env")?)?;
        let states = given.required("states")?;
        let rows = states.try_iter().map_err(|_| wrong_type("states", "a sequence of states", &states))?;
        let rows = rows.enumerate().map(|(i, row)| integers(&format!("states[{i}]"), &row?));
        let states: Vec<Vec<i64>> = rows.collect::<PyResult<_>>()?;
        let Asked { beam_width, num_cores } = given.rest()?;
        detached(py, |poll| route(&*env, &states, beam_width, num_cores, poll))
    } => Solutions
}
