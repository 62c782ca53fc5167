//! An environment written in Python: its object, and how it is called and reset.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;

use super::python_object::{Kind, OwnObject};
use crate::error::Result;
use crate::rl::deferred::Deferred;
use crate::rl::env::Env;
use crate::rng::Rng;

/// An environment that is a Python object.
pub struct PythonEnv {
    pub(super) object: Py<PyAny>,
    pub(super) kind: Arc<Kind>,
    pub(super) difficulty: usize,
    /// Why `object` is not this environment's own: its `copy` raised.
    broken: Option<PyErr>,
    /// What methods raised.
    pub(super) deferred: Deferred,
}

impl PythonEnv {
    /// # Errors
    /// TypeError naming the methods that are missing; ValueError if a size or twist is wrong.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::around(object.clone().unbind(), Arc::new(Kind::of(object)?), 1))
    }

    pub(super) fn around(object: Py<PyAny>, kind: Arc<Kind>, difficulty: usize) -> Self {
        Self { object, kind, difficulty, broken: None, deferred: Deferred::default() }
    }

    /// Another handle on the very same object.
    pub(super) fn share(&self) -> Self {
        Python::attach(|py| Self {
            broken: self.broken.as_ref().map(|raised| raised.clone_ref(py)),
            deferred: Deferred::of(self.deferred.take()),
            ..Self::around(self.object.clone_ref(py), self.kind.clone(), self.difficulty)
        })
    }

    /// The same environment, played by another object of the same kind.
    pub(super) fn with_object(&self, object: Bound<'_, PyAny>) -> Box<dyn Env> {
        Box::new(Self::around(object.unbind(), self.kind.clone(), self.difficulty))
    }

    pub(super) fn kind(&self) -> &Arc<Kind> {
        &self.kind
    }

    /// The Python object, or what went wrong earlier.
    pub(super) fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(raised) = &self.broken {
            return Err(raised.clone_ref(py));
        }
        self.deferred.report()?;
        Ok(self.object.bind(py).clone())
    }

    /// What `copy()` of the object returns.
    pub(super) fn copy_object(&self, py: Python<'_>) -> PyResult<OwnObject> {
        OwnObject::copy_of(&self.object(py)?, &self.kind)
    }

    pub(super) fn call<T>(
        &self,
        work: impl for<'py> FnOnce(&Kind, &Bound<'py, PyAny>) -> PyResult<T>,
    ) -> Result<T> {
        Ok(Python::attach(|py| work(&self.kind, &self.object(py)?))?)
    }
}

impl Clone for PythonEnv {
    fn clone(&self) -> Self {
        Python::attach(|py| match self.copy_object(py) {
            Ok(copy) => Self::around(copy.into_object(), self.kind.clone(), self.difficulty),
            Err(raised) => Self {
                broken: Some(raised),
                ..Self::around(self.object.clone_ref(py), self.kind.clone(), self.difficulty)
            },
        })
    }
}

/// `reset(difficulty)`, after `reseed` if the class can be seeded.
pub(super) fn reset(
    kind: &Kind,
    env: &Bound<'_, PyAny>,
    difficulty: usize,
    rng: &mut Rng,
) -> PyResult<()> {
    reseed(kind, env, rng)?;
    env.call_method1(intern!(env.py(), "reset"), (difficulty,))?;
    Ok(())
}

/// `reset_uniform()` where the class has it.
pub(super) fn reset_uniform(kind: &Kind, env: &Bound<'_, PyAny>, rng: &mut Rng) -> PyResult<()> {
    kind.described.spec.require_uniform()?;
    reseed(kind, env, rng)?;
    env.call_method0(intern!(env.py(), "reset_uniform"))?;
    Ok(())
}

pub(super) fn reseed(kind: &Kind, env: &Bound<'_, PyAny>, rng: &mut Rng) -> PyResult<()> {
    if kind.has_reseed {
        env.call_method1(intern!(env.py(), "reseed"), (rng.next_u64() >> 1,))?;
    }
    Ok(())
}
