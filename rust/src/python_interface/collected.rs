//! Collected episodes as numpy arrays: buffers are moved out of Rust, not copied.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::read;
use crate::collector::ppo::MASKED_LOGIT;
use crate::collector::{distinct_rows, Table};
use crate::error::Error;
use crate::nn::exp_sum;
use crate::obs::SparseRows;

type Ints = Py<PyArray1<i64>>;
type Floats = Py<PyArray1<f32>>;

/// `N` visited states with `A` actions, episode after episode; the last state of every episode is
/// included and its action is nominal.
#[pyclass(name = "CollectedData", module = "twisterl.twisterl.collector")]
pub struct PyCollectedData {
    /// int32 [K], active features of all rows.
    #[pyo3(get)]
    indices: Py<PyArray1<i32>>,
    /// int64 [N + 1], where each row's features begin.
    #[pyo3(get)]
    offsets: Ints,
    /// float32 [N, A], -1e10 where masked; of `AZCollector` the search's distribution over
    /// actions, all 0 at the last state of an episode.
    #[pyo3(get, set)]
    logits: Py<PyArray2<f32>>,
    /// bool [N, A], true where legal.
    #[pyo3(get, set)]
    masks: Py<PyArray2<bool>>,
    /// float32 [N], log-probability of the action taken.
    #[pyo3(get, set)]
    log_probs: Floats,
    /// float32 [N]
    #[pyo3(get, set)]
    values: Floats,
    /// float32 [N], reward of being in the state.
    #[pyo3(get, set)]
    rewards: Floats,
    /// int64 [N]
    #[pyo3(get, set)]
    actions: Ints,
    /// int64 [N], permutation the policy saw the state through, -1 for none.
    perms: Ints,
    /// int64 [E + 1], first row of every episode, then N.
    #[pyo3(get)]
    episode_starts: Ints,
    /// float32 [N] each: "advs" (advantages) and the returns, "rets" of `PPOCollector` and
    /// "remaining_values" of `AZCollector`.
    #[pyo3(get, set)]
    additional_data: Py<PyDict>,
    distinct: Option<(Ints, Ints)>,
}

/// What the table calls that which actions are drawn by, and `additional_data` the advantages and the
/// returns.
pub(super) struct Names {
    choice: &'static str,
    advantages: &'static str,
    returns: &'static str,
}

impl Names {
    pub(super) const PPO: Self = Self { choice: "logits", advantages: "advs", returns: "rets" };
    pub(super) const AZ: Self =
        Self { choice: "visits", advantages: "advs", returns: "remaining_values" };
}

fn floats(py: Python<'_>, values: Vec<f32>) -> Floats {
    values.into_pyarray(py).unbind()
}

fn ints(py: Python<'_>, values: Vec<i64>) -> Ints {
    values.into_pyarray(py).unbind()
}

fn table<T: numpy::Element>(
    py: Python<'_>,
    values: Vec<T>,
    rows: usize,
) -> PyResult<Py<PyArray2<T>>> {
    let columns = values.len().checked_div(rows).unwrap_or(0);
    Ok(values.into_pyarray(py).reshape([rows, columns])?.unbind())
}

impl PyCollectedData {
    pub(super) fn from_table(py: Python<'_>, mut of: Table, names: Names) -> PyResult<Self> {
        let rows = of.len();
        let additional_data = PyDict::new(py);
        additional_data.set_item(names.advantages, floats(py, of.take::<f32>("advantages")?))?;
        additional_data.set_item(names.returns, floats(py, of.take::<f32>("returns")?))?;
        let (indices, offsets) = of.take_rows("obs")?.into_parts();
        Ok(Self {
            indices: indices.into_pyarray(py).unbind(),
            offsets: ints(py, offsets),
            logits: table(py, of.take::<f32>(names.choice)?, rows)?,
            masks: table(py, of.take::<bool>("masks")?, rows)?,
            log_probs: floats(py, of.take::<f32>("log_probs")?),
            values: floats(py, of.take::<f32>("values")?),
            rewards: floats(py, of.take::<f32>("rewards")?),
            actions: ints(py, of.take::<i64>("actions")?),
            perms: ints(py, of.take::<i64>("twists")?),
            episode_starts: ints(py, of.episode_starts),
            additional_data: additional_data.unbind(),
            distinct: None,
        })
    }

    fn sparse_rows(&self, py: Python<'_>) -> PyResult<SparseRows> {
        let indices = self.indices.bind(py).to_vec()?;
        let offsets = self.offsets.bind(py).to_vec()?;
        let expected = "offsets that start at 0, rise and end at len(indices)";
        SparseRows::from_parts(indices, offsets)
            .ok_or_else(|| PyErr::from(Error::invalid("offsets", expected, "others")))
    }

