//! Sparse observations from outside: lists and arrays of active features.

use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::args::{list, numbers};
use super::error::wrong_type;
use crate::error::Error;
use crate::spaces::Features;
use crate::spaces::Rows;

/// Appends the features that `value` lists to `words`.
pub fn read<S: Fn() -> String>(
    of: &Features<S>,
    value: Bound<'_, PyAny>,
    words: &mut Vec<i32>,
) -> PyResult<()> {
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        check_array(of, array)?;
    }
    let expected = "a list of integers";
    let features = list(&of.source, expected, value)?;
    let is_full = features.len() == of.count;
    let first = words.len();
    for feature in features {
        // A boolean is an integer in Python.
        let index = feature.extract::<i64>().ok().filter(|_| !feature.is_instance_of::<PyBool>());
        let Some(index) = index else {
            let got = feature.get_type().name()?.to_string();
            if is_full && ["bool", "float", "Tensor"].iter().any(|kind| got.starts_with(kind)) {
                return Err(of.dense(format!("{} of type {got}", of.count)).into());
            }
            return Err(wrong_type(&(of.source)(), expected, &feature));
        };
        words.push(of.index(index)?);
    }
    Ok(of.check(&words[first..])?)
}

/// Refuses an array that cannot be indices: of flags, of fractions, or of the observation's shape.
fn check_array<S: Fn() -> String>(
    of: &Features<S>,
    array: &Bound<'_, PyUntypedArray>,
) -> PyResult<()> {
    let dtype = array.dtype();
    // An array of nothing is one of floats, if nobody says otherwise.
    let is_dense = is_dense(&dtype) && !array.is_empty();
    if is_dense || array.ndim() > 1 && array.len() == of.count {
        return Err(of.dense(format!("an array {:?} of {dtype}", array.shape())).into());
    }
    Ok(())
}

/// Appends the rows `indices[offsets[i]..offsets[i + 1]]`, of which there must be `count`, if that is told;
/// `name` is what messages call the two arrays.
pub fn read_rows<S: Fn() -> String>(
    of: &Features<S>,
    name: &dyn Fn(&str) -> String,
    (indices, offsets): (&Bound<'_, PyAny>, &Bound<'_, PyAny>),
    count: Option<usize>,
    rows: &mut Rows,
) -> PyResult<usize> {
    let advice = |dtype: &Bound<'_, PyArrayDescr>| match is_dense(dtype) {
        true => "; a dense observation is given by numpy.flatnonzero(x), or have obs_dtype()",
        false => "",
    };
    let indices = numbers::<i32, i64, i64>(&|| name("indices"), indices, &advice)?;
    let offsets = numbers::<i32, i64, i64>(&|| name("offsets"), offsets, &|_| "")?;
    if let Some(count) = count.filter(|&count| offsets.len() != count + 1) {
        let expected = format!("{} entries", count + 1);
        return Err(Error::invalid(name("offsets"), expected, offsets.len()).into());
    }
    let ends = (offsets.first() == Some(&0), offsets.last() == Some(&(indices.len() as i64)));
    if ends != (true, true) || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
        let expected = format!("rising from 0 to {}", indices.len());
        return Err(Error::invalid(name("offsets"), expected, format!("{offsets:?}")).into());
    }
    for row in offsets.windows(2) {
        rows.push_with(|words| -> PyResult<()> {
            let first = words.len();
            for &index in &indices[row[0] as usize..row[1] as usize] {
                words.push(of.index(index)?);
            }
            Ok(of.check(&words[first..])?)
        })?;
    }
    Ok(offsets.len() - 1)
}

/// Whether arrays of this type hold a value for each feature rather than indices.
fn is_dense(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    matches!(dtype.kind(), b'b' | b'f')
}
