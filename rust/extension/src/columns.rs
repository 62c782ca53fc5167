//! Columns of collected data: arrays of one type here, lists or arrays where they come from.

use numpy::ndarray::Dimension;
use numpy::{
    dtype, Element, IntoPyArray, PyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::type_object::PyTypeCheck;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::IntoPyObjectExt;

use crate::read::Argument;
use twisterl::error::Error;
use twisterl::python_interface::error::wrong_type;

pub(crate) type Ints = Py<PyArray1<i64>>;
/// int64 [N] or [N, D], or float32 [N, D].
pub(crate) type Actions = Py<PyUntypedArray>;
pub(crate) type Floats = Py<PyArray1<f32>>;

/// What is kept beside its like without a copy.
pub(crate) trait Shared {
    fn share(&self, py: Python<'_>) -> Self;
}

impl<T> Shared for Py<T> {
    fn share(&self, py: Python<'_>) -> Self {
        self.clone_ref(py)
    }
}

impl Shared for usize {
    fn share(&self, _py: Python<'_>) -> Self {
        *self
    }
}

/// Declares a class of columns once: their types, how they are shared, and the method that makes
/// them, by which they are pickled too.
macro_rules! columns {
    (
        $(#[$about:meta])* $Class:ident by #[$kind:ident] $make:ident;
        $($(#[$doc:meta])* $name:ident: $Type:ty,)*
    ) => {
        $(#[$about])*
        pub struct $Class {
            $($(#[$doc])* pub(crate) $name: $Type,)*
        }

        impl Shared for $Class {
            fn share(&self, py: Python<'_>) -> Self {
                Self { $($name: self.$name.share(py),)* }
            }
        }

        #[pymethods]
        impl $Class {
            #[$kind]
            #[allow(clippy::too_many_arguments)]
            fn $make($($name: $Type,)*) -> Self {
                Self { $($name,)* }
            }

            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
                let (py, class) = (slf.py(), slf.get_type());
                let columns = [$(slf.get().$name.share(py).into_bound_py_any(py)?,)*];
                let made = match stringify!($make) {
                    "new" => class.into_any(),
                    method => class.getattr(method)?,
                };
                Ok((made, PyTuple::new(py, columns)?))
            }
        }
    };
}
pub(crate) use columns;

columns! {
    /// The columns of a `CollectedData` with `N` rows and `A` actions. Its properties of these
    /// names may be lists; the arrays are shared with it, not copied. Its arguments are the columns
    /// `indices`, `offsets`, `logits`, `masks`, `log_probs`, `values`, `rewards`, `actions`, `perms`,
    /// `episode_starts` and `additional_data`, the `obs_space` of the observations, and the column
    /// `states`.
    #[pyclass(
        name = "CollectedArrays", module = "twisterl.twisterl.collector", frozen, get_all
    )]
    PyCollectedArrays by #[new] new;
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
                Some(known) => joined(py, &known.unbind(), &values.unbind())?.into_bound(py),
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
        let (num_indices, num_rows) = (self.indices.bind(py).len(), self.perms.bind(py).len());
        macro_rules! with_joined {
            ($($name:ident)*) => {
                Self {
                    $($name: joined(py, &self.$name, &other.$name)?,)*
                    offsets: starts(&self.offsets, &other.offsets, num_indices)?,
                    episode_starts: starts(&self.episode_starts, &other.episode_starts, num_rows)?,
                    additional_data: additional_data.unbind(),
                    obs_space: self.obs_space.clone_ref(py),
                }
            };
        }
        Ok(with_joined!(indices logits masks log_probs values rewards actions perms states))
    }
}

/// Two arrays as a new one.
fn joined<T: PyTypeCheck>(py: Python<'_>, ours: &Py<T>, theirs: &Py<T>) -> PyResult<Py<T>> {
    let (ours, theirs) = (ours.bind(py).as_any(), theirs.bind(py).as_any());
    // Without rows there may be no columns either, which numpy does not join.
    let all = match (ours.len()?, theirs.len()?) {
        (0, _) => theirs.call_method0("copy")?,
        (_, 0) => ours.call_method0("copy")?,
        _ => py.import("numpy")?.call_method1("concatenate", ((ours, theirs),))?,
    };
    Ok(all.cast_into::<T>()?.unbind())
}

/// What `value` tells of each of `rows`, as an array.
pub(crate) fn array<'py, R, T: Element>(
    py: Python<'py>,
    rows: &[R],
    value: impl FnMut(&R) -> T,
) -> Bound<'py, PyArray1<T>> {
    rows.iter().map(value).collect::<Vec<T>>().into_pyarray(py)
}

/// A column of actions: an array of int64 [N, D] or float32 [N, D], or integers [N].
impl Argument for Actions {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let is_rows =
            value.cast::<PyArray2<i64>>().is_ok() || value.cast::<PyArray2<f32>>().is_ok();
        let array = match is_rows {
            true => value.clone(),
            false => Ints::read(name, value)?.into_bound(value.py()).into_any(),
        };
        Ok(array.cast_into::<PyUntypedArray>()?.unbind())
    }
}

/// A list or an array as an array of `T` with `D` axes; one of that kind is shared. ValueError naming
/// the column, for what are no such numbers: fractions are no integers. TypeError for what is neither
/// list nor array.
impl<T: Element, D: Dimension> Argument for Py<PyArray<T, D>> {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
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
}

/// Numbers `[N]`.
impl Argument for Vec<f32> {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Floats::read(name, value)?.bind(value.py()).to_vec()?)
    }
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
/// As those of a column, naming the entry.
pub(crate) fn columns_of(name: &str, entries: &Bound<'_, PyDict>) -> PyResult<Py<PyDict>> {
    let arrays = PyDict::new(entries.py());
    for (key, values) in entries {
        arrays.set_item(&key, Floats::read(&format!("{name}[{key:?}]"), &values)?)?;
    }
    Ok(arrays.unbind())
}
