//! Calling an environment written in Python and checking every value that it returns.
//!
//! All functions here need the interpreter lock and take it from the `Bound` they are given.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::args::{count, integers, list, sizes};
use super::error::wrong_type;
use super::{acts, dense, dict, sparse};
use crate::error::Error;
use crate::rl::checked::CheckedSpec;
use crate::rl::env::{Status, Twists};
use crate::rl::spec::EnvSpec;
use crate::spaces::{ActSpace, ObsSpace, MOST_ACTIONS};

/// The methods that every Python environment has.
pub const REQUIRED: [&str; 11] = [
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
/// Those that one with `act_space` need not have, and one with `obs_space`.
const FOR_CHOICES: [&str; 2] = ["num_actions", "masks"];
const FOR_ONE_PART: [&str; 1] = ["obs_shape"];

/// What is the same for all copies of a Python environment; asked for once.
pub struct Kind {
    pub described: CheckedSpec,
    pub has_masks: bool,
    pub has_solution: bool,
    pub has_reseed: bool,
    pub has_check_solvable: bool,
    pub has_vectorize: bool,
}

impl Kind {
    /// # Errors
    /// TypeError naming the methods that are missing; ValueError if a size or twist is wrong.
    pub fn of(env: &Bound<'_, PyAny>) -> PyResult<Self> {
        let class = env.get_type().name()?.to_string();
        let has_space = has_method(env, "act_space");
        let has_obs_space = has_method(env, "obs_space");
        let is_missing = |name: &&str| {
            let is_spared = has_space && FOR_CHOICES.contains(name)
                || has_obs_space && FOR_ONE_PART.contains(name);
            !(has_method(env, name) || is_spared)
        };
        let missing: Vec<_> = REQUIRED.into_iter().filter(is_missing).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(PyTypeError::new_err(format!(
                "env: expected an object with the methods of a Python environment, got {class} \
                 without {missing}"
            )));
        }
        let name = |method: &str| format!("{method}() of {class}");
        let acts = match has_space {
            true => acts::space(&name("act_space"), &env.call_method0("act_space")?)?,
            false => {
                let n = env.call_method0("num_actions")?;
                let n = count(&name("num_actions"), &n, 1..=MOST_ACTIONS as u32)?;
                ActSpace::Discrete { n }
            }
        };
        let space = match has_obs_space {
            true => dict::space(&name("obs_space"), &env.call_method0("obs_space")?)?,
            false => {
                let shape = sizes(&name("obs_shape"), &env.call_method0("obs_shape")?)?;
                space(&name("obs_dtype"), env, shape)?
            }
        };
        let twists = twists(&name("twists"), env)?;
        let has = |method: &str| has_method(env, method);
        let inverse_actions = match has("inverse_actions") {
            true => inverse_actions(&name("inverse_actions"), env)?,
            false => None,
        };
        let spec = EnvSpec {
            twists,
            inverse_actions,
            has_goal: has("reset_goal"),
            has_uniform: has("reset_uniform"),
            tells_truncation: has("truncated"),
            is_task: has("is_task") && env.call_method0("is_task")?.is_truthy()?,
            ..EnvSpec::new(class, space, acts)
        };
        Ok(Self {
            has_masks: spec.num_actions() > 0 && has("masks"),
            has_solution: has("track_solution") && has("solution"),
            has_reseed: has("reseed"),
            has_check_solvable: has("check_solvable"),
            has_vectorize: has("vectorize"),
            described: CheckedSpec::new(spec)?,
        })
    }
}

/// A Python environment that nobody else plays: another one is made by its `copy()` alone.
pub struct OwnObject(Py<PyAny>);

impl OwnObject {
    /// What `copy()` of `env` returns.
    ///
    /// # Errors
    /// TypeError if that is no environment, or `env` itself, which would then be played twice.
    pub fn copy_of(env: &Bound<'_, PyAny>, kind: &Kind) -> PyResult<Self> {
        let copy = env.call_method0(intern!(env.py(), "copy"))?;
        let got = if copy.is(env) {
            "the environment itself".to_owned()
        } else if copy.get_type().is(env.get_type()) || has_method(&copy, "next") {
            return Ok(Self(copy.unbind()));
        } else {
            copy.get_type().name()?.to_string()
        };
        let name = kind.described.name("copy");
        Err(PyTypeError::new_err(format!("{name}: expected an independent copy, got {got}")))
    }

    pub fn copy(&self, py: Python<'_>, kind: &Kind) -> PyResult<Self> {
        Self::copy_of(self.bind(py), kind)
    }

    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.bind(py)
    }

    /// The object, given away.
    pub fn into_object(self) -> Py<PyAny> {
        self.0
    }
}

/// Whether `object` has a callable attribute `name`.
pub fn has_method(object: &Bound<'_, PyAny>, name: &str) -> bool {
    object.getattr(name).is_ok_and(|method| method.is_callable())
}

