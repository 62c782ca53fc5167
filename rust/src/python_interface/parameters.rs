//! Parameters of the listed environments, as Python gives them.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use serde_json::{Map, Value};

use super::args::{integer, integers};
use super::error::wrong_type;
use crate::envs::parameters::Kind;
use crate::envs::Entry;
use crate::error::Error;
use crate::rl::env::Env;

/// The keyword arguments of a constructor.
pub(super) fn named<'py>(
    given: Option<&Bound<'py, PyDict>>,
) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let named = |(name, value): (Bound<'py, PyAny>, _)| Ok((name.extract()?, value));
    given.into_iter().flatten().map(named).collect()
}

/// `value` as Python has it.
pub(super) fn from_json<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}

/// The environment of `entry` with the parameters `given`.
///
/// # Errors
/// TypeError if a parameter is unknown or of another type, ValueError if it is out of range.
pub(super) fn make<'py, Name: AsRef<str>>(
    entry: &Entry,
    given: impl IntoIterator<Item = (Name, Bound<'py, PyAny>)>,
) -> PyResult<Box<dyn Env>> {
    let declared = entry.parameters();
    let mut values = Map::new();
    for (name, value) in given {
        let name = name.as_ref();
        let Some(parameter) = declared.iter().find(|parameter| parameter.name == name) else {
            let names: Vec<&str> = declared.iter().map(|parameter| parameter.name).collect();
            let names = names.join(", ");
            let text = format!("{name}: expected a parameter of {} ({names})", entry.class);
            return Err(PyTypeError::new_err(text));
        };
        let value = to_json(name, parameter.kind, &value)?;
        values.insert(name.to_owned(), value);
    }
    Ok(entry.make(&values)?)
}

/// `value` as JSON, for a parameter of this kind.
///
/// # Errors
/// TypeError if it is of another type, ValueError if an integer is out of range.
fn to_json(name: &str, kind: Kind, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let listed = matches!(kind, Kind::Numbers | Kind::Pairs);
    if listed && value.is_none() {
        return Ok(Value::Null);
    }
    Ok(match kind {
        Kind::Integer { min, max, .. } => integer(name, value, min.into()..=max.into())?.into(),
        // JSON has no NaN and no infinity.
        Kind::Number { .. } => match value.extract::<f64>() {
            _ if value.is_instance_of::<PyBool>() => {
                return Err(wrong_type(name, "a number", value));
            }
            Ok(number) if number.is_finite() => number.into(),
            Ok(number) => return Err(Error::invalid(name, "a finite number", number).into()),
            Err(_) => return Err(wrong_type(name, "a number", value)),
        },
        // Of numpy too.
        Kind::Boolean { .. } => match value.extract::<bool>() {
            Ok(flag) => flag.into(),
            Err(_) => return Err(wrong_type(name, "true or false", value)),
        },
        Kind::Choice { .. } => match value.cast::<PyString>() {
            Ok(text) => text.extract::<String>()?.into(),
            Err(_) => return Err(wrong_type(name, "a string", value)),
        },
        Kind::Numbers => integers(name, value)?.into(),
        Kind::Pairs => {
            let items = value.try_iter();
            let items = items.map_err(|_| wrong_type(name, "a list of pairs", value))?;
            items
                .map(|item| integers(name, &item?).map(Value::from))
                .collect::<PyResult<Value>>()?
        }
    })
}
