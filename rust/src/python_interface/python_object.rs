//! Calling an environment written in Python and checking every value that it returns.
//!
//! All functions here need the interpreter lock and take it from the `Bound` they are given.

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::args::{count, integers};
use super::error::wrong_type;
use crate::error::Error;
use crate::rl::env::{Status, Twists};

const REQUIRED: [&str; 11] = [
    "num_actions",
    "obs_shape",
    "reset",
    "next",
    "masks",
    "is_final",
    "value",
    "success",
    "observe",
    "set_state",
    "copy",
];
const MOST_ACTIONS: u32 = 1 << 24;

/// What is the same for all copies of a Python environment; asked for once.
pub struct Kind {
    /// Name of the class, for messages.
    pub class: String,
    pub num_actions: usize,
    pub obs_shape: Vec<usize>,
    pub num_features: i64,
    pub twists: Twists,
    pub has_solution: bool,
    pub has_truncated: bool,
    pub has_reseed: bool,
    pub has_reset_uniform: bool,
    pub has_check_solvable: bool,
    pub has_vectorize: bool,
}

impl Kind {
    /// # Errors
    /// TypeError naming the methods that are missing; ValueError if a size or twist is wrong.
    pub fn of(env: &Bound<'_, PyAny>) -> PyResult<Self> {
        let class = env.get_type().name()?.to_string();
        let missing: Vec<_> = REQUIRED.into_iter().filter(|name| !has_method(env, name)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(PyTypeError::new_err(format!(
                "env: expected an object with the methods of a Python environment, got {class} \
                 without {missing}"
            )));
        }
        let name = |method: &str| format!("{method}() of {class}");
        let num_actions = env.call_method0("num_actions")?;
        let num_actions = count(&name("num_actions"), &num_actions, 1..=MOST_ACTIONS)?;
        let (obs_shape, num_features) = obs_shape(&name("obs_shape"), env)?;
        let twists = twists(&name("twists"), env, num_features as usize, num_actions)?;
        let has = |method: &str| has_method(env, method);
        Ok(Self {
            num_actions,
            obs_shape,
            num_features,
            twists,
            has_solution: has("track_solution") && has("solution"),
            has_truncated: has("truncated"),
            has_reseed: has("reseed"),
            has_reset_uniform: has("reset_uniform"),
            has_check_solvable: has("check_solvable"),
            has_vectorize: has("vectorize"),
            class,
        })
    }

    fn name(&self, method: &Bound<'_, PyString>) -> String {
        format!("{method}() of {}", self.class)
    }

    /// A feature or an error that names where it came from.
    pub fn feature(&self, method: &str, index: i64) -> PyResult<i32> {
        if (0..self.num_features).contains(&index) {
            return Ok(index as i32);
        }
        let name = format!("{method}() of {}", self.class);
        Err(Error::invalid(name, format!("indices in 0..{}", self.num_features), index).into())
    }

    /// A finite reward or an error that names where it came from.
    pub fn reward(&self, method: &str, reward: f64) -> PyResult<f32> {
        if (reward as f32).is_finite() {
            return Ok(reward as f32);
        }
        let name = format!("{method}() of {}", self.class);
        Err(Error::invalid(name, "a finite number", reward).into())
    }
}

/// Whether `object` has a callable attribute `name`.
pub fn has_method(object: &Bound<'_, PyAny>, name: &str) -> bool {
    object.getattr(name).is_ok_and(|method| method.is_callable())
}

fn obs_shape(name: &str, env: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, i64)> {
    let shape = integers(name, &env.call_method0("obs_shape")?)?;
    let product = shape.iter().try_fold(1i64, |product, &side| {
        product.checked_mul(side).filter(|&product| side > 0 && product <= i64::from(i32::MAX))
    });
    match product {
        Some(features) if !shape.is_empty() => {
            Ok((shape.into_iter().map(|side| side as usize).collect(), features))
        }
        _ => {
            let expected = "positive integers whose product is below 2^31";
            Err(Error::invalid(name, expected, format!("{shape:?}")).into())
        }
    }
}

/// Optional pairs `(obs_perms [P, F], act_perms [P, A])`; entries are checked, bijectivity of
/// the action permutations is not, since real environments have some that are none.
fn twists(
    name: &str,
    env: &Bound<'_, PyAny>,
    num_features: usize,
    num_actions: usize,
) -> PyResult<Twists> {
    if !has_method(env, "twists") {
        return Ok(Twists::default());
    }
    let pair = env.call_method0("twists")?;
    let (obs_perms, act_perms): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
        pair.extract().map_err(|_| wrong_type(name, "a pair (obs_perms, act_perms)", &pair))?;
    let obs_perms = permutations(&format!("{name}, obs_perms"), &obs_perms, num_features)?;
    let act_perms = permutations(&format!("{name}, act_perms"), &act_perms, num_actions)?;
    if obs_perms.len() != act_perms.len() {
        let expected = format!("{} act_perms, one for each obs_perm", obs_perms.len());
        return Err(Error::invalid(name, expected, act_perms.len()).into());
    }
    Ok((obs_perms, act_perms))
}

