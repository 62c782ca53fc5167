//! `RankSolver`: short solutions by ranks of blocks, in Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use twisterl::guided::Limits;
use twisterl::python_interface::args::integers;
use twisterl::python_interface::error::wrong_type;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;
use twisterl::ranked::{Preparation, Ranked};

use crate::detached::detached;
use crate::keywords::{constructor, method, Given};
use crate::prepared::copied;

/// Short solutions of an environment like `env`, a `Clifford` or `LinearFunction` of at most 8 qubits,
/// without a network.
///
/// Beams take gates off both ends of a circuit, led by a sum over the ranks of blocks of the matrix. What
/// each rank counts is learned in `num_rounds` rounds from what such beams find of 32 scrambled states
/// each, drawn by `seed`; `num_cores` threads share the work, and change nothing else. `weights`, those of
/// another solver, stand in place of that. Raises ValueError for another environment, or for `weights` of
/// one. The interpreter lock is released in every method, and `env` stays as it is. A pickle keeps
/// `env` and the weights.
#[pyclass(name = "RankSolver", module = "twisterl.twisterl.collector", frozen)]
pub struct PyRankSolver {
    ranked: Ranked,
    /// A copy of the environment as it was given.
    env: Py<PyAny>,
    prepared: Preparation,
}

constructor!(PyRankSolver, "(env, num_rounds=100, seed=0, num_cores=32, weights=None)", |given| {
    let env = given.required("env")?;
    let weights: Option<Vec<f32>> = match given.take("weights")? {
        Some(given) if !given.is_none() => {
            Some(given.extract().map_err(|_| wrong_type("weights", "a list of numbers", &given))?)
        }
        _ => None,
    };
    let prepared: Preparation = given.rest()?;
    let own = get_env(&env)?;
    let kept = copied(&env)?;
    let ranked = detached(env.py(), |poll| match weights {
        Some(weights) => Ranked::with_weights(&*own, weights),
        None => Ranked::new(&*own, prepared, poll),
    })?;
    Ok(Self { ranked, env: kept.unbind(), prepared })
});

#[pymethods]
impl PyRankSolver {
    /// What makes the solver again: the environment and what was learned.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Made<'py, impl IntoPyObject<'py>>> {
        let Self { ranked, env, prepared: p } = slf.get();
        let env = env.clone_ref(slf.py());
        let made = (env, p.num_rounds, p.seed, p.num_cores, ranked.weights().to_vec());
        Ok((slf.get_type(), made))
    }

    /// The solver itself, which nothing changes.
    fn __copy__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// The solver itself, which nothing changes.
    fn __deepcopy__<'py>(slf: PyRef<'py, Self>, _memo: &Bound<'py, PyAny>) -> PyRef<'py, Self> {
        slf
    }

    /// What was learned, for another solver of the same environment: a list of floats.
    fn weights(&self) -> Vec<f32> {
        self.ranked.weights().to_vec()
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
        detached(py, |poll| solver.ranked.solve(&state, limits, poll))
    } => Option<Vec<usize>>
}
