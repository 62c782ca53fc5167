//! What the classes of solvers that are prepared for one environment have in common.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde::Serialize;
use twisterl::python_interface::pickle::Made;
use twisterl::python_interface::python_object::has_method;

use crate::keywords::dictionary;

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

/// Declares such a class; `$make` prepares its solver.
macro_rules! prepared {
    (
        $(#[$about:meta])* $Class:ident: $Solver:ty, $Asked:ty, $signature:literal,
        |$env:ident, $asked:ident, $poll:ident| $make:expr
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
            let asked: $Asked = given.rest()?;
            let ($env, $asked) = (get_env(&given_env)?, &asked);
            let env = prepared::copied(&given_env)?.unbind();
            let solver = detached(given_env.py(), |$poll| $make)?;
            Ok(Self { solver, env, asked })
        });

        #[pymethods]
        impl $Class {
            /// What makes the solver again: the environment, not what was prepared, which is made anew.
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
