//! Arguments from Python, checked: each error names the argument, what was expected, what came.

use std::any::type_name;
use std::ops::RangeInclusive;

use numpy::{Element, IxDyn, PyArrayDescr, PyReadonlyArray, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::error::wrong_type;
use crate::error::Error;

/// Where a value comes from, as messages call it.
pub type Source<'a> = &'a dyn Fn() -> String;

/// The integer `value` of any type with `__index__`, inside `range`.
///
/// # Errors
/// TypeError if it is no integer, ValueError if it is outside.
pub fn integer(name: &str, value: &Bound<'_, PyAny>, range: RangeInclusive<i64>) -> PyResult<i64> {
    let outside = |got: String| {
        let (least, most) = (range.start(), range.end());
        let bound = if *most == i64::MAX { "2^63" } else { &format!("={most}") };
        Error::invalid(name, format!("an integer in {least}..{bound}"), got)
    };
    match value.extract::<i64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) => Err(outside(number.to_string()).into()),
        Err(raised) if raised.is_instance_of::<PyOverflowError>(value.py()) => {
            Err(outside(value.str()?.to_string()).into())
        }
        Err(_) => Err(wrong_type(name, "an integer", value)),
    }
}

/// A count in `range`; see [`integer`].
pub fn count(name: &str, value: &Bound<'_, PyAny>, range: RangeInclusive<u32>) -> PyResult<usize> {
    let range = i64::from(*range.start())..=i64::from(*range.end());
    Ok(integer(name, value, range)? as usize)
}

/// A sequence of integers: list, tuple or integer array.
pub fn integers(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if let Ok(numbers) = value.extract::<Vec<i64>>() {
        return Ok(numbers);
    }
    // Slow path, only to name the entry that does not fit.
    let items = value.try_iter().map_err(|_| wrong_type(name, "a sequence of integers", value))?;
    let entry = |(i, item): (usize, PyResult<Bound<'_, PyAny>>)| {
        integer(&format!("{name}[{i}]"), &item?, i64::MIN..=i64::MAX)
    };
    items.enumerate().map(entry).collect()
}

/// Integers that are sizes or indices; an error names the first that is negative.
pub fn sizes(name: &str, values: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let size = |value: i64| {
        let negative = |_| Error::invalid(name, "integers of at least 0", value).into();
        usize::try_from(value).map_err(negative)
    };
    integers(name, values)?.into_iter().map(size).collect()
}

/// The items of a list; anything else that can be iterated becomes one. `source` is what messages call it.
pub fn list<'py>(
    source: Source<'_>,
    expected: &str,
    value: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    let value = match value.cast_into::<PyList>() {
        Ok(list) => return Ok(list),
        Err(other) => other.into_inner(),
    };
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        if array.ndim() == 1 {
            return Ok(array.call_method0(intern!(value.py(), "tolist"))?.cast_into()?);
        }
    }
    let items = value.try_iter().map_err(|_| wrong_type(&source(), expected, &value))?;
    PyList::new(value.py(), items.collect::<PyResult<Vec<_>>>()?)
}

/// The numbers of an array of type `T` or `U`, row-major; `advice` is what to do about one of another type.
pub fn numbers<T, U, V>(
    source: Source<'_>,
    value: &Bound<'_, PyAny>,
    advice: &dyn Fn(&Bound<'_, PyArrayDescr>) -> &'static str,
) -> PyResult<Vec<V>>
where
    T: Element + Copy + Into<V>,
    U: Element + Copy + Into<V>,
{
    fn read<T: Element + Copy + Into<V>, V>(value: &Bound<'_, PyAny>) -> Option<Vec<V>> {
        let array = value.extract::<PyReadonlyArray<'_, T, IxDyn>>().ok()?;
        Some(array.as_array().iter().map(|&number| number.into()).collect())
    }
    let numbers = read::<T, V>(value).or_else(|| read::<U, V>(value));
    numbers.ok_or_else(|| {
        let (first, second) = (type_name::<T>(), type_name::<U>());
        let kinds = match first == second {
            true => first.to_owned(),
            false => format!("{first} or {second}"),
        };
        match value.cast::<PyUntypedArray>() {
            Ok(array) => {
                let (dtype, name) = (array.dtype(), source());
                let advice = advice(&dtype);
                let text = format!("{name}: expected an array of {kinds}, got {dtype}{advice}");
                PyTypeError::new_err(text)
            }
            Err(_) => wrong_type(&source(), "a numpy array", value),
        }
    })
}
