//! `OptimalSolver`: the exact optimum in Python.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use super::args::{count, integers};
use super::env::get_env;
use super::pickle::Made;
use super::python_object::has_method;
use super::read;
use super::run::detached;
use super::starts::starts;
use super::strategy::budget;
use crate::exact::{self, Solver};

/// `(lengths, proven)`, both `[N]`.
type Lengths<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<bool>>);

/// Shortest solutions of an environment like `env`, with what was prepared for it: at most
/// `most_states` states around its goal, 10,000,000 by default, or pattern databases.
///
/// At most `time_limit_s` is spent on them: with less prepared the answers take longer. Raises
/// ValueError if the environment offers no exact search. The interpreter lock is released in every
/// method, and `env` stays as it is. A pickle keeps `env` and prepares anew.
#[pyclass(name = "OptimalSolver", module = "twisterl.twisterl.collector", frozen)]
pub struct PyOptimalSolver {
    solver: Solver,
    /// A copy of the environment as it was given, the most states and the seconds.
    given: (Py<PyAny>, usize, Option<f64>),
}

#[pymethods]
impl PyOptimalSolver {
    #[new]
    #[pyo3(signature = (env, most_states=None, time_limit_s=None))]
    fn new(
        py: Python<'_>,
        env: &Bound<'_, PyAny>,
        most_states: Option<&Bound<'_, PyAny>>,
        time_limit_s: Option<f64>,
    ) -> PyResult<Self> {
        let time = budget(time_limit_s, None)?.time;
        let most_states = match most_states {
            Some(most) => count("most_states", most, 1..=u32::MAX)?,
            None => Solver::MOST_STATES,
        };
        let own = get_env(env)?;
        let given = match has_method(env, "copy") {
            true => env.call_method0("copy")?,
            false => env.clone(),
        };
        let solver = detached(py, |poll| Solver::within(&*own, most_states, time, poll))?;
        Ok(Self { solver, given: (given.unbind(), most_states, time_limit_s) })
    }

    /// What makes the solver again: the environment, not what was prepared, which is searched anew.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Made<'py, impl IntoPyObject<'py>>> {
        let (env, most_states, time_limit_s) = &slf.get().given;
        Ok((slf.get_type(), (env.bind(slf.py()).clone(), *most_states, *time_limit_s)))
    }

    /// The solver itself, which nothing changes.
    fn __copy__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// The solver itself, which nothing changes.
    fn __deepcopy__<'py>(slf: PyRef<'py, Self>, _memo: &Bound<'py, PyAny>) -> PyRef<'py, Self> {
        slf
    }

    /// The number of states at each distance from the goal, a list of integers, or None if not all of
    /// them are kept.
    fn layer_sizes(&self) -> Option<Vec<usize>> {
        self.solver.layer_sizes()
    }

    /// `(actions, at_least)`: a shortest solution of `state` and its length, or None and a length
    /// below which there is none, where a limit ended the search: `time_limit_s` seconds or
    /// `node_limit` states looked at. Raises ValueError if `state` is none or has no solution.
    #[pyo3(signature = (state, time_limit_s=None, node_limit=None))]
    fn solve(
        &self,
        py: Python<'_>,
        state: &Bound<'_, PyAny>,
        time_limit_s: Option<f64>,
        #[pyo3(from_py_with = read::node_limit)] node_limit: Option<usize>,
    ) -> PyResult<(Option<Vec<usize>>, usize)> {
        let state = integers("state", state)?;
        let budget = budget(time_limit_s, node_limit)?;
        let answer = detached(py, |poll| self.solver.solve(&state, budget, poll))?;
        Ok((answer.actions, answer.at_least))
    }

    /// `(lengths, proven)` int64 and bool `[N]`: the optimum of each of the starts that
    /// `evaluate_episodes` plays from for the same arguments. Where it is not proven, `lengths`
    /// is a lower bound.
    ///
    /// `num_episodes`, `seed`, `num_cores`, `start` and `states` are those of `evaluate_episodes`;
    /// `node_limit` states are looked at for each start, `time_limit_s` seconds are for all together.
    /// Raises ValueError if one of `states` is none or has no solution.
    #[pyo3(signature = (num_episodes=100, seed=0, num_cores=32, start="reset", states=None,
                        time_limit_s=None, node_limit=None))]
    #[allow(clippy::too_many_arguments)]
    fn lengths<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
        #[pyo3(from_py_with = read::seed)] seed: u64,
        #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
        start: &str,
        states: Option<PyReadonlyArray2<'py, i64>>,
        time_limit_s: Option<f64>,
        #[pyo3(from_py_with = read::node_limit)] node_limit: Option<usize>,
    ) -> PyResult<Lengths<'py>> {
        let budget = budget(time_limit_s, node_limit)?;
        let starts = starts(states, start, num_episodes)?;
        let answers =
            detached(py, |poll| self.solver.solve_all(starts, seed, num_cores, budget, poll))?;
        let lengths: Vec<i64> = answers.iter().map(|answer| answer.at_least as i64).collect();
        let proven: Vec<bool> = answers.iter().map(|answer| answer.actions.is_some()).collect();
        Ok((lengths.into_pyarray(py), proven.into_pyarray(py)))
    }
}

/// What `OptimalSolver` of `env` answers to `state` within `time_limit_s` seconds and `node_limit`
/// states, which bound all of the work; for several states of one environment build it once.
#[pyfunction]
#[pyo3(signature = (env, state, time_limit_s=None, node_limit=None))]
pub fn solve_optimal(
    py: Python<'_>,
    env: &Bound<'_, PyAny>,
    state: &Bound<'_, PyAny>,
    time_limit_s: Option<f64>,
    #[pyo3(from_py_with = read::node_limit)] node_limit: Option<usize>,
) -> PyResult<(Option<Vec<usize>>, usize)> {
    let (state, budget) = (integers("state", state)?, budget(time_limit_s, node_limit)?);
    let env = get_env(env)?;
    let answer = detached(py, |poll| exact::solve(&*env, &state, budget, poll))?;
    Ok((answer.actions, answer.at_least))
}
