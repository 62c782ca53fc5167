//! `GuidedSolver`: short solutions by classes of states, in Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use twisterl::guided::{Guide, Limits, Preparation};
use twisterl::python_interface::args::integers;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;
use twisterl::python_interface::python_object::has_method;

use crate::detached::detached;
use crate::keywords::{constructor, method, Given};

/// Short solutions of an environment like `env`, of a kind that tells classes of its states
/// (`Clifford`), without a network.
///
/// A table of `most_classes` of them around the goal, about 25 bytes each, ends beams that are led by a
/// value of what is seen of a class, which is learned from `num_walks` random walks of `walk_length`
/// actions, drawn by `seed`. Raises ValueError if the environment tells no classes. The interpreter lock
/// is released in every method, and `env` stays as it is. A pickle keeps `env` and
/// prepares anew.
#[pyclass(name = "GuidedSolver", module = "twisterl.twisterl.collector", frozen)]
pub struct PyGuidedSolver {
    guide: Guide,
    /// A copy of the environment as it was given.
    env: Py<PyAny>,
    prepared: Preparation,
}

constructor!(
    PyGuidedSolver,
    "(env, most_classes=100000, num_walks=20000, walk_length=16, seed=0)",
    |given| {
        let env = given.required("env")?;
        let prepared: Preparation = given.rest()?;
        let own = get_env(&env)?;
        let kept = if has_method(&env, "copy") { env.call_method0("copy")? } else { env.clone() };
        let guide = detached(env.py(), |poll| Guide::new(&*own, prepared, poll))?;
        Ok(Self { guide, env: kept.unbind(), prepared })
    }
);

#[pymethods]
impl PyGuidedSolver {
    /// What makes the solver again: the environment, not what was prepared, which is made anew.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Made<'py, impl IntoPyObject<'py>>> {
        let Self { env, prepared: p, .. } = slf.get();
        let env = env.clone_ref(slf.py());
        let made = (env, p.most_classes, p.num_walks, p.walk_length, p.seed);
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

    /// The number of classes at each distance from the goal up to which all are known, a list of integers.
    fn layer_sizes(&self) -> Vec<usize> {
        self.guide.layer_sizes()
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
        detached(py, |poll| solver.guide.solve(&state, limits, poll))
    } => Option<Vec<usize>>
}
