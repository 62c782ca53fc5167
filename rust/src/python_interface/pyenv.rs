//! `PyEnv`: an environment written in Python, played by the engine.
//!
//! The methods that the class has are documented in `twisterl.envs`. Worker threads enter the
//! interpreter inside these calls only; whoever starts them must have left it.

use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;

use super::acts;
use super::env::PyBaseEnv;
use super::python_env::{reseed, reset, reset_uniform, PythonEnv};
use super::python_lanes;
use super::python_object::{self as object};
use crate::error::{Error, Result};
use crate::rl::deferred::deferring;
use crate::rl::env::{check_difficulty, Env, Status, Twists};
use crate::rl::spec::EnvSpec;
use crate::rl::vec_env::VecEnv;
use crate::rng::Rng;
use crate::spaces::Act;

impl Env for PythonEnv {
    deferring!(kind.described);

    fn reset(&mut self) {
        let difficulty = self.difficulty;
        let done = self.call(|_, env| env.call_method1("reset", (difficulty,)).map(drop));
        self.deferred.keep((), done);
    }

    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.call(|kind, env| reset(kind, env, self.difficulty, rng))
    }
    fn try_reset_uniform(&mut self, rng: &mut Rng) -> Result<()> {
        self.call(|kind, env| reset_uniform(kind, env, rng))
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        self.call(|_, env| env.call_method1(intern!(env.py(), "set_state"), (state,)).map(drop))
    }
    fn check_solvable(&self) -> Result<()> {
        self.call(|kind, env| match kind.has_check_solvable {
            true => env.call_method0(intern!(env.py(), "check_solvable")).map(drop),
            false => Ok(()),
        })
    }
    fn try_step(&mut self, action: usize) -> Result<()> {
        self.call(|_, env| env.call_method1(intern!(env.py(), "next"), (action,)).map(drop))
    }
    fn try_act(&mut self, act: Act<'_>) -> Result<()> {
        self.call(|_, env| {
            let action = acts::value(env.py(), act)?;
            env.call_method1(intern!(env.py(), "next"), (action,)).map(drop)
        })
    }
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        self.call(|kind, env| object::observe(kind, env, indices))
    }
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        self.call(|kind, env| object::masks(kind, env, masks))
    }
    fn try_status(&self) -> Result<Status> {
        self.call(object::status)
    }
    fn try_solution(&self) -> Result<Option<Vec<i64>>> {
        self.call(object::solution)
    }
    fn try_reset_goal(&mut self, rng: &mut Rng) -> Result<()> {
        self.call(|kind, env| {
            kind.described.spec.require_goal()?;
            reseed(kind, env, rng)?;
            env.call_method0(intern!(env.py(), "reset_goal")).map(drop)
        })
    }
    fn try_clone(&self) -> Result<Box<dyn Env>> {
        let copy = Python::attach(|py| self.copy_object(py))?;
        Ok(Box::new(Self::around(copy.into_object(), self.kind.clone(), self.difficulty)))
    }
    /// The difficulty: what the object is, Python tells.
    fn snapshot(&self) -> Option<Vec<i64>> {
        Some(vec![self.difficulty as i64])
    }
    fn restore(&mut self, snapshot: &[i64]) -> Result<()> {
        let difficulty = match *snapshot {
            [difficulty] => usize::try_from(difficulty).ok(),
            _ => None,
        };
        let Some(difficulty) = difficulty else {
            return Err(Error::invalid("snapshot", "[difficulty]", format!("{snapshot:?}")));
        };
        check_difficulty(difficulty)?;
        self.difficulty = difficulty;
        Ok(())
    }
    fn vectorize(&self, num_lanes: usize) -> Option<Result<Box<dyn VecEnv>>> {
        Some(python_lanes::lanes(self, num_lanes))
    }

    fn is_called_dearly(&self) -> bool {
        self.kind.has_vectorize
    }

    fn vectorize_nodes(&self, num_nodes: usize) -> Option<Result<Box<dyn VecEnv>>> {
        Some(python_lanes::nodes(self, num_nodes))
    }
}

/// An environment written in Python, as the engine and the collectors take it.
///
/// `py_env` is an object with the methods that `twisterl.envs` lists; `METHODS` are the names of
/// those it must have. Raises TypeError naming the ones it has not, and ValueError if the number of
/// actions, the shape of the observation or a twist is wrong.
#[pyclass(subclass, extends = PyBaseEnv, module = "twisterl.twisterl.env")]
pub struct PyEnv;

#[pymethods]
impl PyEnv {
    #[new]
    fn new(py_env: &Bound<'_, PyAny>) -> PyResult<PyClassInitializer<Self>> {
        // A copy is made around what is known already: its object need not be asked again.
        let known = match py_env.cast_exact::<PyBaseEnv>() {
            Ok(plain) => PyBaseEnv::shared(plain)?,
            Err(_) => None,
        };
        let env = known.map_or_else(|| PythonEnv::new(py_env), Ok)?;
        Ok(PyClassInitializer::from(PyBaseEnv { env: Box::new(env) }).add_subclass(PyEnv))
    }

    /// The object as text, where its class has a `__str__` of its own.
    fn __str__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let env = Self::python_env(slf.try_borrow()?)?.into_bound(py);
        let name = intern!(py, "__str__");
        let plain = py.import("builtins")?.getattr("object")?.getattr(name)?;
        let text = if env.get_type().getattr(name)?.is(&plain) { slf.repr()? } else { env.str()? };
        Ok(text.to_string())
    }

    /// The methods that the object must have.
    #[classattr]
    #[pyo3(name = "METHODS")]
    fn methods() -> [&'static str; object::REQUIRED.len()] {
        object::REQUIRED
    }

    /// The object that plays.
    #[getter]
    fn python_env(slf: PyRef<'_, Self>) -> PyResult<Py<PyAny>> {
        let env = super::env::get_env_ref::<PythonEnv>(slf.as_super())?;
        Ok(env.object.clone_ref(slf.py()))
    }
}
