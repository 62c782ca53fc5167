//! Collected episodes as numpy arrays: buffers are moved out of Rust, not copied.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use pyo3::IntoPyObjectExt;

use crate::columns::{columns_of, Actions, Floats, Ints, PyCollectedArrays, Shared};
use crate::detached::detached;
use crate::read::{self, Argument};
use twisterl::collector::{distinct_rows, legal_and_chosen, require_rows, Table};
use twisterl::error::Error;
use twisterl::nn::{Head, Policy};
use twisterl::python_interface::{dense, dict};
use twisterl::spaces::{Dtype, ObsSpace, Rows, SPARSE};

/// `N` visited states with `A` actions, episode after episode; the last state of every episode is
/// included and its action is nominal.
///
/// `arrays` has the columns as they are. The properties that TwisteRL 0.5 had (`obs`, `logits`,
/// `values`, `rewards`, `actions`, `perms`) are lists, copied at every access, and
/// `additional_data` is a dictionary of lists; what is assigned to them may be lists or arrays.
///
/// It is made of `obs` (a list of lists of active features), `logits` [N][A], `values`, `rewards`,
/// `actions` [N] and `perms` [N] (None or -1 for none); logits of -1e10 are masked. Raises ValueError,
/// naming the column, if they do not fit each other.
#[pyclass(name = "CollectedData", module = "twisterl.twisterl.collector")]
pub struct PyCollectedData {
    /// The entries of `additional_data` are arrays until they are read as lists.
    columns: PyCollectedArrays,
    /// Whether the logits are the distribution that a search found.
    is_searched: bool,
    /// Whether masks and log-probabilities are those of earlier logits or actions.
    is_outdated: bool,
    distinct: Option<(Ints, Ints)>,
}

/// What the table calls that which actions are drawn by, and `additional_data` the advantages and
/// the returns.
pub(crate) struct Names {
    choice: &'static str,
    advantages: &'static str,
    returns: &'static str,
    is_searched: bool,
}

impl Names {
    pub(crate) const PPO: Self =
        Self { choice: "logits", advantages: "advs", returns: "rets", is_searched: false };
    pub(crate) const AZ: Self = Self {
        choice: "visits",
        advantages: "advs",
        returns: "remaining_values",
        is_searched: true,
    };
}

fn floats(py: Python<'_>, values: Vec<f32>) -> Floats {
    values.into_pyarray(py).unbind()
}

fn ints(py: Python<'_>, values: Vec<i64>) -> Ints {
    values.into_pyarray(py).unbind()
}

/// The actions of `rows` states, by a policy with `head`.
fn actions_of(py: Python<'_>, of: &mut Table, rows: usize, head: &Head) -> PyResult<Actions> {
    let array = match head {
        Head::Categorical => ints(py, of.take("actions")?).into_any(),
        Head::Product { .. } => table::<i64>(py, of.take("actions")?, rows)?.into_any(),
        Head::Normal { .. } => table::<f32>(py, of.take("actions")?, rows)?.into_any(),
    };
    Ok(array.into_bound(py).cast_into::<PyUntypedArray>()?.unbind())
}

fn table<T: numpy::Element>(
    py: Python<'_>,
    values: Vec<T>,
    rows: usize,
) -> PyResult<Py<PyArray2<T>>> {
    let columns = values.len().checked_div(rows).unwrap_or(0);
    Ok(values.into_pyarray(py).reshape([rows, columns])?.unbind())
}

fn sparse_space(py: Python<'_>) -> PyResult<Py<PyTuple>> {
    Ok((SPARSE, 0).into_pyobject(py)?.unbind())
}

fn sparse(obs: &[Vec<i32>]) -> Rows {
    let mut rows = Rows::default();
    obs.iter().for_each(|row| rows.push(row));
    rows
}

