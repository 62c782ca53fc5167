//! From a Python object to the environment that the engine plays.
//!
//! Objects are recognized by what they offer, never by their base class: each separately built
//! extension has a `PyBaseEnv` of its own.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::capsule;
use super::env::PyBaseEnv;
use super::error::wrong_type;
use super::python_env::PythonEnv;
use super::python_object::has_method;
use crate::rl::env::{check_difficulty, Env};

/// A copy of the environment that `object` is; whoever holds `object` goes on undisturbed.
///
/// Tried in turn: an environment of this very library, the capsule of `__twisterl_env__()`, the
/// address of `__extract_env__()` (older wheels, where it can be checked), a Python environment.
///
/// # Errors
/// TypeError if `object` is none of them; ValueError if its difficulty is out of range; whatever
/// copying it raises.
pub fn get_env(object: &Bound<'_, PyAny>) -> PyResult<Box<dyn Env>> {
    let env = copy_of(object)?;
    check_difficulty(env.get_difficulty())?;
    Ok(env)
}

fn copy_of(object: &Bound<'_, PyAny>) -> PyResult<Box<dyn Env>> {
    if let Ok(base) = object.cast::<PyBaseEnv>() {
        return PyBaseEnv::with(base, |env| env.try_clone());
    }
    if has_method(object, "__twisterl_env__") {
        let class = object.get_type().name()?.to_string();
        let given = object.call_method0("__twisterl_env__")?;
        return Ok(Box::new(capsule::read(&given, class)?));
    }
    if has_method(object, "__extract_env__") {
        return legacy(object);
    }
    if has_method(object, "next") && has_method(object, "observe") {
        return Ok(PythonEnv::new(object)?.try_clone()?);
    }
    Err(wrong_type(
        "env",
        "an environment (of a compiled package, a twisterl.envs.PyEnv, or an object with the \
         methods that twisterl.envs lists)",
        object,
    ))
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn legacy(object: &Bound<'_, PyAny>) -> PyResult<Box<dyn Env>> {
    let address = object.call_method0("__extract_env__")?;
    let address = address.extract::<usize>().map_err(|_| {
        PyTypeError::new_err(format!(
            "env: __extract_env__(): expected the address of an environment, got {address}"
        ))
    })?;
    Ok(Box::new(super::legacy::LegacyEnv::new(object, address)?))
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn legacy(object: &Bound<'_, PyAny>) -> PyResult<Box<dyn Env>> {
    let class = object.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "env: {class} offers only __extract_env__(), which cannot be checked on this platform; \
         rebuild its package against twisterl 0.5.10 or later"
    )))
}
