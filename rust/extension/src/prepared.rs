//! What the classes of solvers that are prepared for one environment have in common.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde::Serialize;
use twisterl::python_interface::error::wrong_type;
use twisterl::python_interface::pickle::Made;
use twisterl::python_interface::python_object::has_method;

use crate::keywords::{dictionary, Given};

/// Who is told how far it is.
pub(crate) struct Progress(Option<Py<PyAny>>);

impl Progress {
    /// The argument `progress`, if the class has one.
    pub(crate) fn of(given: &Given<'_>) -> PyResult<Self> {
        match given.take("progress")?.filter(|progress| !progress.is_none()) {
            Some(other) if !other.is_callable() => {
                Err(wrong_type("progress", "a function or None", &other))
            }
            progress => Ok(Self(progress.map(Bound::unbind))),
        }
    }

    pub(crate) fn tell(&self, done: usize, total: usize) -> twisterl::Result<()> {
        if let Some(told) = &self.0 {
            Python::attach(|py| told.call1(py, (done, total)))?;
        }
        Ok(())
    }
}

/// A copy of an environment as it was given.
pub(crate) fn copied<'py>(env: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match has_method(env, "copy") {
        true => env.call_method0("copy"),
        false => Ok(env.clone()),
    }
}

/// The class of `solver` and its arguments: the environment and what was asked for it.
pub(crate) fn made<'py>(
    solver: &Bound<'py, PyAny>,
    env: &Py<PyAny>,
    asked: &impl Serialize,
) -> PyResult<Made<'py, Bound<'py, PyTuple>>> {
    let py = solver.py();
    let asked = dictionary(py, asked)?.values();
    let arguments = std::iter::once(env.bind(py).clone()).chain(asked.iter());
    Ok((solver.get_type(), PyTuple::new(py, arguments.collect::<Vec<_>>())?))
}

/// Declares such a class; `$make` prepares its solver, and may put into `$asked` what makes it again.
macro_rules! prepared {
    (
        $(#[$about:meta])* $Class:ident: $Solver:ty, $Asked:ty, $signature:literal,
        |$env:ident, $asked:ident, $progress:pat, $poll:ident| $make:expr
    ) => {
        $(#[$about])*
        pub struct $Class {
            solver: $Solver,
            /// A copy of the environment as it was given.
            env: Py<PyAny>,
            asked: $Asked,
        }

        constructor!($Class, $signature, |given| {
            let given_env = given.required("env")?;
            let progress = prepared::Progress::of(&given)?;
            let mut asked: $Asked = given.rest()?;
            let ($env, $asked, $progress) = (get_env(&given_env)?, &mut asked, progress);
            let env = prepared::copied(&given_env)?.unbind();
            let solver = detached(given_env.py(), |$poll| $make)?;
            Ok(Self { solver, env, asked })
        });

        #[pymethods]
        impl $Class {
            /// What makes the solver again: the environment and what was asked for.
            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<Made<'py, Bound<'py, PyTuple>>> {
                prepared::made(slf, &slf.get().env, &slf.get().asked)
            }

            /// The solver itself, which nothing changes.
            fn __copy__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
                slf
            }

            /// The solver itself, which nothing changes.
            fn __deepcopy__<'py>(
                slf: PyRef<'py, Self>,
                _memo: &Bound<'py, PyAny>,
            ) -> PyRef<'py, Self> {
                slf
            }
        }
    };
}
pub(crate) use prepared;