impl PyCollectedData {
    /// The rows of `of`, which were played by `policy`.
    pub(crate) fn from_table(
        py: Python<'_>,
        mut of: Table,
        names: Names,
        policy: &dyn Policy,
    ) -> PyResult<Self> {
        let obs_space = match (policy.obs_parts(), policy.obs_dtype()) {
            (Some(parts), dtype) => {
                let space = ObsSpace::Dict(parts.clone());
                let told = dict::description(py, &space)?;
                (dtype, policy.num_features(), told).into_pyobject(py)?.unbind()
            }
            (None, SPARSE) => sparse_space(py)?,
            (None, dtype) => (dtype, policy.num_features()).into_pyobject(py)?.unbind(),
        };
        let rows = of.len();
        let additional_data = PyDict::new(py);
        additional_data.set_item(names.advantages, floats(py, of.take::<f32>("advantages")?))?;
        additional_data.set_item(names.returns, floats(py, of.take::<f32>("returns")?))?;
        let (indices, offsets) = of.take_rows("obs")?.into_parts();
        let columns = PyCollectedArrays {
            indices: indices.into_pyarray(py).unbind(),
            offsets: ints(py, offsets),
            logits: table(py, of.take::<f32>(names.choice)?, rows)?,
            masks: table(py, of.take::<bool>("masks")?, rows)?,
            log_probs: floats(py, of.take::<f32>("log_probs")?),
            values: floats(py, of.take::<f32>("values")?),
            rewards: floats(py, of.take::<f32>("rewards")?),
            actions: actions_of(py, &mut of, rows, policy.head())?,
            perms: ints(py, of.take::<i64>("twists")?),
            states: table(py, of.take::<f32>("states")?, rows)?,
            episode_starts: ints(py, of.episode_starts),
            additional_data: additional_data.unbind(),
            obs_space,
        };
        Ok(Self { columns, is_searched: names.is_searched, is_outdated: false, distinct: None })
    }

    fn sparse_rows(&self, py: Python<'_>) -> PyResult<Rows> {
        let indices = self.columns.indices.bind(py).to_vec()?;
        let offsets = self.columns.offsets.bind(py).to_vec()?;
        let expected = "offsets that start at 0, rise and end at len(indices)";
        Rows::from_parts(indices, offsets)
            .ok_or_else(|| PyErr::from(Error::invalid("offsets", expected, "others")))
    }

    /// Forgets what was computed from the column `name`, which has been replaced.
    fn replaced(&mut self, name: &str) {
        match name {
            "logits" | "actions" => self.is_outdated |= !self.is_searched,
            "perms" => self.distinct = None,
            _ => (),
        }
    }

    /// The columns, with masks and log-probabilities of the logits and actions as they are now.
    fn columns(&mut self, py: Python<'_>) -> PyResult<&PyCollectedArrays> {
        if self.is_outdated {
            let logits = self.columns.logits.bind(py);
            let ([_, num_actions], values) = (logits.shape(), logits.to_vec()?) else {
                return Err(Error::Panic("logits have two axes".to_string()).into());
            };
            let actions = Ints::read("actions", self.columns.actions.bind(py))?;
            let actions = actions.bind(py).to_vec()?;
            let (masks, log_probs) = legal_and_chosen(&values, *num_actions, &actions)?;
            let masks = table(py, masks, actions.len())?;
            self.columns.masks = masks;
            self.columns.log_probs = floats(py, log_probs);
            self.is_outdated = false;
        }
        Ok(&self.columns)
    }

    /// The first row of each distinct (observation, permutation), and each row's distinct row.
    fn distinct(&mut self, py: Python<'_>) -> PyResult<&(Ints, Ints)> {
        if self.distinct.is_none() {
            let rows = self.sparse_rows(py)?;
            let perms = self.columns.perms.bind(py).to_vec()?;
            require_rows("perms", perms.len(), rows.len())?;
            let twists: Vec<i32> = perms.iter().map(|&p| p as i32).collect();
            let (first, index) = detached(py, |poll| distinct_rows(&rows, &twists, poll))?;
            self.distinct = Some((ints(py, first), ints(py, index)));
        }
        match &self.distinct {
            Some(distinct) => Ok(distinct),
            None => Err(PyErr::from(Error::Panic("distinct rows vanished".to_string()))),
        }
    }
}

