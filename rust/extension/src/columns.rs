//! Columns of collected data: arrays of one type here, lists or arrays where they come from.

use numpy::ndarray::Dimension;
use numpy::{
    dtype, Element, IntoPyArray, PyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use twisterl::error::Error;
use twisterl::python_interface::error::wrong_type;

pub(crate) type Ints = Py<PyArray1<i64>>;
/// int64 [N] or [N, D], or float32 [N, D].
pub(crate) type Actions = Py<PyUntypedArray>;
pub(crate) type Floats = Py<PyArray1<f32>>;

/// Declares the columns once: their types, and how they are shared and pickled.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $Type:ty,)*) => {
        /// The columns of a `CollectedData` with `N` rows and `A` actions. Its properties of these
        /// names may be lists; the arrays are shared with it, not copied. Its arguments are the columns
        /// `indices`, `offsets`, `logits`, `masks`, `log_probs`, `values`, `rewards`, `actions`, `perms`,
        /// `episode_starts` and `additional_data`, the `obs_space` of the observations, and the column
        /// `states`.
        #[pyclass(
            name = "CollectedArrays", module = "twisterl.twisterl.collector", frozen, get_all
        )]
        pub struct PyCollectedArrays {
            $($(#[$doc])* pub(crate) $name: $Type,)*
        }

        impl PyCollectedArrays {
            pub(crate) fn share(&self, py: Python<'_>) -> Self {
                Self { $($name: self.$name.clone_ref(py),)* }
            }
        }

        #[pymethods]
        impl PyCollectedArrays {
            #[new]
            #[allow(clippy::too_many_arguments)]
            fn new($($name: $Type,)*) -> Self {
                Self { $($name,)* }
            }

            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
                let py = slf.py();
                let arrays = [$(slf.get().$name.bind(py).as_any(),)*];
                Ok((slf.get_type(), PyTuple::new(py, arrays)?))
            }
        }
    };
}

columns! {
    /// int32 [K], active features of all rows; where observations are dense, their words: W a row,
    /// which `indices.view(obs_space[0])` makes numbers again.
    indices: Py<PyArray1<i32>>,
    /// int64 [N + 1], where each row's features begin.
    offsets: Ints,
    /// float32 [N, A], -1e10 where masked; of `AZCollector` the search's distribution over
    /// actions, all 0 at the last state of an episode.
    logits: Py<PyArray2<f32>>,
    /// bool [N, A], true where legal.
    masks: Py<PyArray2<bool>>,
    /// float32 [N], log-probability of the action taken.
    log_probs: Floats,
    /// float32 [N], what the policy, or the search, takes the state to be worth.
    values: Floats,
    /// float32 [N], reward of being in the state.
    rewards: Floats,
    /// int64 [N], the action taken; nominal in the last state of an episode. Of parts int64 [N, parts], of
    /// numbers float32 [N, dimensions], as they were drawn: the environment got them bounded.
    actions: Actions,
    /// int64 [N], permutation the policy saw the state through, -1 for none.
    perms: Ints,
    /// int64 [E + 1], first row of every episode, then N.
    episode_starts: Ints,
    /// A dictionary of float32 [N]: "advs" (advantages) and the returns, "rets" of `PPOCollector` and
    /// "remaining_values" of `AZCollector`.
    additional_data: Py<PyDict>,
    /// What observations are made of: "float32" or "uint8" and their F numbers; ("sparse", 0); or "dict",
    /// their F numbers and the parts, as `obs_space()` of an environment has them.
    obs_space: Py<PyTuple>,
    /// float32 [N, S], what a policy with memory remembered before each state; [N, 0] without.
    states: Py<PyArray2<f32>>,
}

impl PyCollectedArrays {
    /// The rows of both, those of `other` last.
    pub(crate) fn followed_by(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        let (ours, theirs) = (self.obs_space.bind(py), other.obs_space.bind(py));
        if !ours.eq(theirs)? {
            return Err(Error::invalid("obs_space", ours.to_string(), theirs).into());
        }
        let additional_data = self.additional_data.bind(py).copy()?;
        for (name, values) in other.additional_data.bind(py) {
            let values = match additional_data.get_item(&name)? {
                Some(known) => joined(&known, &values)?,
                None => values,
            };
            additional_data.set_item(name, values)?;
        }
        // Where a row or an episode begins moves by what is before it.
        let starts = |ours: &Ints, theirs: &Ints, before: usize| -> PyResult<Ints> {
            let mut starts = ours.bind(py).to_vec()?;
            let added = theirs.bind(py).to_vec()?;
            starts.extend(added.into_iter().skip(1).map(|start| start + before as i64));
            Ok(starts.into_pyarray(py).unbind())
        };
        let num_indices = self.indices.bind(py).len();
        let num_rows = self.perms.bind(py).len();
        Ok(Self {
            indices: joined_arrays(py, &self.indices, &other.indices)?,
            offsets: starts(&self.offsets, &other.offsets, num_indices)?,
            logits: joined_arrays(py, &self.logits, &other.logits)?,
            masks: joined_arrays(py, &self.masks, &other.masks)?,
            log_probs: joined_arrays(py, &self.log_probs, &other.log_probs)?,
            values: joined_arrays(py, &self.values, &other.values)?,
            rewards: joined_arrays(py, &self.rewards, &other.rewards)?,
            actions: joined(self.actions.bind(py).as_any(), other.actions.bind(py).as_any())?
                .cast_into()?
                .unbind(),
            perms: joined_arrays(py, &self.perms, &other.perms)?,
            episode_starts: starts(&self.episode_starts, &other.episode_starts, num_rows)?,
            additional_data: additional_data.unbind(),
            obs_space: self.obs_space.clone_ref(py),
            states: joined_arrays(py, &self.states, &other.states)?,
        })
    }
}

