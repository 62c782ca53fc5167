//! `OptimalSolver`: the exact optimum in Python.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde::{Deserialize, Serialize};
use twisterl::engine::threads::DEFAULT_CORES;
use twisterl::exact::{self, Preparation, Solver};
use twisterl::python_interface::args::integers;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;
use twisterl::rl::start::Start;
use twisterl::search::Budget;

use crate::columns::array;
use crate::detached::detached;
use crate::keywords::{constructor, function, method, Given};
use crate::prepared::{self, prepared};
use crate::solve::starts;

/// A shortest solution, and its length or a bound of it.
type Found = (Option<Vec<usize>>, usize);
/// `(lengths, proven)`, both `[N]`.
type Lengths<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<bool>>);

/// When a search ends.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Limits {
    time_limit_s: Option<f64>,
    node_limit: Option<u64>,
}

impl Limits {
    fn budget(&self) -> PyResult<Budget> {
        Ok(Budget::new(self.time_limit_s, self.node_limit)?)
    }
}

/// What is prepared.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Prepared {
    most_states: Option<u32>,
    time_limit_s: Option<f64>,
    pattern_bytes: Option<u64>,
}

/// The starts whose optima are asked for.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Asked {
    num_episodes: usize,
    seed: u64,
    num_cores: usize,
    start: Start,
}

impl Default for Asked {
    fn default() -> Self {
        Self { num_episodes: 100, seed: 0, num_cores: DEFAULT_CORES, start: Start::Reset }
    }
}

prepared! {
    /// Shortest solutions of an environment like `env`, with what was prepared for it: at most
    /// `most_states` states around its goal, 10,000,000 by default, or pattern databases of at most
    /// `pattern_bytes`, by default those of a million placements for each group of tiles.
    ///
    /// At most `time_limit_s` is spent on them: with less prepared the answers take longer. Raises
    /// ValueError if the environment offers no exact search. The interpreter lock is released in every
    /// method, and `env` stays as it is. A pickle keeps `env` and prepares anew.
    #[pyclass(name = "OptimalSolver", module = "twisterl.twisterl.collector", frozen)]
    PyOptimalSolver: Solver, Prepared, "(env, most_states=None, time_limit_s=None, pattern_bytes=None)",
    |env, asked, _, poll| {
        let time = Budget::new(asked.time_limit_s, None)?.time;
        let most_states = asked.most_states.map_or(Solver::MOST_STATES, |most| most as usize);
        let limits = Preparation { most_states, time, pattern_bytes: asked.pattern_bytes };
        Solver::prepared(&*env, limits, poll)
    }
}

#[pymethods]
impl PyOptimalSolver {
    /// The number of states at each distance from the goal, a list of integers. None if not all of them
    /// are kept, and where one is kept of each class of them (`LinearFunction`).
    fn layer_sizes(&self) -> Option<Vec<usize>> {
        self.solver.layer_sizes()
    }
}

method! {
    PyOptimalSolver,
    /// `(actions, at_least)`: a shortest solution of `state` and its length, or None and a length
    /// below which there is none, where a limit ended the search: `time_limit_s` seconds or
    /// `node_limit` states looked at. Raises ValueError if `state` is none or has no solution.
    solve, "($self, state, time_limit_s=None, node_limit=None)",
    |solver, py, given| {
        let state = integers("state", &given.required("state")?)?;
        let budget = given.rest::<Limits>()?.budget()?;
        let answer = detached(py, |poll| solver.solver.solve(&state, budget, poll))?;
        Ok((answer.actions, answer.at_least))
    } => Found
}

method! {
    PyOptimalSolver,
    /// `(lengths, proven)` int64 and bool `[N]`: the optimum of each of the starts that
    /// `evaluate_episodes` plays from for the same arguments. Where it is not proven, `lengths`
    /// is a lower bound.
    ///
    /// `num_episodes`, `seed`, `num_cores`, `start` and `states` are those of `evaluate_episodes`;
    /// `node_limit` states are looked at for each start, `time_limit_s` seconds are for all together.
    /// Raises ValueError if one of `states` is none or has no solution.
    lengths,
    "($self, num_episodes=100, seed=0, num_cores=32, start=\"reset\", states=None, time_limit_s=None, node_limit=None)",
    |solver, py, given| {
        let states = given.take("states")?;
        let Asked { num_episodes, seed, num_cores, start } = given.read()?;
        let budget = given.rest::<Limits>()?.budget()?;
        let starts = starts(states.as_ref(), start, num_episodes)?;
        let answers = detached(py, |poll| {
            solver.solver.solve_all(starts, seed, num_cores, budget, poll)
        })?;
        let lengths = array(py, &answers, |answer| answer.at_least as i64);
        Ok((lengths, array(py, &answers, |answer| answer.actions.is_some())))
    } => Lengths<'py>
}

function! {
/// What `OptimalSolver` of `env` answers to `state` within `time_limit_s` seconds and `node_limit`
/// states, which bound all of the work; for several states of one environment build it once.
    solve_optimal, "solve_optimal", "(env, state, time_limit_s=None, node_limit=None)",
    |py, given| {
        let env = given.required("env")?;
        let state = integers("state", &given.required("state")?)?;
        let budget = given.rest::<Limits>()?.budget()?;
        let env = get_env(&env)?;
        let answer = detached(py, |poll| exact::solve(&*env, &state, budget, poll))?;
        Ok((answer.actions, answer.at_least))
    } => Found
}