/// Properties that may be replaced by lists or arrays: told as lists, as in TwisteRL 0.5, or as arrays
/// of the logits and actions as they are now.
macro_rules! properties {
    ($($(#[$doc:meta])* $kind:ident $name:ident $set:ident: $Told:ty;)*) => {
        #[pymethods]
        impl PyCollectedData {$(
            $(#[$doc])*
            #[getter]
            fn $name(&mut self, py: Python<'_>) -> PyResult<$Told> {
                told!($kind self.$name, py)
            }

            #[setter]
            fn $set(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
                if stringify!($kind) == "array" {
                    self.columns(value.py())?;
                }
                self.columns.$name = Argument::read(stringify!($name), value)?;
                self.replaced(stringify!($name));
                Ok(())
            }
        )*}
    };
}

macro_rules! told {
    (list $this:ident.$name:ident, $py:ident) => {
        Ok($this.columns.$name.bind($py).call_method0("tolist")?.unbind())
    };
    (array $this:ident.$name:ident, $py:ident) => {
        Ok($this.columns($py)?.$name.clone_ref($py))
    };
}

properties! {
    /// List [N][A] of floats; see `CollectedArrays`. ValueError for what is no such list or array.
    list logits set_logits: Py<PyAny>;
    /// List [N] of floats; see `CollectedArrays`.
    list values set_values: Py<PyAny>;
    /// List [N] of floats, reward of being in the state.
    list rewards set_rewards: Py<PyAny>;
    /// List [N] of integers, permutation the policy saw the state through, -1 for none.
    list perms set_perms: Py<PyAny>;
    /// List [N] of integers, or [N] of lists of integers or numbers; see `CollectedArrays`.
    list actions set_actions: Py<PyAny>;
    /// bool [N, A], true where legal.
    array masks set_masks: Py<PyArray2<bool>>;
    /// float32 [N], log-probability of the action taken.
    array log_probs set_log_probs: Floats;
}

#[pymethods]
impl PyCollectedData {
    #[new]
    #[pyo3(signature = (obs, logits, values, rewards, actions, perms=None))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = read::obs)] obs: Vec<Vec<i32>>,
        logits: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
        rewards: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = read::perms)] perms: Option<Vec<Option<i64>>>,
    ) -> PyResult<Self> {
        let rows = obs.len();
        let perms = perms.unwrap_or_else(|| vec![None; rows]);
        let (indices, offsets) = sparse(&obs).into_parts();
        let columns = PyCollectedArrays {
            indices: indices.into_pyarray(py).unbind(),
            offsets: ints(py, offsets),
            logits: Argument::read("logits", logits)?,
            masks: table(py, Vec::new(), 0)?,
            log_probs: floats(py, Vec::new()),
            values: Argument::read("values", values)?,
            rewards: Argument::read("rewards", rewards)?,
            actions: Argument::read("actions", actions)?,
            perms: ints(py, perms.into_iter().map(|perm| perm.unwrap_or(-1)).collect()),
            episode_starts: ints(py, vec![0, rows as i64]),
            additional_data: PyDict::new(py).unbind(),
            obs_space: sparse_space(py)?,
            states: table(py, Vec::new(), rows)?,
        };
        require_rows("logits", columns.logits.bind(py).shape()[0], rows)?;
        for (name, column) in [("values", &columns.values), ("rewards", &columns.rewards)] {
            require_rows(name, column.bind(py).len(), rows)?;
        }
        require_rows("actions", columns.actions.bind(py).as_any().len()?, rows)?;
        require_rows("perms", columns.perms.bind(py).len(), rows)?;
        let mut data = Self { columns, is_searched: false, is_outdated: true, distinct: None };
        data.columns(py)?;
        Ok(data)
    }

    #[classmethod]
    fn _restored(
        cls: &Bound<'_, PyType>,
        columns: &Bound<'_, PyCollectedArrays>,
        is_searched: bool,
    ) -> Self {
        let columns = columns.get().share(cls.py());
        Self { columns, is_searched, is_outdated: false, distinct: None }
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (PyCollectedArrays, bool))> {
        let mut this = slf.borrow_mut();
        Ok((slf.get_type().getattr("_restored")?, (this.arrays(slf.py())?, this.is_searched)))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.columns.perms.bind(py).len()
    }

    /// The columns as numpy arrays, not copied: `CollectedArrays`.
    #[getter]
    fn arrays(&mut self, py: Python<'_>) -> PyResult<PyCollectedArrays> {
        let mut arrays = self.columns(py)?.share(py);
        arrays.additional_data = columns_of("additional_data", arrays.additional_data.bind(py))?;
        Ok(arrays)
    }

    /// int32 [K], active features of all rows; words where observations are dense.
    #[getter]
    fn indices(&self, py: Python<'_>) -> Py<PyArray1<i32>> {
        self.columns.indices.clone_ref(py)
    }

    /// int64 [N + 1], where each row's features begin.
    #[getter]
    fn offsets(&self, py: Python<'_>) -> Ints {
        self.columns.offsets.clone_ref(py)
    }

    /// int64 [E + 1], first row of every episode, then N.
    #[getter]
    fn episode_starts(&self, py: Python<'_>) -> Ints {
        self.columns.episode_starts.clone_ref(py)
    }

    /// The observations: a list [N] of lists of active features, or of `F` numbers where they are dense; of
    /// several parts, a dictionary of arrays [N, ..], and of lists of lists where a part is sparse.
    #[getter]
    fn obs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = self.sparse_rows(py)?;
        let lists = (0..rows.len()).map(|row| rows.row(row));
        let space = self.columns.obs_space.bind(py);
        if space.len() == 3 {
            return match dict::space("obs_space", &space.get_item(2)?)? {
                ObsSpace::Dict(parts) => dict::columns(py, &rows, &parts),
                _ => Err(Error::invalid("obs_space", "several parts", space).into()),
            };
        }
        let (dtype, num_features): (String, usize) = space.extract()?;
        match Dtype::of(&dtype) {
            None => lists.map(<[i32]>::to_vec).collect::<Vec<_>>().into_bound_py_any(py),
            Some(dtype) => {
                let shape = [num_features];
                let numbers =
                    |words| dense::array(py, words, dtype, &shape)?.call_method0("tolist");
                Ok(PyList::new(py, lists.map(numbers).collect::<PyResult<Vec<_>>>()?)?.into_any())
            }
        }
    }

    #[setter]
    fn set_obs(
        &mut self,
        py: Python<'_>,
        #[pyo3(from_py_with = read::obs)] obs: Vec<Vec<i32>>,
    ) -> PyResult<()> {
        let (indices, offsets) = sparse(&obs).into_parts();
        self.columns.indices = indices.into_pyarray(py).unbind();
        self.columns.offsets = ints(py, offsets);
        self.columns.obs_space = sparse_space(py)?;
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

    /// A dictionary of lists [N] of floats; see `CollectedArrays`.
    #[getter]
    fn additional_data(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let entries = self.columns.additional_data.bind(py);
        for (name, values) in entries.copy()? {
            if values.cast::<PyArray1<f32>>().is_ok() {
                entries.set_item(name, values.call_method0("tolist")?)?;
            }
        }
        Ok(self.columns.additional_data.clone_ref(py))
    }

    #[setter]
    fn set_additional_data(&mut self, entries: &Bound<'_, PyDict>) -> PyResult<()> {
        self.columns.additional_data = columns_of("additional_data", entries)?;
        Ok(())
    }

    /// The list `key` of `additional_data`, or None.
    fn get_additional_data_item(&self, py: Python<'_>, key: &str) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.additional_data(py)?.bind(py).get_item(key)?.map(Bound::unbind))
    }

    /// Puts `value`, a list or an array of N floats, into `additional_data` as `key`; ValueError for
    /// anything else.
    fn set_additional_data_item(&self, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let array = Floats::read("value", value)?;
        self.columns.additional_data.bind(value.py()).set_item(key, array)
    }

    /// Appends the rows of `other`; a key that only one side has is taken as it is.
    fn merge(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let theirs = other.borrow_mut().arrays(py)?;
        let mut this = slf.borrow_mut();
        let merged = this.arrays(py)?.followed_by(py, &theirs)?;
        this.columns = merged;
        this.distinct = None;
        Ok(())
    }
}

/// `(first, index)` int64 `[U]` and `[N]` of rows given by `indices` int32 `[K]`, `offsets` int64
/// `[N + 1]` and `perms` int32 `[N]`: the first row of each distinct one, and the distinct row that
/// each row equals.
///
/// Raises ValueError if `offsets` do not rise from 0 to `len(indices)`, one more than `perms`.
#[pyfunction(name = "distinct_rows")]
pub(crate) fn distinct_rows_py(
    py: Python<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    offsets: PyReadonlyArray1<'_, i64>,
    perms: PyReadonlyArray1<'_, i32>,
) -> PyResult<(Ints, Ints)> {
    let perms = perms.as_array().to_vec();
    let rows = Rows::from_parts(indices.as_array().to_vec(), offsets.as_array().to_vec());
    let Some(rows) = rows.filter(|rows| rows.len() == perms.len()) else {
        let expected = "rising from 0 to len(indices), one more than perms";
        return Err(Error::invalid("offsets", expected, "others").into());
    };
    let (first, index) = detached(py, |poll| distinct_rows(&rows, &perms, poll))?;
    Ok((first.into_pyarray(py).unbind(), index.into_pyarray(py).unbind()))
}
