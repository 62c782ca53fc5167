//! Objects of compiled classes made again: copied, pickled, or sent to another process.
//!
//! A Python class may extend a compiled one, with a constructor and attributes of its own. It is
//! made by the compiled constructor alone, and its attributes are put back.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};
use pyo3::PyClass;

use super::env::PyBaseEnv;
use crate::error::caught;

/// A class and the arguments that it makes an equal object of.
pub type Made<'py, Arguments> = (Bound<'py, PyType>, Arguments);

/// The compiled class that `class` is or extends, which makes its objects.
fn compiled<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    for base in class.mro() {
        let own = base.getattr("__dict__")?;
        if own.contains("__new__")? && own.get_item("__new__")?.is_instance_of::<PyCFunction>() {
            return Ok(base.cast_into()?);
        }
    }
    Err(PyTypeError::new_err(format!("{class}: expected a class that extends a compiled one")))
}

/// An object of `class`, made of the arguments of the compiled constructor.
pub fn instance<'py>(
    class: &Bound<'py, PyType>,
    arguments: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    compiled(class)?.getattr("__new__")?.call((class,), Some(arguments))
}

/// What the Python class of `object` added to it: what `__getstate__` is in Python 3.11.
fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if let Some(told) = object.getattr_opt("__getstate__")? {
        return told.call0();
    }
    let own = object.getattr_opt("__dict__")?.unwrap_or_else(|| py.None().into_bound(py));
    let slots = PyDict::new(py);
    for name in
        py.import("copyreg")?.call_method1("_slotnames", (object.get_type(),))?.try_iter()?
    {
        let name = name?.cast_into()?;
        if let Some(value) = object.getattr_opt(&name)? {
            slots.set_item(name, value)?;
        }
    }
    if slots.is_empty() {
        return Ok(own);
    }
    Ok((own, slots).into_pyobject(py)?.into_any())
}

/// Gives `object` the [`attributes`] of another one.
fn set_attributes(object: &Bound<'_, PyAny>, given: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(set) = object.getattr_opt("__setstate__")? {
        set.call1((given,))?;
        return Ok(());
    }
    let (own, slots) = match given.cast::<PyTuple>() {
        Ok(both) => (both.get_item(0)?, Some(both.get_item(1)?)),
        Err(_) => (given.clone(), None),
    };
    if own.is_truthy()? {
        object.getattr("__dict__")?.call_method1("update", (own,))?;
    }
    for slot in slots.iter().flat_map(|slots| slots.cast::<PyDict>()).flatten() {
        object.setattr(slot.0.cast()?, slot.1)?;
    }
    Ok(())
}

/// The answer of `__reduce__`: `object`'s class makes it again by `_restored(*parts)`.
pub fn reduced<'py>(
    object: &Bound<'py, PyAny>,
    parts: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = object.py();
    let restored = object.get_type().getattr("_restored")?;
    let own = attributes(object)?;
    match own.is_truthy()? {
        true => (restored, parts.into_pyobject(py)?, own).into_pyobject(py),
        false => (restored, parts.into_pyobject(py)?).into_pyobject(py),
    }
}

/// What the compiled constructor makes an environment like `env` of, if its class tells.
fn arguments<'py>(env: &Bound<'py, PyBaseEnv>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if let Some(python_env) = PyBaseEnv::shared(env)? {
        return around(python_env.object(env.py())?).map(Some);
    }
    match compiled(&env.get_type())?.getattr_opt("arguments")? {
        Some(arguments) => Ok(Some(arguments.call1((env,))?.cast_into()?)),
        None => Ok(None),
    }
}

/// The arguments of a `PyEnv` around `object`.
fn around(object: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyDict>> {
    let arguments = PyDict::new(object.py());
    arguments.set_item("py_env", object)?;
    Ok(arguments)
}

/// An independent copy of `env` with the same attributes, copied deeply where there is a `memo`.
pub fn copy<'py>(
    env: &Bound<'py, PyBaseEnv>,
    memo: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = env.py();
    let deep = |value: Bound<'py, PyAny>| match memo {
        Some(memo) => py.import("copy")?.call_method1("deepcopy", (value, memo)),
        None => Ok(value),
    };
    let python_env = PyBaseEnv::shared(env)?;
    let inner = match (memo, &python_env) {
        (Some(_), Some(python_env)) => python_env.with_object(deep(python_env.object(py)?)?),
        _ => PyBaseEnv::with(env, |env| env.try_clone())?,
    };
    let twin = if python_env.is_some() {
        let plain = Bound::new(py, PyBaseEnv { env: inner })?.into_any();
        instance(&env.get_type(), &around(plain)?)?
    } else if let Some(arguments) = arguments(env)? {
        let twin = instance(&env.get_type(), &arguments)?;
        twin.cast::<PyBaseEnv>()?.try_borrow_mut()?.env = inner;
        twin
    } else {
        return Ok(Bound::new(py, PyBaseEnv { env: inner })?.into_any());
    };
    if let Some(memo) = memo {
        // Attributes may lead back to the environment.
        memo.set_item(env.as_ptr() as usize, &twin)?;
    }
    let own = attributes(env)?;
    if own.is_truthy()? {
        set_attributes(&twin, &deep(own)?)?;
    }
    Ok(twin)
}

