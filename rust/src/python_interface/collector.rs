//! The submodule `collector`: what collects, evaluates and solves.

use pyo3::prelude::*;

use super::az_collector::PyAzCollector;
use super::collected::PyCollectedData;
use super::columns::PyCollectedArrays;
use super::derived::distinct_rows_py;
use super::es::{es_evaluate, es_first_weights, es_generations};
use super::optimum::{solve_optimal, PyOptimalSolver};
use super::ppo_collector::PyPpoCollector;
use super::{evaluation, inside, walk};

/// Adds all names to the submodule `collector`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyPpoCollector>()?;
    module.add_class::<PyAzCollector>()?;
    module.add_class::<PyCollectedData>()?;
    module.add_class::<PyCollectedArrays>()?;
    module.add_function(wrap_pyfunction!(distinct_rows_py, module)?)?;
    inside::register(module)?;
    walk::register(module)?;
    evaluation::register(module)?;
    module.add_function(wrap_pyfunction!(es_first_weights, module)?)?;
    module.add_function(wrap_pyfunction!(es_generations, module)?)?;
    module.add_function(wrap_pyfunction!(es_evaluate, module)?)?;
    module.add_class::<PyOptimalSolver>()?;
    module.add_function(wrap_pyfunction!(solve_optimal, module)?)
}
