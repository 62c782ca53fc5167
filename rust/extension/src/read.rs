//! Integer arguments of functions and constructors, for `#[pyo3(from_py_with = read::seed)]`.
//!
//! PyO3 does not tell a reader what its argument is called, and without one an integer that does
//! not fit is an OverflowError that names nothing: hence one reader a name.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use twisterl::error::Error;
use twisterl::python_interface::args::integer;
use twisterl::python_interface::error::wrong_type;

/// A type of arguments, with the values it allows.
pub(crate) trait Argument: Sized {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self>;
}

/// A count, at least 1.
impl Argument for usize {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(integer(name, value, 1..=i64::MAX)? as usize)
    }
}

/// A count of 32 bits, at least 1.
impl Argument for u32 {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(integer(name, value, 1..=u32::MAX.into())? as u32)
    }
}

/// Any integer from 0 on, such as a seed.
impl Argument for u64 {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(integer(name, value, 0..=i64::MAX)? as u64)
    }
}

impl Argument for String {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        value.extract().map_err(|_| wrong_type(name, "a string", value))
    }
}

impl<T: Argument> Argument for Option<T> {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        (!value.is_none()).then(|| T::read(name, value)).transpose()
    }
}

/// Lists, which their receiver checks further.
macro_rules! lists {
    ($($List:ty: $expected:literal,)*) => {$(
        impl Argument for $List {
            fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
                value.extract().map_err(|raised: PyErr| {
                    if !raised.is_instance_of::<PyOverflowError>(value.py()) {
                        return raised;
                    }
                    Error::invalid(name, $expected, "others").into()
                })
            }
        }
    )*};
}

lists! {
    Vec<i32>: "integers of 32 bits",
    Vec<Vec<i32>>: "integers of 32 bits",
    Vec<i64>: "integers of 64 bits",
    Vec<Option<i64>>: "integers of 64 bits",
    Vec<usize>: "integers in 0..2^63",
    Vec<Vec<usize>>: "integers in 0..2^63",
}

macro_rules! readers {
    ($($name:ident)*) => {$(
        pub(crate) fn $name<T: Argument>(value: &Bound<'_, PyAny>) -> PyResult<T> {
            T::read(stringify!($name), value)
        }
    )*};
}

readers! {
    act_perms conv_dim num_actions obs obs_perms obs_shape perms
}