/// The optional pairs `(obs_perms [P, F], act_perms [P, A])`.
fn twists(name: &str, env: &Bound<'_, PyAny>) -> PyResult<Twists> {
    if !has_method(env, "twists") {
        return Ok(Twists::default());
    }
    let pair = env.call_method0("twists")?;
    let (obs_perms, act_perms): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
        pair.extract().map_err(|_| wrong_type(name, "a pair (obs_perms, act_perms)", &pair))?;
    let rows = |perms: &Bound<'_, PyAny>| {
        let rows = perms.try_iter().map_err(|_| wrong_type(name, "lists of lists", perms))?;
        rows.map(|perm| sizes(name, &perm?)).collect::<PyResult<Vec<_>>>()
    };
    Ok((rows(&obs_perms)?, rows(&act_perms)?))
}

/// The observations: sparse unless `obs_dtype()` says otherwise.
fn space(name: &str, env: &Bound<'_, PyAny>, shape: Vec<usize>) -> PyResult<ObsSpace> {
    if !has_method(env, "obs_dtype") {
        return Ok(ObsSpace::Sparse { shape });
    }
    let dtype = env.call_method0("obs_dtype")?;
    let known = dtype.extract::<String>().ok().and_then(|dtype| ObsSpace::of(shape, &dtype));
    known.ok_or_else(|| {
        let expected = ObsSpace::DTYPES.map(|dtype| format!("\"{dtype}\"")).join(", ");
        match dtype.repr() {
            Ok(got) => Error::invalid(name, format!("one of {expected}"), got).into(),
            Err(raised) => raised,
        }
    })
}

/// What undoes each action, or None.
fn inverse_actions(name: &str, env: &Bound<'_, PyAny>) -> PyResult<Option<Vec<usize>>> {
    let actions = env.call_method0("inverse_actions")?;
    if actions.is_none() {
        return Ok(None);
    }
    sizes(name, &actions).map(Some)
}

/// Appends the words of the observation of `env` to `words`.
pub fn observe(kind: &Kind, env: &Bound<'_, PyAny>, words: &mut Vec<i32>) -> PyResult<()> {
    let described = &kind.described;
    let value = env.call_method0(intern!(env.py(), "observe"))?;
    let source = || described.name("observe");
    match &described.spec.obs {
        ObsSpace::Sparse { .. } => sparse::read(&described.features("observe"), value, words),
        ObsSpace::Dense { dtype, shape } => dense::read(&source, (*dtype, shape), &value, words),
        ObsSpace::Dict(parts) => dict::read(&source, parts, &value, words),
    }
}

/// Writes the masks of `env` to `masks [A]`; all true where it has none.
pub fn masks(kind: &Kind, env: &Bound<'_, PyAny>, masks: &mut [bool]) -> PyResult<()> {
    if !kind.has_masks {
        masks.fill(true);
        return Ok(());
    }
    let method = intern!(env.py(), "masks");
    let source = || kind.described.name(method);
    let values = list(&source, "a list of booleans", env.call_method0(method)?)?;
    if values.len() != masks.len() {
        let expected = format!("{} booleans, one for each action", masks.len());
        return Err(Error::invalid(kind.described.name(method), expected, values.len()).into());
    }
    for (mask, value) in masks.iter_mut().zip(values) {
        *mask = value
            .extract()
            .map_err(|_| wrong_type(&kind.described.name(method), "a list of booleans", &value))?;
    }
    Ok(())
}

/// Reward and end of `env` in its current state.
pub fn status(kind: &Kind, env: &Bound<'_, PyAny>) -> PyResult<Status> {
    let py = env.py();
    let flag = |method: &Bound<'_, PyString>| -> PyResult<bool> {
        let value = env.call_method0(method)?;
        value.extract().map_err(|_| wrong_type(&kind.described.name(method), "a boolean", &value))
    };
    let value = env.call_method0(intern!(py, "value"))?;
    let reward: f64 = value
        .extract()
        .map_err(|_| wrong_type(&kind.described.name(intern!(py, "value")), "a number", &value))?;
    Ok(Status {
        reward: kind.described.reward("value", reward)?,
        is_final: flag(intern!(py, "is_final"))?,
        success: flag(intern!(py, "success"))?,
        truncated: kind.described.spec.tells_truncation && flag(intern!(py, "truncated"))?,
    })
}

/// The tracked solution of `env`, if it tracks one: 64-bit entries, no range check.
pub fn solution(kind: &Kind, env: &Bound<'_, PyAny>) -> PyResult<Option<Vec<i64>>> {
    let py = env.py();
    if !kind.has_solution || !env.call_method0(intern!(py, "track_solution"))?.is_truthy()? {
        return Ok(None);
    }
    let method = intern!(py, "solution");
    integers(&kind.described.name(method), &env.call_method0(method)?).map(Some)
}
