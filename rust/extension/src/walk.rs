//! Random walks from Python: conversions only, the work is in `collector/walk.rs`.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use twisterl::collector::walk::{check, collect, WalkConfig, Walks};
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;

use crate::detached::detached;
use crate::keywords::{constructor, Given};
use crate::read;
use crate::run::Seed;

/// Collects random walks from the goal: `num_walks` of `walk_length` moves each, by `num_cores`
/// threads, at most those of the machine. Walk `i` draws from the stream (`seed`, iteration, `i`).
/// `commuting` walks make no move twice, and each move that one has made may be undone.
///
/// Raises ValueError for what is out of range.
#[pyclass(name = "WalkCollector", module = "twisterl.twisterl.collector", frozen)]
pub struct PyWalkCollector {
    config: WalkConfig,
    seed: u64,
}

constructor!(
    PyWalkCollector,
    "(num_walks, walk_length, num_cores=32, seed=0, commuting=False)",
    |given| {
        let (Seed { seed }, config) = (given.read()?, given.rest::<WalkConfig>()?);
        config.check()?;
        Ok(Self { config, seed })
    }
);

#[pymethods]
impl PyWalkCollector {
    /// What makes the collector again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Made<'py, impl IntoPyObject<'py>>> {
        let &Self { config, seed } = slf.get();
        let WalkConfig { num_walks, walk_length, num_cores, commuting } = config;
        Ok((slf.get_type(), (num_walks, walk_length, num_cores, seed, commuting)))
    }

    /// Raises ValueError if walks of `env` cannot be learned from.
    fn check(&self, py: Python<'_>, env: &Bound<'_, PyAny>) -> PyResult<()> {
        let env = get_env(env)?;
        Ok(py.detach(|| check(&*env, &self.config))?)
    }

    /// The walks of `iteration`, as `Walks`; `env` stays as it is and the interpreter lock is released.
    ///
    /// Raises ValueError as `check` does, and what the environment raises.
    #[pyo3(signature = (env, iteration=0))]
    fn collect(
        &self,
        env: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = read::iteration)] iteration: u64,
    ) -> PyResult<PyWalks> {
        let py = env.py();
        let env = get_env(env)?;
        let work = self.config.work(self.seed, iteration);
        let walks = detached(py, |poll| collect(&*env, &self.config, &work, poll))?;
        PyWalks::from_walks(py, walks)
    }
}

/// What `num_samples` states of random walks say about `U` distinct ones with `A` actions.
#[pyclass(name = "Walks", module = "twisterl.twisterl.collector", frozen, get_all)]
pub struct PyWalks {
    /// int32 [K], active features of all rows.
    indices: Py<PyArray1<i32>>,
    /// int64 [U + 1], where each row's features begin.
    offsets: Py<PyArray1<i64>>,
    /// bool [U, A], true where legal.
    masks: Py<PyArray2<bool>>,
    /// float32 [U, A], how many samples each action would undo the last move of; of commuting walks
    /// shares of them.
    undo_counts: Py<PyArray2<f32>>,
    /// float32 [U], moves since the goal, the mean over the samples.
    mean_moves: Py<PyArray1<f32>>,
    /// States visited, equal ones too, an integer.
    num_samples: usize,
}

impl PyWalks {
    fn from_walks(py: Python<'_>, walks: Walks) -> PyResult<Self> {
        let rows = walks.rows.len();
        let columns = walks.masks.len().checked_div(rows).unwrap_or(0);
        let (indices, offsets) = walks.rows.into_parts();
        Ok(Self {
            indices: indices.into_pyarray(py).unbind(),
            offsets: offsets.into_pyarray(py).unbind(),
            masks: walks.masks.into_pyarray(py).reshape([rows, columns])?.unbind(),
            undo_counts: walks.undo_counts.into_pyarray(py).reshape([rows, columns])?.unbind(),
            mean_moves: walks.mean_moves.into_pyarray(py).unbind(),
            num_samples: walks.num_samples,
        })
    }
}

#[pymethods]
impl PyWalks {
    #[classmethod]
    fn _restored(
        _cls: &Bound<'_, PyType>,
        indices: Py<PyArray1<i32>>,
        offsets: Py<PyArray1<i64>>,
        masks: Py<PyArray2<bool>>,
        undo_counts: Py<PyArray2<f32>>,
        mean_moves: Py<PyArray1<f32>>,
        num_samples: usize,
    ) -> Self {
        Self { indices, offsets, masks, undo_counts, mean_moves, num_samples }
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, impl IntoPyObject<'py>)> {
        let (py, walks) = (slf.py(), slf.get());
        let columns = (
            walks.indices.clone_ref(py),
            walks.offsets.clone_ref(py),
            walks.masks.clone_ref(py),
            walks.undo_counts.clone_ref(py),
            walks.mean_moves.clone_ref(py),
            walks.num_samples,
        );
        Ok((slf.get_type().getattr("_restored")?, columns))
    }
}
