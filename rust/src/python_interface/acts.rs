//! Actions and their spaces between Python and Rust.
//!
//! A space is a dictionary, `{"type": "discrete", "n": 4}`, `{"type": "multi_discrete", "nvec": [3, 2]}` or
//! `{"type": "box", "low": [-2.0], "high": [2.0]}`, or an object with these attributes, as those of
//! gymnasium are; its `MultiBinary` is several choices of two. An action is an integer, or an array of int64 or float32.

use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use pyo3::IntoPyObjectExt;

use super::args::{integer, sizes};
use super::error::wrong_type;
use crate::error::Error;
use crate::rl::checked::check_action;
use crate::rl::vec_env::{LaneMove, Move};
use crate::spaces::{Act, ActSpace, Acts};

const EXPECTED: &str = "a dictionary {\"type\": \"discrete\", \"n\"}, {\"type\": \"multi_discrete\", \
                        \"nvec\"} or {\"type\": \"box\", \"low\", \"high\"}, or a space of gymnasium";

/// The space that `value` describes; `name` is what messages call it.
pub fn space(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ActSpace> {
    let unknown = || wrong_type(name, EXPECTED, value);
    let get = |key: &str| match value.cast::<PyDict>() {
        Ok(fields) => fields.get_item(key).ok().flatten(),
        Err(_) => value.getattr(key).ok(),
    };
    let numbers = |key: &str| -> PyResult<Vec<f32>> {
        flat(get(key).ok_or_else(unknown)?)?.extract().map_err(|_| unknown())
    };
    let space = if get("low").is_some() {
        require_floats(name, get("dtype"))?;
        ActSpace::Box { low: numbers("low")?, high: numbers("high")? }
    } else if let Some(nvec) = get("nvec") {
        ActSpace::MultiDiscrete { nvec: sizes(name, &flat(nvec)?)? }
    } else if let (Some(n), Some(size), None) = (get("n"), get("shape"), get("eles")) {
        // Of gymnasium: MultiBinary has a shape, Discrete has the shape ().
        match sizes(name, &size)?.as_slice() {
            [] => ActSpace::Discrete { n: choices(name, &n)? },
            shape => ActSpace::MultiDiscrete { nvec: vec![2; shape.iter().product()] },
        }
    } else {
        ActSpace::Discrete { n: choices(name, &get("n").ok_or_else(unknown)?)? }
    };
    space.check(name)?;
    if let Some(kind) = get("type").and_then(|kind| kind.extract::<String>().ok()) {
        if kind != space.kind() {
            return Err(Error::invalid(name, EXPECTED, value).into());
        }
    }
    // An environment would get another action than its own space has.
    let starts: Vec<f64> = get("start").map_or(Ok(Vec::new()), |start| flat(start)?.extract())?;
    if starts.iter().any(|&start| start != 0.0) {
        return Err(Error::invalid(name, "choices from 0", format!("a start of {starts:?}")).into());
    }
    if let Some(eles) = get("eles") {
        let eles: Vec<f64> = flat(eles)?.extract()?;
        if eles.iter().enumerate().any(|(place, &element)| element != place as f64) {
            return Err(Error::invalid(name, "elements 0, 1, ..", format!("{eles:?}")).into());
        }
    }
    Ok(space)
}

fn choices(name: &str, n: &Bound<'_, PyAny>) -> PyResult<usize> {
    Ok(integer(name, n, 0..=i64::MAX)? as usize)
}

/// Of the numbers of a space of gymnasium.
fn require_floats(name: &str, dtype: Option<Bound<'_, PyAny>>) -> PyResult<()> {
    let Some(dtype) = dtype else { return Ok(()) };
    let kind: String =
        dtype.py().import("numpy")?.call_method1("dtype", (&dtype,))?.getattr("kind")?.extract()?;
    match kind.as_str() {
        "f" => Ok(()),
        _ => Err(Error::invalid(name, "a box of floats", format!("one of {dtype}")).into()),
    }
}

fn flat(array: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    array.py().import("numpy")?.call_method1("ravel", (array,))
}

/// What [`space`] reads.
pub fn description<'py>(py: Python<'py>, space: &ActSpace) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("type", space.kind())?;
    match space {
        ActSpace::Discrete { n } => fields.set_item("n", n)?,
        ActSpace::MultiDiscrete { nvec } => fields.set_item("nvec", nvec)?,
        ActSpace::Box { low, high } => {
            fields.set_item("low", PyList::new(py, low)?)?;
            fields.set_item("high", PyList::new(py, high)?)?;
        }
    }
    Ok(fields)
}

/// The one action `value`, checked to be of `space`.
pub fn read(space: &ActSpace, value: &Bound<'_, PyAny>) -> PyResult<Acts> {
    let mut acts = Acts::of(space);
    let wrong = |expected: &str| wrong_type("action", expected, value);
    match &mut acts {
        Acts::Discrete(actions) => {
            let action = integer("action", value, i64::MIN..=i64::MAX)?;
            actions.push(check_action(action, space.num_choices())? as i64);
            return Ok(acts);
        }
        Acts::Multi { choices, .. } => {
            *choices = value.extract().map_err(|_| wrong("integers"))?;
        }
        Acts::Box { numbers, .. } => {
            *numbers = value.extract().map_err(|_| wrong("numbers"))?;
        }
    }
    if acts.len() != 1 {
        let expected = format!("{} numbers", space.width());
        return Err(Error::invalid("action", expected, value.len()?).into());
    }
    space.check_act("action", acts.row(0))?;
    Ok(acts)
}

/// The action as an environment in Python gets it.
pub fn value<'py>(py: Python<'py>, act: Act<'_>) -> PyResult<Bound<'py, PyAny>> {
    match act {
        Act::Discrete(action) => action.into_bound_py_any(py),
        Act::Multi(choices) => Ok(PyArray1::from_slice(py, choices).into_any()),
        Act::Box(numbers) => Ok(PyArray1::from_slice(py, numbers).into_any()),
    }
}

/// The actions of `moves`, one after another and 0 for other moves: an array `[B, width]`; `None` where they
/// are discrete.
pub fn rows<'py>(
    py: Python<'py>,
    moves: &[LaneMove],
    acts: &Acts,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    fn filled<T: Copy + Default>(moves: &[LaneMove], rows: &[T], width: usize) -> Vec<T> {
        let mut all = vec![T::default(); moves.len() * width];
        for (place, told) in all.chunks_exact_mut(width).zip(moves) {
            if let Move::Act { row } = told.made {
                place.copy_from_slice(&rows[row * width..][..width]);
            }
        }
        all
    }
    Ok(match acts {
        Acts::Discrete(_) => None,
        Acts::Multi { choices, width } => {
            let all = filled(moves, choices, *width).into_pyarray(py);
            Some(all.reshape([moves.len(), *width])?.into_any())
        }
        Acts::Box { numbers, width } => {
            let all = filled(moves, numbers, *width).into_pyarray(py);
            Some(all.reshape([moves.len(), *width])?.into_any())
        }
    })
}
