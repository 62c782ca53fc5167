//! Where what was prepared is kept: an object of Python's that reads and writes files.

use std::sync::Arc;

use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use twisterl::engine::store::{keep_in, Array, Arrays, Key, Store};
use twisterl::python_interface::error::wrong_type;
use twisterl::python_interface::python_object::has_method;
use twisterl::{Error, Result};

/// An object with `find`, `judged` and `keep`.
struct PyStore(Py<PyAny>);

impl Store for PyStore {
    fn find(&self, key: &Key) -> Result<Option<Arrays>> {
        Ok(Python::attach(|py| {
            let found = self.0.bind(py).call_method1("find", words(key))?;
            match found.is_none() {
                true => Ok(None),
                false => read(found.cast::<PyDict>()?).map(Some),
            }
        })?)
    }

    fn judged(&self, key: &Key, problem: Option<&Error>) -> Result<()> {
        let (kind, name, made_of) = words(key);
        let problem = problem.map(ToString::to_string);
        Python::attach(|py| self.0.call_method1(py, "judged", (kind, name, made_of, problem)))?;
        Ok(())
    }

    fn keep(&self, key: &Key, arrays: Arrays, seconds: f64) -> Result<()> {
        let (kind, name, made_of) = words(key);
        Python::attach(|py| {
            let written = written(py, arrays)?;
            self.0.call_method1(py, "keep", (kind, name, made_of, written, seconds))
        })?;
        Ok(())
    }
}

fn words(key: &Key) -> (&'static str, &str, &str) {
    (key.kind, &key.name, &key.made_of)
}

/// Numbers without a sign have the bits of those with one, which every file of tensors knows.
fn written(py: Python<'_>, arrays: Arrays) -> PyResult<Bound<'_, PyDict>> {
    let written = PyDict::new(py);
    for (name, array) in arrays.0 {
        match array {
            Array::U8(numbers) => written.set_item(name, numbers.into_pyarray(py))?,
            Array::U32(numbers) => {
                let signed: Vec<i32> = numbers.into_iter().map(|number| number as i32).collect();
                written.set_item(name, signed.into_pyarray(py))?;
            }
            Array::U64(numbers) => {
                let signed: Vec<i64> = numbers.into_iter().map(|number| number as i64).collect();
                written.set_item(name, signed.into_pyarray(py))?;
            }
            Array::F32(numbers) => written.set_item(name, numbers.into_pyarray(py))?,
        }
    }
    Ok(written)
}

/// What cannot be read is left out, and missed by whoever asks for it.
fn read(found: &Bound<'_, PyDict>) -> PyResult<Arrays> {
    let mut arrays = Arrays::default();
    for (name, array) in found {
        let name = name.cast::<PyString>()?.to_string();
        let array = if let Some(numbers) = numbers::<u8>(&array) {
            Array::U8(numbers)
        } else if let Some(numbers) = numbers::<i32>(&array) {
            Array::U32(numbers.into_iter().map(|number| number as u32).collect())
        } else if let Some(numbers) = numbers::<i64>(&array) {
            Array::U64(numbers.into_iter().map(|number| number as u64).collect())
        } else if let Some(numbers) = numbers::<f32>(&array) {
            Array::F32(numbers)
        } else {
            continue;
        };
        arrays.0.insert(name, array);
    }
    Ok(arrays)
}

fn numbers<T: Element>(array: &Bound<'_, PyAny>) -> Option<Vec<T>> {
    array.cast::<PyArray1<T>>().ok()?.to_vec().ok()
}

/// Gives what takes long to prepare to `store` from now on, in every thread of the process, or with None, as at
/// first, to nobody. `twisterl.cache` has one that keeps files.
///
/// `store.find(kind, name, made_of)`, three strings, gives the arrays that are kept of it, a dictionary by name,
/// or None. `store.judged(kind, name, made_of, problem)` is then told that they are used, or the problem, a
/// string in place of None, for which they are made again. `store.keep(kind, name, made_of, arrays, seconds)`
/// gets those that took so long to make: uint8, int32, int64 or float32 `[N]`. What they raise ends the
/// preparation. Raises TypeError for an object without one of these methods.
#[pyfunction(name = "keep_in", signature = (store))]
pub(crate) fn keep_in_py(store: &Bound<'_, PyAny>) -> PyResult<()> {
    if store.is_none() {
        keep_in(None);
        return Ok(());
    }
    if !["find", "judged", "keep"].iter().all(|method| has_method(store, method)) {
        return Err(wrong_type("store", "None, or an object with find, judged and keep", store));
    }
    keep_in(Some(Arc::new(PyStore(store.clone().unbind()))));
    Ok(())
}
