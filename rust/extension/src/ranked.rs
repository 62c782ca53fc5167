//! `RankSolver`: short solutions by ranks of blocks, in Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde::{Deserialize, Serialize};
use twisterl::guided::Limits;
use twisterl::python_interface::args::integers;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;
use twisterl::ranked::{Preparation, Ranked};

use crate::detached::detached;
use crate::keywords::{constructor, method, Given};
use crate::prepared::{self, prepared};

/// What is learned, or was.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Asked {
    num_rounds: usize,
    seed: u64,
    num_cores: usize,
    weights: Option<Vec<f32>>,
}

impl Default for Asked {
    fn default() -> Self {
        let Preparation { num_rounds, seed, num_cores } = Preparation::default();
        Self { num_rounds, seed, num_cores, weights: None }
    }
}

prepared! {
    /// Short solutions of an environment like `env`, a `Clifford` of at most 8 qubits or a
    /// `LinearFunction` of at most 12, without a network.
    ///
    /// Beams take gates off both ends of a circuit, led by a sum over the ranks of blocks of the matrix.
    /// What each rank counts is learned in `num_rounds` rounds from what such beams find of 32 scrambled
    /// states each, drawn by `seed`; `num_cores` threads share the work, and change nothing else.
    /// `progress`, if given, is called with how many are done and `num_rounds` after each. `weights`, those of another solver,
    /// stand in place of learning. Raises ValueError for another environment, or for `weights` of one. The
    /// interpreter lock is released in every method, and `env` stays as it is. A pickle keeps `env` and
    /// the weights.
    #[pyclass(name = "RankSolver", module = "twisterl.twisterl.collector", frozen)]
    PyRankSolver: Ranked, Asked,
    "(env, num_rounds=100, seed=0, num_cores=32, weights=None, progress=None)",
    |env, asked, progress, poll| {
        let ranked = match asked.weights.take() {
            Some(weights) => Ranked::with_weights(&*env, weights)?,
            None => {
                let Asked { num_rounds, seed, num_cores, .. } = *asked;
                let prepared = Preparation { num_rounds, seed, num_cores };
                Ranked::new(&*env, prepared, &mut |done| progress.tell(done, num_rounds), poll)?
            }
        };
        asked.weights = Some(ranked.weights().to_vec());
        Ok(ranked)
    }
}

#[pymethods]
impl PyRankSolver {
    /// What was learned, for another solver of the same environment: a list of floats.
    fn weights(&self) -> Vec<f32> {
        self.solver.weights().to_vec()
    }
}

method! {
    PyRankSolver,
    /// Actions that solve `state`, or None if no state of a beam of `beam_width` does within `most_steps`.
    /// `num_cores` threads share the work, and change nothing else. Raises ValueError if `state` is none
    /// or has no solution.
    solve, "($self, state, beam_width=256, most_steps=256, num_cores=32)",
    |solver, py, given| {
        let state = integers("state", &given.required("state")?)?;
        let limits: Limits = given.rest()?;
        detached(py, |poll| solver.solver.solve(&state, limits, poll))
    } => Option<Vec<usize>>
}