    fn set_rows(&mut self, py: Python<'_>, obs: &[Vec<i32>]) {
        let mut rows = SparseRows::default();
        obs.iter().for_each(|row| rows.push(row));
        let (indices, offsets) = rows.into_parts();
        self.indices = indices.into_pyarray(py).unbind();
        self.offsets = ints(py, offsets);
        self.distinct = None;
    }

    /// The first row of each distinct (observation, permutation), and each row's distinct row.
    fn distinct(&mut self, py: Python<'_>) -> PyResult<&(Ints, Ints)> {
        if self.distinct.is_none() {
            let rows = self.sparse_rows(py)?;
            let twists: Vec<i32> =
                self.perms.bind(py).to_vec()?.iter().map(|&p| p as i32).collect();
            if twists.len() != rows.len() {
                let expected = format!("{} entries", rows.len());
                return Err(PyErr::from(Error::invalid("perms", expected, twists.len())));
            }
            let (first, index) = py.detach(|| distinct_rows(&rows, &twists));
            self.distinct = Some((ints(py, first), ints(py, index)));
        }
        match &self.distinct {
            Some(distinct) => Ok(distinct),
            None => Err(PyErr::from(Error::Panic("distinct rows vanished".to_string()))),
        }
    }
}

#[pymethods]
impl PyCollectedData {
    /// From `obs` (a list of index lists), `logits` [N][A], `values`, `rewards`, `actions` [N].
    #[new]
    #[pyo3(signature = (obs, logits, values, rewards, actions, perms=None))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = read::obs)] obs: Vec<Vec<i32>>,
        logits: Vec<Vec<f32>>,
        values: Vec<f32>,
        rewards: Vec<f32>,
        #[pyo3(from_py_with = read::actions)] actions: Vec<i64>,
        #[pyo3(from_py_with = read::perms)] perms: Option<Vec<Option<i64>>>,
    ) -> PyResult<Self> {
        let rows = obs.len();
        let perms = perms.unwrap_or_else(|| vec![None; rows]);
        let lengths = [
            ("logits", logits.len()),
            ("values", values.len()),
            ("rewards", rewards.len()),
            ("actions", actions.len()),
            ("perms", perms.len()),
        ];
        if let Some((name, length)) = lengths.into_iter().find(|&(_, length)| length != rows) {
            let expected = format!("{rows} entries as in obs");
            return Err(PyErr::from(Error::invalid(name, expected, length)));
        }
        let num_actions = logits.first().map_or(0, Vec::len);
        let mut log_probs = Vec::with_capacity(rows);
        for (row, (logits, &action)) in logits.iter().zip(&actions).enumerate() {
            if logits.len() != num_actions {
                let expected = format!("{num_actions} entries");
                return Err(PyErr::from(Error::invalid(
                    format!("logits[{row}]"),
                    expected,
                    logits.len(),
                )));
            }
            log_probs.push(log_prob(logits, action).ok_or_else(|| {
                PyErr::from(Error::invalid(
                    format!("actions[{row}]"),
                    format!("0..{num_actions}"),
                    action,
                ))
            })?);
        }
        let flat: Vec<f32> = logits.into_iter().flatten().collect();
        let masks = flat.iter().map(|&logit| logit > MASKED_LOGIT).collect();
        let mut rows_of_features = SparseRows::default();
        obs.iter().for_each(|row| rows_of_features.push(row));
        let (indices, offsets) = rows_of_features.into_parts();
        let perms = perms.into_iter().map(|perm| perm.unwrap_or(-1)).collect();
        Ok(Self {
            indices: indices.into_pyarray(py).unbind(),
            offsets: ints(py, offsets),
            logits: table(py, flat, rows)?,
            masks: table(py, masks, rows)?,
            log_probs: floats(py, log_probs),
            values: floats(py, values),
            rewards: floats(py, rewards),
            actions: ints(py, actions),
            perms: ints(py, perms),
            episode_starts: ints(py, vec![0, rows as i64]),
            additional_data: PyDict::new(py).unbind(),
            distinct: None,
        })
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.actions.bind(py).len()
    }

    /// The observations as a list of index lists; built at every access.
    #[getter]
    fn obs(&self, py: Python<'_>) -> PyResult<Vec<Vec<i32>>> {
        let rows = self.sparse_rows(py)?;
        Ok((0..rows.len()).map(|row| rows.row(row).to_vec()).collect())
    }

    #[setter]
    fn set_obs(&mut self, py: Python<'_>, #[pyo3(from_py_with = read::obs)] obs: Vec<Vec<i32>>) {
        self.set_rows(py, &obs);
    }

    #[getter]
    fn perms(&self, py: Python<'_>) -> Ints {
        self.perms.clone_ref(py)
    }

    #[setter]
    fn set_perms(&mut self, perms: PyReadonlyArray1<'_, i64>) -> PyResult<()> {
        let py = perms.py();
        self.perms = ints(py, perms.as_array().to_vec());
        self.distinct = None;
        Ok(())
    }

    /// int64 [U], the first row of each distinct (observation, permutation).
    #[getter]
    fn distinct_rows(&mut self, py: Python<'_>) -> PyResult<Ints> {
        Ok(self.distinct(py)?.0.clone_ref(py))
    }

    /// int64 [N], the distinct row in 0..U that each row equals.
    #[getter]
    fn distinct_index(&mut self, py: Python<'_>) -> PyResult<Ints> {
        Ok(self.distinct(py)?.1.clone_ref(py))
    }

    fn get_additional_data_item(&self, py: Python<'_>, key: &str) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.additional_data.bind(py).get_item(key)?.map(Bound::unbind))
    }

    fn set_additional_data_item(
        &self,
        py: Python<'_>,
        key: &str,
        value: Py<PyAny>,
    ) -> PyResult<()> {
        self.additional_data.bind(py).set_item(key, value)
    }

    /// Appends the rows of `other`; a key that only one side has is taken as it is.
    fn merge(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let numpy = py.import("numpy")?;
        let joined = |name: &str| -> PyResult<Bound<'_, PyAny>> {
            numpy.call_method1("concatenate", ((slf.getattr(name)?, other.getattr(name)?),))
        };
        let tail = |name: &str, shift: usize| -> PyResult<Vec<i64>> {
            let array: Vec<i64> = other.getattr(name)?.extract()?;
            Ok(array.into_iter().skip(1).map(|start| start + shift as i64).collect())
        };
        let (features, rows) = {
            let this = slf.borrow();
            (this.indices.bind(py).len(), this.__len__(py))
        };
        let mut offsets: Vec<i64> = slf.getattr("offsets")?.extract()?;
        offsets.extend(tail("offsets", features)?);
        let mut episode_starts: Vec<i64> = slf.getattr("episode_starts")?.extract()?;
        episode_starts.extend(tail("episode_starts", rows)?);
        let indices = joined("indices")?.extract()?;
        let perms = joined("perms")?.extract()?;
        for name in ["logits", "masks", "log_probs", "values", "rewards", "actions"] {
            slf.setattr(name, joined(name)?)?;
        }
        let theirs = other.borrow().additional_data.clone_ref(py);
        let mut this = slf.borrow_mut();
        for (key, value) in theirs.bind(py) {
            let value = match this.additional_data.bind(py).get_item(&key)? {
                Some(known) => numpy.call_method1("concatenate", ((known, value),))?,
                None => value,
            };
            this.additional_data.bind(py).set_item(key, value)?;
        }
        this.indices = indices;
        this.offsets = ints(py, offsets);
        this.episode_starts = ints(py, episode_starts);
        this.perms = perms;
        this.distinct = None;
        Ok(())
    }
}

