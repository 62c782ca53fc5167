//! The Python classes of the environments in the lists of [`crate::envs`].

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use super::env::{arguments, PyBaseEnv};
use super::parameters::{from_json, make, named};
use super::pickle;
use super::puzzle::PyPuzzle;
use crate::envs::parameters::Parameter;
use crate::envs::{environments, find, tasks, ENVIRONMENTS, TASKS};

/// The class of one environment; `$doc` says how it is played.
macro_rules! class {
    ($(#[$about:meta])* [$($doc:literal)*] $module:ident :: $Type:ident) => {
        $(#[$about])*
        #[doc = ""]
        $(#[doc = $doc])*
        #[doc = ""]
        #[doc = "`parameters` are named, all with defaults: docs/config.md lists them. Raises TypeError"]
        #[doc = "for one that it does not have, ValueError for what is out of range."]
        #[pyclass(extends = PyBaseEnv, subclass, module = "twisterl.twisterl.env")]
        pub struct $Type;

        #[pymethods]
        impl $Type {
            #[new]
            #[pyo3(signature = (**parameters))]
            fn new(parameters: Option<&Bound<'_, PyDict>>) -> PyResult<PyClassInitializer<Self>> {
                let env = make(find(stringify!($Type))?, named(parameters)?)?;
                Ok(PyClassInitializer::from(PyBaseEnv { env }).add_subclass($Type))
            }

            /// An independent copy of the same class, whose attributes are those of this one.
            fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                pickle::copy_of(slf, $Type)
            }

            /// The arguments that make an equal environment, its state apart: a dictionary by
            /// name.
            fn arguments<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
                arguments::<crate::envs::$module::$Type>(slf.as_super())
            }
        }
    };
}

/// `Puzzle` has a class of its own, whose constructor takes its arguments by position too.
macro_rules! classes {
    (
        $(#[doc = $_puzzle:literal])* puzzle::Puzzle,
        $($(#[$about:meta])* $module:ident :: $Type:ident,)*
    ) => {
        $(class! {
            $(#[$about])*
            [
                "`reset()` plays `difficulty` random actions from a goal and leaves"
                "`depth_slope * difficulty` steps; `set_state()` leaves `max_depth`. The reward is 1"
                "solved, -0.5 out of steps, else -0.5 / `max_depth`."
            ]
            $module::$Type
        })*

        fn register_environments(module: &Bound<'_, PyModule>) -> PyResult<()> {
            module.add_class::<PyPuzzle>()?;
            $(module.add_class::<$Type>()?;)*
            Ok(())
        }
    };
}

macro_rules! task_classes {
    ($($(#[$about:meta])* $module:ident :: $Type:ident,)*) => {
        $(class! {
            $(#[$about])*
            [
                "`reward()` is what the last step earned. An episode is cut off after"
                "`max_episode_steps`; it is a success if its rewards add up to `solved_at`."
            ]
            $module::$Type
        })*

        fn register_tasks(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_class::<$Type>()?;)*
            Ok(())
        }
    };
}

environments!(classes);
tasks!(task_classes);

/// Adds every class, `parameters`, and `ENVIRONMENTS` and `TASKS`: the name of the spec of each.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_environments(module)?;
    register_tasks(module)?;
    module.add_function(wrap_pyfunction!(parameters, module)?)?;
    for (list, entries) in [("ENVIRONMENTS", ENVIRONMENTS), ("TASKS", TASKS)] {
        let names = PyDict::new(module.py());
        for entry in entries {
            names.set_item(entry.class, entry.name)?;
        }
        module.add(list, names)?;
    }
    Ok(())
}

/// What the constructor of the environment `name` takes: a list of dictionaries with its `name`,
/// `type`, bounds or `names`, `default`, and what it is `about`. ValueError for another name.
#[pyfunction]
fn parameters<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let declared = find(name)?.parameters();
    let values: Value = declared.iter().map(Parameter::declaration).collect();
    from_json(py, &values)
}
