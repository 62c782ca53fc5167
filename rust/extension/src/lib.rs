//! The compiled Python module `twisterl.twisterl`: names only, no logic.

use pyo3::prelude::*;

#[pymodule]
#[pyo3(name = "twisterl")]
fn twisterl_module(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