fn joined_arrays<T: Element, D: Dimension>(
    py: Python<'_>,
    ours: &Py<PyArray<T, D>>,
    theirs: &Py<PyArray<T, D>>,
) -> PyResult<Py<PyArray<T, D>>> {
    Ok(joined(ours.bind(py).as_any(), theirs.bind(py).as_any())?.cast_into()?.unbind())
}

/// Two arrays as a new one.
fn joined<'py>(
    ours: &Bound<'py, PyAny>,
    theirs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // Without rows there may be no columns either, which numpy does not join.
    match (ours.len()?, theirs.len()?) {
        (0, _) => theirs.call_method0("copy"),
        (_, 0) => ours.call_method0("copy"),
        _ => ours.py().import("numpy")?.call_method1("concatenate", ((ours, theirs),)),
    }
}

/// `value` as a column of actions: an array of int64 [N, D] or float32 [N, D], or integers [N].
pub(super) fn actions(value: &Bound<'_, PyAny>) -> PyResult<Actions> {
    let is_rows = value.cast::<PyArray2<i64>>().is_ok() || value.cast::<PyArray2<f32>>().is_ok();
    match value.cast::<PyUntypedArray>() {
        Ok(array) if is_rows => Ok(array.clone().unbind()),
        _ => {
            let ints: Ints = column("actions", value)?;
            Ok(ints.into_bound(value.py()).cast_into::<PyUntypedArray>()?.unbind())
        }
    }
}

/// `value`, a list or an array, as an array of `T` with `D` axes; one of that kind is shared.
///
/// # Errors
/// ValueError naming the column, for what are no such numbers: fractions are no integers.
/// TypeError for what is neither list nor array.
pub(crate) fn column<T: Element, D: Dimension>(
    name: &str,
    value: &Bound<'_, PyAny>,
) -> PyResult<Py<PyArray<T, D>>> {
    if let Ok(array) = value.cast::<PyArray<T, D>>() {
        if array.is_c_contiguous() {
            return Ok(array.clone().unbind());
        }
    }
    converted(value).map(Bound::unbind).map_err(|_| {
        let axes = if D::NDIM == Some(1) { "[N]" } else { "[N, A]" };
        let expected = format!("{} {axes}", dtype::<T>(value.py()));
        match value.hasattr("__len__") {
            Ok(true) if !value.is_instance_of::<PyString>() => {
                Error::invalid(name, expected, "others").into()
            }
            _ => wrong_type(name, &expected, value),
        }
    })
}

fn converted<'py, T: Element, D: Dimension>(
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray<T, D>>> {
    let py = value.py();
    let mut array = py.import("numpy")?.call_method1("asarray", (value,))?;
    let mut casting = "same_kind";
    if array.getattr("size")?.extract::<usize>()? == 0 {
        // Nothing is not of a wrong type, and has as many axes as it needs.
        casting = "unsafe";
        array = array.call_method1("reshape", (vec![0; D::NDIM.unwrap_or(1)],))?;
    }
    let options = PyDict::new(py);
    options.set_item("casting", casting)?;
    options.set_item("order", "C")?;
    options.set_item("copy", false)?;
    Ok(array.call_method("astype", (dtype::<T>(py),), Some(&options))?.cast_into()?)
}

/// A dictionary of columns as arrays, in a new dictionary.
///
/// # Errors
/// As those of [`column`], naming the entry.
pub(crate) fn columns_of(name: &str, entries: &Bound<'_, PyDict>) -> PyResult<Py<PyDict>> {
    let arrays = PyDict::new(entries.py());
    for (key, values) in entries {
        let array: Floats = column(&format!("{name}[{key:?}]"), &values)?;
        arrays.set_item(key, array)?;
    }
    Ok(arrays.unbind())
}
