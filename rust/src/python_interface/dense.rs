//! Dense observations between numpy and the words of a row.

use std::ops::Range;

use numpy::{
    IntoPyArray, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::args::Source;
use super::error::wrong_type;
use crate::error::Error;
use crate::spaces::{all_finite, not_finite, push_bytes, push_floats, Dtype, Rows};

/// Appends the observation `value` to `words`: an array of `shape` or flat.
///
/// # Errors
/// TypeError for what is no array of such numbers, ValueError if they are not as many or not finite.
pub fn read(
    source: Source<'_>,
    (dtype, shape): (Dtype, &[usize]),
    value: &Bound<'_, PyAny>,
    words: &mut Vec<i32>,
) -> PyResult<()> {
    let numbers = Numbers::of(source, dtype, value)?;
    let got = numbers.shape();
    if got != shape && *got != [shape.iter().product::<usize>()] {
        let expected = format!("an array {shape:?}");
        return Err(Error::invalid(source(), expected, format!("{got:?}")).into());
    }
    numbers.push(source, 0..shape.iter().product(), words)
}

/// Appends the observations `value`, an array `[N, ..]` of `N * features` numbers, and returns `N`;
/// errors as in [`read`].
pub fn read_rows(
    source: Source<'_>,
    (dtype, features): (Dtype, usize),
    value: &Bound<'_, PyAny>,
    rows: &mut Rows,
) -> PyResult<usize> {
    let numbers = Numbers::of(source, dtype, value)?;
    let got = numbers.shape();
    let count = got.first().copied().unwrap_or(0);
    if got.iter().product::<usize>() != count * features || got.is_empty() {
        let expected = format!("an array [N, {features}]");
        return Err(Error::invalid(source(), expected, format!("{got:?}")).into());
    }
    rows.words.reserve(count * dtype.num_words(features));
    for row in 0..count {
        let range = row * features..(row + 1) * features;
        rows.push_with(|words| numbers.push(source, range, words))?;
    }
    Ok(count)
}

/// The numbers in `words` as an array of `shape`.
pub fn array<'py>(
    py: Python<'py>,
    words: &[i32],
    dtype: Dtype,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    arrays(py, std::iter::once(words), dtype, (shape.iter().product(), shape))
}

/// The numbers in each of `rows`, the first `count`, together as an array of `shape`.
pub(super) fn arrays<'py, 'w>(
    py: Python<'py>,
    rows: impl Iterator<Item = &'w [i32]>,
    dtype: Dtype,
    (count, shape): (usize, &[usize]),
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match dtype {
        Dtype::Float32 => {
            let float = |&word: &i32| f32::from_bits(word as u32);
            let floats: Vec<f32> = rows.flat_map(|row| row[..count].iter().map(float)).collect();
            floats.into_pyarray(py).reshape(shape)?.into_any()
        }
        Dtype::Uint8 => {
            let bytes = rows.flat_map(|row| row.iter().flat_map(|w| w.to_le_bytes()).take(count));
            bytes.collect::<Vec<u8>>().into_pyarray(py).reshape(shape)?.into_any()
        }
    })
}

/// A C-contiguous array of the numbers of a space.
enum Numbers<'py> {
    Floats(PyReadonlyArrayDyn<'py, f32>),
    Bytes(PyReadonlyArrayDyn<'py, u8>),
}

impl<'py> Numbers<'py> {
    fn of(source: Source<'_>, dtype: Dtype, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let expected = format!("an array of {}", dtype.name());
        let refused = || match value.cast::<PyUntypedArray>() {
            Ok(array) => {
                let got = array.dtype();
                PyTypeError::new_err(format!("{}: expected {expected}, got {got}", source()))
            }
            Err(_) => wrong_type(&source(), &expected, value),
        };
        let numpy = value.py().import("numpy")?;
        match dtype {
            Dtype::Float32 => {
                let floats = match value.extract::<PyReadonlyArrayDyn<'py, f32>>() {
                    Ok(floats) if floats.is_c_contiguous() => floats,
                    // Lists of numbers, other kinds of numbers, views.
                    _ => numpy
                        .call_method1("ascontiguousarray", (value, "float32"))
                        .and_then(|array| array.extract())
                        .map_err(|_| refused())?,
                };
                Ok(Self::Floats(floats))
            }
            Dtype::Uint8 => {
                // Other kinds of numbers would lose what is no byte.
                let bytes: PyReadonlyArrayDyn<'py, u8> = value.extract().map_err(|_| refused())?;
                if bytes.is_c_contiguous() {
                    return Ok(Self::Bytes(bytes));
                }
                Ok(Self::Bytes(numpy.call_method1("ascontiguousarray", (value,))?.extract()?))
            }
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Floats(floats) => floats.shape(),
            Self::Bytes(bytes) => bytes.shape(),
        }
    }

    /// Appends those in `range`, one observation.
    fn push(&self, source: Source<'_>, range: Range<usize>, words: &mut Vec<i32>) -> PyResult<()> {
        match self {
            Self::Floats(floats) => {
                let all = floats.as_slice()?;
                let numbers = &all[range];
                if !all_finite(numbers) {
                    let bits = all.iter().map(|number| number.to_bits());
                    return Err(not_finite(source, bits, floats.shape()).into());
                }
                push_floats(words, numbers);
            }
            Self::Bytes(bytes) => push_bytes(words, &bytes.as_slice()?[range]),
        }
        Ok(())
    }
}