/// [`copy`] of an object of the compiled class `T`, whose constructor need not be asked then.
pub fn copy_of<'py, T: PyClass<BaseType = PyBaseEnv>>(
    env: &Bound<'py, T>,
    class: T,
) -> PyResult<Bound<'py, PyAny>> {
    let py = env.py();
    if !env.as_any().get_type().is(py.get_type::<T>()) {
        return copy(env.as_super(), None);
    }
    let inner = PyBaseEnv::with(env.as_super(), |env| env.try_clone())?;
    let made = PyClassInitializer::from(PyBaseEnv { env: inner }).add_subclass(class);
    Ok(Bound::new(py, made)?.into_any())
}

/// The arguments of the constructor of `env` and its snapshot.
///
/// # Errors
/// TypeError that says what its class lacks.
pub fn parts<'py>(env: &Bound<'py, PyBaseEnv>) -> PyResult<(Bound<'py, PyDict>, Vec<i64>)> {
    let base = env.try_borrow()?;
    let snapshot = caught(|| Ok(base.env.snapshot()))?;
    let lacks = match (arguments(env)?, snapshot) {
        (Some(arguments), Some(snapshot)) => return Ok((arguments, snapshot)),
        (None, _) => "a method arguments() of its class",
        (_, None) => "Env::snapshot and Env::restore of its environment in Rust",
    };
    Err(PyTypeError::new_err(format!(
        "{}: expected an environment that can be made again, to pickle it; it lacks {lacks} \
         (docs/add-an-environment.md)",
        env.get_type().name()?
    )))
}

#[pymethods]
impl PyBaseEnv {
    /// An independent copy of the same class, whose attributes are those of this one; a plain
    /// `PyBaseEnv` if the class is of another package and has no `arguments()`.
    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        copy(slf, None)
    }

    /// See `copy`.
    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.call_method0("copy")
    }

    /// An independent copy as that of `copy`, which goes on exactly as this one would. Attributes,
    /// and the object of a `PyEnv`, are copied deeply.
    fn __deepcopy__<'py>(
        slf: &Bound<'py, Self>,
        memo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        copy(slf, Some(memo))
    }

    /// What makes the environment again, to go on exactly as this one would. TypeError if it
    /// cannot be told.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        reduced(slf, parts(slf)?)
    }

    /// What `__reduce__` told, made again.
    #[classmethod]
    fn _restored<'py>(
        cls: &Bound<'py, PyType>,
        arguments: &Bound<'py, PyDict>,
        snapshot: Vec<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let made = instance(cls, arguments)?;
        let mut base = made.cast::<Self>()?.try_borrow_mut()?;
        caught(|| base.env.restore(&snapshot))?;
        drop(base);
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::puzzle::Puzzle;

    /// As a package shows it that was written before there were pickles.
    #[pyclass(extends = PyBaseEnv)]
    struct Untold;

    #[pymethods]
    impl Untold {
        #[new]
        fn new() -> PyResult<PyClassInitializer<Self>> {
            let env = Box::new(Puzzle::new(3, 3, 1, 2, 64)?);
            Ok(PyClassInitializer::from(PyBaseEnv { env }).add_subclass(Self))
        }
    }

    #[test]
    fn a_class_that_cannot_be_made_again_is_copied_plainly_and_not_pickled() {
        Python::initialize();
        Python::attach(|py| {
            let env = py.get_type::<Untold>().call0().unwrap();
            for method in ["copy", "__copy__"] {
                let twin = env.call_method0(method).unwrap();
                assert!(twin.get_type().is(py.get_type::<PyBaseEnv>()));
            }
            let twin = env.call_method1("__deepcopy__", (PyDict::new(py),)).unwrap();
            let observe = |env: &Bound<'_, PyAny>| -> Vec<i32> {
                env.call_method0("observe").unwrap().extract().unwrap()
            };
            assert_eq!(observe(&twin), observe(&env));
            let refused = env.call_method0("__reduce__").unwrap_err().to_string();
            let expected = "TypeError: Untold: expected an environment that can be made again";
            assert!(refused.starts_with(expected), "{refused}");
            assert!(refused.contains("it lacks a method arguments() of its class"), "{refused}");
        });
    }
}
