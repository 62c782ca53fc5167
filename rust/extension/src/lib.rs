//! The compiled Python module `twisterl.twisterl`: names only, no logic.

use pyo3::prelude::*;
use twisterl::python_interface::{collector, env, envs, nn, pyenv};

/// The compiled engine: environments, policies, and what plays with both.
#[pymodule]
#[pyo3(name = "twisterl")]
fn twisterl_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let env_module = submodule(module, "env", "Environments that the engine plays.")?;
    env_module.add_class::<env::PyBaseEnv>()?;
    envs::register(&env_module)?;
    env_module.add_class::<pyenv::PyEnv>()?;

    nn::register(&submodule(module, "nn", "Policies as the engine evaluates them.")?)?;
    let about = "Collecting, evaluating and solving with the interpreter lock released.";
    collector::register(&submodule(module, "collector", about)?)
}

/// A submodule that `import twisterl.twisterl.<name>` finds as well.
fn submodule<'py>(
    parent: &Bound<'py, PyModule>,
    name: &str,
    about: &str,
) -> PyResult<Bound<'py, PyModule>> {
    let py = parent.py();
    let module = PyModule::new(py, name)?;
    module.setattr("__doc__", about)?;
    parent.add_submodule(&module)?;
    let modules = py.import("sys")?.getattr("modules")?;
    modules.set_item(format!("{}.{name}", parent.name()?), &module)?;
    Ok(module)
}
