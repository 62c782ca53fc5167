//! Observations of several parts between Python and the words of a row.
//!
//! A space is `{"dtype": "float32", "shape": [4]}`, or a dict or a tuple of spaces. Of nested ones the
//! parts are kept by their paths, `arm.angle`; an observation is nested like its space, or a dict of
//! these paths.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};
use pyo3::IntoPyObjectExt;

use super::args::{sizes, Source};
use super::dense;
use super::error::wrong_type;
use super::sparse;
use crate::error::Error;
use crate::spaces::Features;
use crate::spaces::{Dtype, ObsSpace, Part, Parts, Rows};

const EXPECTED: &str =
    "{\"dtype\": .., \"shape\": [..]} of \"sparse\", \"float32\" or \"uint8\", or a dict or a tuple of such";

/// The space that `value` describes; `name` is what messages call it.
pub fn space(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ObsSpace> {
    if let Some(space) = leaf(name, value)? {
        return Ok(space);
    }
    let mut parts = Vec::new();
    collect(name, "", value, &mut parts)?;
    Ok(ObsSpace::Dict(Parts::new(parts).map_err(|error| error.at(name))?))
}

/// The space of `value`, if it is none of several parts.
fn leaf(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<ObsSpace>> {
    let Ok(fields) = value.cast::<PyDict>() else { return Ok(None) };
    let dtype = fields.get_item("dtype")?;
    let Some(Ok(dtype)) = dtype.map(|dtype| dtype.extract::<String>()) else { return Ok(None) };
    let shape = fields.get_item("shape")?.filter(|_| fields.len() == 2);
    let shape = shape.ok_or_else(|| Error::invalid(name, EXPECTED, value))?;
    let space = ObsSpace::of(sizes(name, &shape)?, &dtype);
    Ok(Some(space.ok_or_else(|| Error::invalid(name, EXPECTED, value))?))
}

/// Appends the parts of `value`, whose path is `path`.
fn collect(
    name: &str,
    path: &str,
    value: &Bound<'_, PyAny>,
    parts: &mut Vec<Part>,
) -> PyResult<()> {
    let place = if path.is_empty() { name.to_owned() } else { format!("{name}: {path}") };
    if let Some(space) = leaf(&place, value)? {
        let (dtype, shape) = (Dtype::of(space.dtype()), space.shape().to_vec());
        parts.push(Part { name: path.to_owned(), dtype, shape });
        return Ok(());
    }
    let inner = |key: &str, value: &Bound<'_, PyAny>, parts: &mut Vec<Part>| {
        if key.is_empty() {
            return Err(Error::invalid(&place, "keys that are not empty", "\"\"").into());
        }
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        collect(name, &path, value, parts)
    };
    if let Ok(fields) = value.cast::<PyDict>() {
        for (key, value) in fields {
            let key = key.cast::<PyString>().map_err(|_| wrong_type(&place, "a string", &key))?;
            inner(key.to_str()?, &value, parts)?;
        }
    } else if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() {
        for (i, value) in value.try_iter()?.enumerate() {
            inner(&i.to_string(), &value?, parts)?;
        }
    } else {
        return Err(wrong_type(&place, EXPECTED, value));
    }
    Ok(())
}

/// What [`space`] reads, its parts by their paths.
pub fn description<'py>(py: Python<'py>, space: &ObsSpace) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    match space {
        ObsSpace::Dict(parts) => {
            for part in parts.iter() {
                let inner = PyDict::new(py);
                inner.set_item("dtype", part.dtype_name())?;
                inner.set_item("shape", &part.shape)?;
                fields.set_item(&part.name, inner)?;
            }
        }
        _ => {
            fields.set_item("dtype", space.dtype())?;
            fields.set_item("shape", space.shape())?;
        }
    }
    Ok(fields)
}

/// Appends the words of the observation `value`.
///
/// # Errors
/// As those of a sparse or a dense one, naming the part; ValueError for one that is missing or unknown.
pub fn read(
    source: Source<'_>,
    parts: &Parts,
    value: &Bound<'_, PyAny>,
    words: &mut Vec<i32>,
) -> PyResult<()> {
    each(source, parts, value, &mut |part, source, value| match part.dtype {
        Some(dtype) => dense::read(source, (dtype, &part.shape), &value, words),
        None => {
            let first = words.len();
            words.push(0);
            sparse::read(&Features { source, count: part.num_features() }, value, words)?;
            words[first] = (words.len() - first - 1) as i32;
            Ok(())
        }
    })
}

/// Appends the observations `value`, of each part an array `[N, ..]`, or indices and offsets where it is
/// sparse, and returns `N`; errors as in [`read`].
pub fn read_rows(
    source: Source<'_>,
    parts: &Parts,
    value: &Bound<'_, PyAny>,
    rows: &mut Rows,
) -> PyResult<usize> {
    let mut read: Vec<(bool, Rows)> = Vec::new();
    each(source, parts, value, &mut |part, source, value| {
        let (mut own, features) = (Rows::default(), part.num_features());
        match part.dtype {
            Some(dtype) => dense::read_rows(source, (dtype, features), &value, &mut own)?,
            None => {
                let expected = "a pair (indices, offsets)";
                let (indices, offsets): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
                    value.extract().map_err(|_| wrong_type(&source(), expected, &value))?;
                let name = |of: &str| format!("{}: {of}", source());
                let features = Features { source, count: features };
                sparse::read_rows(&features, &name, (&indices, &offsets), None, &mut own)?
            }
        };
        if let Some((_, first)) = read.first().filter(|(_, first)| first.len() != own.len()) {
            let expected = format!("{} rows, as of the first part", first.len());
            return Err(Error::invalid(source(), expected, own.len()).into());
        }
        read.push((part.dtype.is_none(), own));
        Ok(())
    })?;
    let count = read.first().map_or(0, |(_, first)| first.len());
    for row in 0..count {
        rows.push_with(|words| {
            for (is_sparse, own) in &read {
                if *is_sparse {
                    words.push(own.row(row).len() as i32);
                }
                words.extend_from_slice(own.row(row));
            }
        });
    }
    Ok(count)
}

