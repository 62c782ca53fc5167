//! Random walks from Python: conversions only, the work is in `collector/walk.rs`.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::IntoPyObjectExt;
use serde::{Deserialize, Serialize};
use twisterl::collector::walk::{check, collect_ahead, WalkConfig, Walks};
use twisterl::collector::Span;
use twisterl::python_interface::get_env::get_env;
use twisterl::python_interface::pickle::Made;
use twisterl::spaces::Rows;
use twisterl::Error;

use crate::columns::{columns, Shared};
use crate::detached::detached;
use crate::keywords::{constructor, method, Given};
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
}

impl PyWalkCollector {
    /// The walks that `given` asks for.
    fn walks(&self, py: Python<'_>, given: Given<'_>) -> PyResult<PyWalks> {
        let env = get_env(&given.required("env")?)?;
        let policy = given.policy_or_none(Given::policy)?;
        let Iteration { iteration } = given.read()?;
        let mut work = self.config.work(self.seed, iteration);
        work.episodes = given.rest::<Span>()?.of(work.episodes.end)?;
        let walks = detached(py, |poll| {
            collect_ahead(&*env, &self.config, &work, policy.as_deref(), poll)
        })?;
        PyWalks::from_walks(py, walks)
    }
}

method! {
    PyWalkCollector,
    /// The walks of `iteration`, as `Walks`; `env` stays as it is and the interpreter lock is released.
    ///
    /// With a `policy` of the engine, `next_values` say what it holds of the states one move on.
    ///
    /// Raises ValueError as `check` does or if the policy does not fit, and what the environment raises.
    collect, "($self, env, iteration=0, policy=None)",
    |this, py, given| { this.walks(py, given) } => PyWalks
}

method! {
    PyWalkCollector,
    /// As `collect`, with its `env` and `iteration`, the `count` walks from number `first` on alone.
    /// `Walks.joined` makes all of such parts. Raises ValueError too if there are no such walks.
    collect_range, "($self, env, first, count, iteration=0)",
    |this, py, given| { this.walks(py, given) } => PyWalks
}

/// Which iteration's walks.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Iteration {
    iteration: u64,
}

columns! {
    /// What `num_samples` states of random walks say about `U` distinct ones with `A` actions.
    #[pyclass(name = "Walks", module = "twisterl.twisterl.collector", frozen, get_all)]
    PyWalks by #[staticmethod] _restored;
    /// int32 [K], active features of all rows.
    indices: Py<PyArray1<i32>>,
    /// int64 [U + 1], where each row's features begin.
    offsets: Py<PyArray1<i64>>,
    /// bool [U, A], true where legal.
    masks: Py<PyArray2<bool>>,
    /// float32 [U, A], how many samples each action would undo the last move of; of commuting walks
    /// shares of them.
    undo_counts: Py<PyArray2<f32>>,
    /// int64 [U, A], of commuting walks the same in units of 2^-32, which parts add up; else [0, A].
    undo_shares: Py<PyArray2<i64>>,
    /// float32 [U], moves since the goal, the mean over the samples.
    mean_moves: Py<PyArray1<f32>>,
    /// int64 [U], the same, summed over the samples.
    sum_moves: Py<PyArray1<i64>>,
    /// float32 [U], the largest value of the states one move on, 1 where one is solved, -inf where all
    /// of them end badly; empty where no policy was asked.
    next_values: Py<PyArray1<f32>>,
    /// States visited, equal ones too, an integer.
    num_samples: usize,
}

impl PyWalks {
    fn from_walks(py: Python<'_>, walks: Walks) -> PyResult<Self> {
        let rows = walks.rows.len();
        let columns = walks.masks.len().checked_div(rows).unwrap_or(0);
        let (indices, offsets) = walks.rows.into_parts();
        let signed = |sums: Vec<u64>| sums.into_iter().map(|sum| sum as i64).collect::<Vec<_>>();
        let sum_moves = signed(walks.sum_moves);
        let shared = walks.undo_shares.len().checked_div(columns).unwrap_or(0);
        Ok(Self {
            indices: indices.into_pyarray(py).unbind(),
            offsets: offsets.into_pyarray(py).unbind(),
            masks: walks.masks.into_pyarray(py).reshape([rows, columns])?.unbind(),
            undo_counts: walks.undo_counts.into_pyarray(py).reshape([rows, columns])?.unbind(),
            undo_shares: signed(walks.undo_shares)
                .into_pyarray(py)
                .reshape([shared, columns])?
                .unbind(),
            mean_moves: walks.mean_moves.into_pyarray(py).unbind(),
            sum_moves: sum_moves.into_pyarray(py).unbind(),
            next_values: walks.next_values.into_pyarray(py).unbind(),
            num_samples: walks.num_samples,
        })
    }

    /// As the core has them, copied.
    fn to_walks(&self, py: Python<'_>) -> PyResult<Walks> {
        let (indices, offsets) = (self.indices.bind(py).to_vec()?, self.offsets.bind(py).to_vec()?);
        let masks = self.masks.bind(py);
        let [num_rows, num_actions] = [masks.shape()[0], masks.shape()[1]];
        let rows = Rows::from_parts(indices, offsets).filter(|rows| rows.len() == num_rows);
        let unsigned = |sums: Vec<i64>| sums.into_iter().map(|sum| sum as u64).collect::<Vec<_>>();
        let walks = Walks {
            rows: rows
                .ok_or_else(|| Error::invalid("offsets", "those of the indices", "others"))?,
            masks: masks.to_vec()?,
            undo_counts: self.undo_counts.bind(py).to_vec()?,
            undo_shares: unsigned(self.undo_shares.bind(py).to_vec()?),
            mean_moves: self.mean_moves.bind(py).to_vec()?,
            sum_moves: unsigned(self.sum_moves.bind(py).to_vec()?),
            next_values: self.next_values.bind(py).to_vec()?,
            num_samples: self.num_samples,
        };
        let cells = num_rows * num_actions;
        let has_shares = [0, cells].contains(&walks.undo_shares.len());
        let columns = [walks.sum_moves.len(), walks.next_values.len().max(num_rows)];
        if walks.undo_counts.len() != cells || columns != [num_rows; 2] || !has_shares {
            return Err(Error::invalid("walks", "columns of equally many rows", "others").into());
        }
        Ok(walks)
    }
}

#[pymethods]
impl PyWalks {
    /// What `parts` say together, each of the walks that follow those of the part before: bit for bit
    /// what one collection of them all says. Raises ValueError for parts of other numbers of actions.
    #[staticmethod]
    fn joined(py: Python<'_>, parts: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let parts: Vec<Walks> =
            parts.iter().map(|part| part.to_walks(py)).collect::<PyResult<_>>()?;
        Self::from_walks(py, detached(py, |poll| Walks::joined(&parts, poll))?)
    }
}