fn permutations(name: &str, perms: &Bound<'_, PyAny>, size: usize) -> PyResult<Vec<Vec<usize>>> {
    let perms = perms.try_iter().map_err(|_| wrong_type(name, "a list of lists", perms))?;
    let row = |(i, perm): (usize, PyResult<Bound<'_, PyAny>>)| {
        let name = format!("{name}[{i}]");
        let perm = integers(&name, &perm?)?;
        let fits = |&entry: &i64| (0..size as i64).contains(&entry);
        if perm.len() != size || !perm.iter().all(fits) {
            let expected = format!("{size} entries in 0..{size}");
            return Err(Error::invalid(name, expected, format!("{perm:?}")).into());
        }
        Ok(perm.into_iter().map(|entry| entry as usize).collect())
    };
    perms.enumerate().map(row).collect()
}

/// The items of a list; anything else that can be iterated becomes one.
fn as_list<'py>(
    kind: &Kind,
    method: &Bound<'py, PyString>,
    expected: &str,
    value: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    let value = match value.cast_into::<PyList>() {
        Ok(list) => return Ok(list),
        Err(other) => other.into_inner(),
    };
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        if array.ndim() == 1 {
            return Ok(array.call_method0(intern!(value.py(), "tolist"))?.cast_into()?);
        }
    }
    let items = value.try_iter().map_err(|_| wrong_type(&kind.name(method), expected, &value))?;
    PyList::new(value.py(), items.collect::<PyResult<Vec<_>>>()?)
}

/// Appends the active features of `env` to `indices`.
pub fn observe(kind: &Kind, env: &Bound<'_, PyAny>, indices: &mut Vec<i32>) -> PyResult<()> {
    let method = intern!(env.py(), "observe");
    let features = as_list(kind, method, "a list of integers", env.call_method0(method)?)?;
    for feature in features {
        let index: i64 = feature
            .extract()
            .map_err(|_| wrong_type(&kind.name(method), "a list of integers", &feature))?;
        indices.push(kind.feature("observe", index)?);
    }
    Ok(())
}

/// Writes the masks of `env` to `masks [A]`.
pub fn masks(kind: &Kind, env: &Bound<'_, PyAny>, masks: &mut [bool]) -> PyResult<()> {
    let method = intern!(env.py(), "masks");
    let values = as_list(kind, method, "a list of booleans", env.call_method0(method)?)?;
    if values.len() != masks.len() {
        let expected = format!("{} booleans, one for each action", masks.len());
        return Err(Error::invalid(kind.name(method), expected, values.len()).into());
    }
    for (mask, value) in masks.iter_mut().zip(values) {
        *mask = value
            .extract()
            .map_err(|_| wrong_type(&kind.name(method), "a list of booleans", &value))?;
    }
    Ok(())
}

/// Reward and end of `env` in its current state.
pub fn status(kind: &Kind, env: &Bound<'_, PyAny>) -> PyResult<Status> {
    let py = env.py();
    let flag = |method: &Bound<'_, PyString>| -> PyResult<bool> {
        let value = env.call_method0(method)?;
        value.extract().map_err(|_| wrong_type(&kind.name(method), "a boolean", &value))
    };
    let value = env.call_method0(intern!(py, "value"))?;
    let reward: f64 = value
        .extract()
        .map_err(|_| wrong_type(&kind.name(intern!(py, "value")), "a number", &value))?;
    Ok(Status {
        reward: kind.reward("value", reward)?,
        is_final: flag(intern!(py, "is_final"))?,
        success: flag(intern!(py, "success"))?,
        truncated: kind.has_truncated && flag(intern!(py, "truncated"))?,
    })
}

/// The tracked solution of `env`, if it tracks one: 64-bit entries, no range check.
pub fn solution(kind: &Kind, env: &Bound<'_, PyAny>) -> PyResult<Option<Vec<i64>>> {
    let py = env.py();
    if !kind.has_solution || !env.call_method0(intern!(py, "track_solution"))?.is_truthy()? {
        return Ok(None);
    }
    let method = intern!(py, "solution");
    integers(&kind.name(method), &env.call_method0(method)?).map(Some)
}
