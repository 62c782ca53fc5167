//! Rust errors as Python exceptions: the one place where they are converted.

use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::inside;
use crate::c_interface::ForeignError;
use crate::error::Error;

impl From<Error> for PyErr {
    /// An exception that a callback raised comes back as that very object, traceback included.
    fn from(error: Error) -> PyErr {
        match error {
            Error::Invalid { .. } | Error::Policy(_) => PyValueError::new_err(error.to_string()),
            Error::Environment(source) | Error::Interruption(source) => match source
                .downcast::<PyErr>()
            {
                Ok(raised) => *raised,
                Err(source) => match source.downcast_ref::<ForeignError>() {
                    Some(foreign) if foreign.invalid => PyValueError::new_err(source.to_string()),
                    _ => PyRuntimeError::new_err(source.to_string()),
                },
            },
            Error::Interrupted => pending_interrupt(),
            Error::Panic(message) => panic_error(&message),
        }
    }
}

impl From<PyErr> for Error {
    fn from(raised: PyErr) -> Error {
        // KeyboardInterrupt, SystemExit and their like are no failures of what raised them.
        match Python::attach(|py| raised.is_instance_of::<PyException>(py)) {
            true => Error::Environment(Box::new(raised)),
            false => Error::Interruption(Box::new(raised)),
        }
    }
}

fn pending_interrupt() -> PyErr {
    Python::attach(|py| match py.check_signals() {
        Err(raised) => raised,
        Ok(()) => inside::interrupted(),
    })
}

fn panic_error(message: &str) -> PyErr {
    PyRuntimeError::new_err(format!("a panic in native code (a bug, please report it): {message}"))
}

/// A TypeError about the argument `name`.
pub fn wrong_type(name: &str, expected: &str, got: &Bound<'_, PyAny>) -> PyErr {
    let kind = got.get_type().name().map(|name| name.to_string());
    let kind = kind.unwrap_or_else(|_| "an object".to_owned());
    PyTypeError::new_err(format!("{name}: expected {expected}, got {kind}"))
}
