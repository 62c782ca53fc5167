//! The compiled Python module `twisterl.twisterl`: conversions only, no decisions.

// Python has a clock.
#![allow(clippy::disallowed_methods)]

mod az;
mod collected;
mod columns;
mod defaults;
mod detached;
mod es;
mod exact;
mod guided;
mod keywords;
mod learner;
mod net;
mod ppo;
mod prepared;
mod ranked;
mod read;
mod routing;
mod run;
mod solve;
mod store;
mod torch_policy;
mod walk;

use pyo3::prelude::*;
use twisterl::python_interface::{env, envs, inside, pyenv};

/// The compiled engine: environments, policies, and what plays with both.
#[pymodule]
#[pyo3(name = "twisterl")]
fn twisterl_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let env_module = submodule(module, "env", "Environments that the engine plays.")?;
    env_module.add_class::<env::PyBaseEnv>()?;
    envs::register(&env_module)?;
    env_module.add_class::<pyenv::PyEnv>()?;

    let nn = submodule(module, "nn", "Policies as the engine evaluates and trains them.")?;
    nn.add_class::<net::PyLinear>()?;
    nn.add_class::<net::PyEmbeddingBag>()?;
    nn.add_class::<net::PySequential>()?;
    nn.add_class::<learner::PyLearner>()?;
    nn.add_class::<net::PyPolicy>()?;
    nn.add_function(wrap_pyfunction!(cpu_level, &nn)?)?;

    let about = "Collecting, evaluating and solving with the interpreter lock released.";
    let collector = submodule(module, "collector", about)?;
    collector.add_class::<ppo::PyPpoCollector>()?;
    collector.add_class::<az::PyAzCollector>()?;
    collector.add_class::<walk::PyWalkCollector>()?;
    collector.add_class::<walk::PyWalks>()?;
    collector.add_class::<collected::PyCollectedData>()?;
    collector.add_class::<columns::PyCollectedArrays>()?;
    collector.add_class::<exact::PyOptimalSolver>()?;
    collector.add_class::<guided::PyGuidedSolver>()?;
    collector.add_class::<ranked::PyRankSolver>()?;
    collector.add_function(wrap_pyfunction!(collected::distinct_rows_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(solve::evaluate_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(solve::evaluate_episodes, &collector)?)?;
    collector.add_function(wrap_pyfunction!(solve::choose_beam_weight_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(solve::solve_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(solve::preparing_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(solve::try_out_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(store::keep_in_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(es::es_first_weights, &collector)?)?;
    collector.add_function(wrap_pyfunction!(es::es_generations, &collector)?)?;
    collector.add_function(wrap_pyfunction!(es::es_parameters, &collector)?)?;
    collector.add_function(wrap_pyfunction!(es::es_evaluate, &collector)?)?;
    collector.add_function(wrap_pyfunction!(es::es_scores, &collector)?)?;
    collector.add_function(wrap_pyfunction!(es::es_update, &collector)?)?;
    collector.add_function(wrap_pyfunction!(exact::solve_optimal, &collector)?)?;
    collector.add_function(wrap_pyfunction!(routing::route_py, &collector)?)?;
    collector.add_function(wrap_pyfunction!(defaults::defaults, &collector)?)?;
    collector.add_function(wrap_pyfunction!(defaults::most_simulations, &collector)?)?;
    inside::register(&collector)
}

/// `(name, rounding)` of what this processor computes with, two strings: "avx512", "avx2" or "portable",
/// and "fused" or "plain". Machines that round alike compute the same bits.
#[pyfunction]
fn cpu_level() -> (&'static str, &'static str) {
    let level = twisterl::nn::CpuLevel::detect();
    (level.name(), level.rounding())
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