/// The numbers in `words` as a dict of lists of features and of arrays.
pub fn value<'py>(py: Python<'py>, words: &[i32], parts: &Parts) -> PyResult<Bound<'py, PyAny>> {
    let told = PyDict::new(py);
    for (part, own) in parts.split(words) {
        let own = own.unwrap_or_default();
        let value = match part.dtype {
            None => own.into_bound_py_any(py)?,
            Some(dtype) => dense::array(py, own, dtype, &part.shape)?,
        };
        told.set_item(&part.name, value)?;
    }
    Ok(told.into_any())
}

/// All rows as a dict of arrays `[N, ..]`, and of lists of features where a part is sparse.
pub fn columns<'py>(py: Python<'py>, rows: &Rows, parts: &Parts) -> PyResult<Bound<'py, PyAny>> {
    let told = PyDict::new(py);
    for (i, part) in parts.iter().enumerate() {
        let own = (0..rows.len()).map(|row| {
            let mut all = parts.split(rows.row(row));
            all.nth(i).and_then(|(_, own)| own).unwrap_or_default()
        });
        let value = match part.dtype {
            None => own.collect::<Vec<_>>().into_bound_py_any(py)?,
            Some(dtype) => {
                let shape = [&[rows.len()], &part.shape[..]].concat();
                dense::arrays(py, own, dtype, (part.num_features(), &shape))?
            }
        };
        told.set_item(&part.name, value)?;
    }
    Ok(told.into_any())
}

/// What is done with the value of a part, which messages call as the second argument says.
type Use<'a, 'py> = &'a mut dyn FnMut(&Part, Source<'_>, Bound<'py, PyAny>) -> PyResult<()>;

/// Calls `with` for each part in its order.
fn each<'py>(
    source: Source<'_>,
    parts: &Parts,
    value: &Bound<'py, PyAny>,
    with: Use<'_, 'py>,
) -> PyResult<()> {
    let all: Vec<(&Part, &str)> = parts.iter().map(|part| (part, part.name.as_str())).collect();
    within(source, &all, value, with)
}

/// [`each`] of the parts in `value`, told with what is left of their paths.
fn within<'py>(
    source: Source<'_>,
    parts: &[(&Part, &str)],
    value: &Bound<'py, PyAny>,
    with: Use<'_, 'py>,
) -> PyResult<()> {
    let is_sequence = value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>();
    let get = |key: &str| -> PyResult<Option<Bound<'py, PyAny>>> {
        if is_sequence {
            let place = key.parse::<usize>().ok().filter(|&place| place < value.len().unwrap_or(0));
            return place.map(|place| value.get_item(place)).transpose();
        }
        let known = value.contains(key)?;
        known.then(|| value.get_item(key)).transpose()
    };
    if !is_sequence && value.cast::<PyMapping>().is_err() {
        let names: Vec<&str> = parts.iter().map(|(_, path)| *path).collect();
        let expected = format!("a dict or a tuple of {}", names.join(", "));
        return Err(wrong_type(&source(), &expected, value));
    }
    let mut known = Vec::new();
    let mut left = parts;
    while let Some(&(part, path)) = left.first() {
        // Observations that we tell have whole paths as keys.
        let whole = get(path)?;
        let key = match &whole {
            Some(_) => path,
            None => path.split_once('.').map_or(path, |(key, _)| key),
        };
        known.push(key);
        let source = || format!("{}: {key}", source());
        if let Some(own) = whole {
            with(part, &source, own)?;
            left = &left[1..];
            continue;
        }
        let Some(inner) = get(key)?.filter(|_| key.len() < path.len()) else {
            let (kind, shape) = (part.dtype_name(), &part.shape);
            let source = || format!("{}{}", source(), &path[key.len()..]);
            let expected = format!("a part, as {kind} {shape:?}");
            return Err(Error::invalid(source(), expected, "none").into());
        };
        let rest = |path: &'_ str| {
            path.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')).map(str::len)
        };
        let group: Vec<(&Part, &str)> = left
            .iter()
            .map_while(|(part, path)| rest(path).map(|len| (*part, &path[path.len() - len..])))
            .collect();
        within(&source, &group, &inner, with)?;
        left = &left[group.len()..];
    }
    if value.len()? == known.len() {
        return Ok(());
    }
    let extra = match is_sequence {
        true => known.len().to_string(),
        false => {
            let is_other = |key: &String| !known.contains(&key.as_str());
            let keys = value.try_iter()?.map(|key| Ok(key?.str()?.to_string()));
            let keys = keys.collect::<PyResult<Vec<String>>>()?;
            keys.into_iter().find(is_other).unwrap_or_default()
        }
    };
    let expected = format!("no such part, only {}", known.join(", "));
    Err(Error::invalid(format!("{}: {extra}", source()), expected, "one").into())
}
