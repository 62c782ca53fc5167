//! The Python classes of the environments in [`crate::envs::ENVIRONMENTS`].

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyString};
use serde_json::{Map, Value};

use super::args::{integer, integers};
use super::env::{arguments, PyBaseEnv};
use super::error::wrong_type;
use super::puzzle::PyPuzzle;
use crate::envs::parameters::Kind;
use crate::envs::{environments, find, Entry, ENVIRONMENTS};
use crate::rl::env::Env;

/// `Puzzle` has a class of its own, whose constructor takes its arguments by position too.
macro_rules! classes {
    (
        $(#[doc = $_puzzle:literal])* puzzle::Puzzle,
        $($(#[$about:meta])* $module:ident :: $Type:ident,)*
    ) => {
        $(
            $(#[$about])*
            #[doc = ""]
            #[doc = "`reset()` plays `difficulty` random actions from a goal and leaves"]
            #[doc = "`depth_slope * difficulty` steps; `set_state()` leaves `max_depth`."]
            #[pyclass(extends = PyBaseEnv, subclass, module = "twisterl.twisterl.env")]
            pub struct $Type;

            #[pymethods]
            impl $Type {
                #[new]
                #[pyo3(signature = (**parameters))]
                fn new(parameters: Option<&Bound<'_, PyDict>>) -> PyResult<PyClassInitializer<Self>> {
                    let env = make(find(stringify!($Type))?, parameters)?;
                    Ok(PyClassInitializer::from(PyBaseEnv { env }).add_subclass($Type))
                }

                /// An independent copy.
                fn copy(slf: &Bound<'_, Self>) -> PyResult<Py<Self>> {
                    let env = PyBaseEnv::with(slf.as_super(), |env| env.try_clone())?;
                    Py::new(slf.py(), PyClassInitializer::from(PyBaseEnv { env }).add_subclass($Type))
                }

                /// The arguments that make an equal environment, its state apart.
                fn arguments<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
                    arguments::<crate::envs::$module::$Type>(slf.as_super())
                }
            }
        )*

        /// Adds every class, and `ENVIRONMENTS`: the name of the spec of each.
        pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            module.add_class::<PyPuzzle>()?;
            $(module.add_class::<$Type>()?;)*
            let names = PyDict::new(module.py());
            for entry in ENVIRONMENTS {
                names.set_item(entry.class, entry.name)?;
            }
            module.add("ENVIRONMENTS", names)
        }
    };
}

environments!(classes);

fn make(entry: &Entry, given: Option<&Bound<'_, PyDict>>) -> PyResult<Box<dyn Env>> {
    let declared = entry.parameters();
    let mut values = Map::new();
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        let Some(parameter) = declared.iter().find(|parameter| parameter.name == name) else {
            let names: Vec<&str> = declared.iter().map(|parameter| parameter.name).collect();
            let names = names.join(", ");
            let text = format!("{name}: expected a parameter of {} ({names})", entry.class);
            return Err(PyTypeError::new_err(text));
        };
        let value = to_json(&name, parameter.kind, &value)?;
        values.insert(name, value);
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
        Kind::Fraction { .. } => match value.cast::<PyFloat>() {
            Ok(number) => number.extract::<f64>()?.into(),
            Err(_) => (integer(name, value, i64::MIN..=i64::MAX)? as f64).into(),
        },
        Kind::Boolean { .. } => match value.cast::<PyBool>() {
            Ok(flag) => flag.is_true().into(),
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