/// `(first int64 [U], index int64 [N])` of rows given by `indices [K]`, `offsets [N + 1]` and
/// `perms [N]`: the first row of each distinct one, and the distinct row that each row equals.
#[pyfunction(name = "distinct_rows")]
pub(super) fn distinct_rows_py(
    py: Python<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    offsets: PyReadonlyArray1<'_, i64>,
    perms: PyReadonlyArray1<'_, i32>,
) -> PyResult<(Ints, Ints)> {
    let perms = perms.as_array().to_vec();
    let rows = SparseRows::from_parts(indices.as_array().to_vec(), offsets.as_array().to_vec());
    let (first, index) = py.detach(|| match rows {
        Some(rows) if rows.len() == perms.len() => Ok(distinct_rows(&rows, &perms)),
        _ => {
            let expected = "rising from 0 to len(indices), one more than perms";
            Err(PyErr::from(Error::invalid("offsets", expected, "others")))
        }
    })?;
    Ok((ints(py, first), ints(py, index)))
}

/// Log-softmax of `logits` at `action`; `None` if there is no such action.
fn log_prob(logits: &[f32], action: i64) -> Option<f32> {
    let taken = *logits.get(usize::try_from(action).ok()?)?;
    let (max, sum) = exp_sum(logits.iter().copied(), |_| ());
    Some(taken - max - sum.ln())
}
