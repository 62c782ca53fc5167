//! `GuidedSolver`: short solutions by classes of states, in Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use twisterl::guided::{Guide, Limits, Preparation};
use twisterl::python_interface::args::integers;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;

use crate::detached::detached;
use crate::keywords::{constructor, method, Given};
use crate::prepared::{self, prepared};

prepared! {
    /// Short solutions of an environment like `env`, of a kind that tells classes of its states
    /// (`Clifford`), without a network.
    ///
    /// A table of `most_classes` of them around the goal, about 25 bytes each, ends beams that are led by a
    /// value of what is seen of a class, which is learned from `num_walks` random walks of `walk_length`
    /// actions, drawn by `seed`. Raises ValueError if the environment tells no classes. The interpreter lock
    /// is released in every method, and `env` stays as it is. A pickle keeps `env` and
    /// prepares anew.
    #[pyclass(name = "GuidedSolver", module = "twisterl.twisterl.collector", frozen)]
    PyGuidedSolver: Guide, Preparation,
    "(env, most_classes=100000, num_walks=20000, walk_length=16, seed=0)",
    |env, asked, _, poll| Guide::new(&*env, *asked, poll)
}

#[pymethods]
impl PyGuidedSolver {
    /// The number of classes at each distance from the goal up to which all are known, a list of integers.
    fn layer_sizes(&self) -> Vec<usize> {
        self.solver.layer_sizes()
    }
}

method! {
    PyGuidedSolver,
    /// Actions that solve `state`, or None if no state of a beam of `beam_width` comes near the goal within
    /// `most_steps`. `num_cores` threads share the work, and change nothing else. Raises ValueError if
    /// `state` is none or has no solution.
    solve, "($self, state, beam_width=256, most_steps=256, num_cores=32)",
    |solver, py, given| {
        let state = integers("state", &given.required("state")?)?;
        let limits: Limits = given.rest()?;
        detached(py, |poll| solver.solver.solve(&state, limits, poll))
    } => Option<Vec<usize>>
}
