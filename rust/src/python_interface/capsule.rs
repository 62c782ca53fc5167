//! Environments of other packages: the capsule `twisterl.env.v1`, a pointer to a table of C functions.
//!
//! The object's `__twisterl_env__()` returns it; every [`super::env::PyBaseEnv`] has that method.

use std::ffi::c_void;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};

use crate::c_interface::{abi, set_host, ForeignEnv, Host, OwnTable, Source, Table};
use crate::error::Error;
use crate::rl::env::Env;

/// Exceptions of Python cross as they are.
struct PythonHost;

impl Host for PythonHost {
    fn taken(&self, take: &mut dyn FnMut() -> *mut c_void) -> Option<Error> {
        Python::attach(|py| {
            // SAFETY: an owned reference or null, by the interface.
            let raised = unsafe { Bound::from_owned_ptr_or_opt(py, take().cast()) };
            raised.map(|raised| PyErr::from_value(raised).into())
        })
    }

    fn given(&self, source: Source) -> *mut c_void {
        let into_pointer = |raised: PyErr| Python::attach(|py| raised.into_value(py).into_ptr());
        source
            .downcast::<PyErr>()
            .map_or(std::ptr::null_mut(), |raised| into_pointer(*raised).cast())
    }
}

/// The capsule of `env`.
pub(super) fn capsule(py: Python<'_>, env: Box<dyn Env>) -> PyResult<Bound<'_, PyCapsule>> {
    set_host(&PythonHost);
    PyCapsule::new_with_value(py, OwnTable::new(env), abi::NAME)
}

/// A copy of the environment in `capsule`, which messages call `class`.
///
/// # Errors
/// TypeError if the capsule is none of ours or of another version.
pub(super) fn read(capsule: &Bound<'_, PyAny>, class: String) -> PyResult<ForeignEnv> {
    set_host(&PythonHost);
    let refuse = |got: String| {
        let name = abi::NAME.to_string_lossy();
        PyTypeError::new_err(format!(
            "__twisterl_env__() of {class}: expected a capsule {name}, got {got}"
        ))
    };
    let found = capsule.cast::<PyCapsule>().map_err(|_| refuse(capsule.get_type().to_string()))?;
    let pointer = found
        .pointer_checked(Some(abi::NAME))
        .map_err(|_| refuse("one of another name".to_owned()))?;
    // SAFETY: a capsule of this name points to a table, and lives until this returns.
    let table = unsafe { Table::at(pointer) }.map_err(refuse)?;
    Ok(ForeignEnv::new(&table, class)?)
}
