//! `PyBaseEnv`: what every environment written in Rust is in Python.
//!
//! A crate of its own shows its environment like this. The paths of `crate = ...` are there so
//! that it needs no pyo3 besides the one that comes with this crate.
//!
//! ```no_run
//! use twisterl::pyo3::prelude::*;
//! use twisterl::python_interface::env::{get_env_ref, PyBaseEnv};
//! # use twisterl::envs::puzzle::Puzzle as Board;
//!
//! #[pyclass(extends = PyBaseEnv, crate = "twisterl::pyo3")]
//! struct MyBoard;
//!
//! #[pymethods(crate = "twisterl::pyo3")]
//! impl MyBoard {
//!     #[new]
//!     fn new(size: usize) -> PyResult<PyClassInitializer<Self>> {
//!         let env = Box::new(Board::new(size, size, 1, 2, 64)?);
//!         Ok(PyClassInitializer::from(PyBaseEnv { env }).add_subclass(Self))
//!     }
//!
//!     fn solved(slf: PyRef<'_, Self>) -> PyResult<bool> {
//!         Ok(get_env_ref::<Board>(slf.as_super())?.solved())
//!     }
//! }
//! ```

use std::any::{type_name, Any};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCapsule, PyDict};
use pyo3::IntoPyObjectExt;

use super::acts;
use super::args::{count, integer, integers};
use super::capsule;
use super::parameters::from_json;
use super::python_env::PythonEnv;
use super::{dense, dict};
use crate::envs::Listed;
use crate::error::{caught, Error, Result};
use crate::rl::checked::check_action;
use crate::rl::env::{Env, Status, Twists, DIFFICULTIES};
use crate::rng::Rng;
use crate::spaces::{ActSpace, ObsSpace};

/// What every environment of a compiled package is: `A` actions, of which some are legal, and
/// states of `F` binary features, of which some are active.
#[pyclass(subclass, module = "twisterl.twisterl.env")]
pub struct PyBaseEnv {
    pub env: Box<dyn Env>,
}

/// The environment inside `base`, if it is a `T`.
///
/// # Errors
/// TypeError if it is of another type.
pub fn get_env_ref<T: Any>(base: &PyBaseEnv) -> PyResult<&T> {
    base.env.as_any().downcast_ref().ok_or_else(other_type::<T>)
}

/// See [`get_env_ref`].
pub fn get_env_mut<T: Any>(base: &mut PyBaseEnv) -> PyResult<&mut T> {
    base.env.as_any_mut().downcast_mut().ok_or_else(other_type::<T>)
}

fn other_type<T>() -> PyErr {
    PyTypeError::new_err(format!("expected an environment of type {}", type_name::<T>()))
}

/// What the `T` inside `env` was built from.
pub(super) fn arguments<'py, T: Listed>(
    env: &Bound<'py, PyBaseEnv>,
) -> PyResult<Bound<'py, PyDict>> {
    let values = get_env_ref::<T>(&*env.try_borrow()?)?.built_from();
    Ok(from_json(env.py(), &values.into())?.cast_into()?)
}

/// A generator named by `seed`, or by a draw from Python's own `random` module if there is none.
pub(crate) fn generator(py: Python<'_>, seed: Option<&Bound<'_, PyAny>>) -> PyResult<Rng> {
    // Looking the function up takes longer than a reset.
    static GETRANDBITS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let seed = match seed {
        Some(seed) => integer("seed", seed, 0..=i64::MAX)? as u64,
        None => GETRANDBITS.import(py, "random", "getrandbits")?.call1((64,))?.extract()?,
    };
    Ok(Rng::new(seed))
}

impl PyBaseEnv {
    /// Runs `work` on the environment.
    ///
    /// One in Python is let go of first: its methods may let other threads run, which must be
    /// able to read the difficulty or to copy it meanwhile.
    pub(crate) fn with<T>(
        slf: &Bound<'_, Self>,
        work: impl FnOnce(&mut dyn Env) -> Result<T>,
    ) -> PyResult<T> {
        match Self::shared(slf)? {
            Some(mut env) => Ok(caught(|| work(&mut env))?),
            None => {
                let mut base = slf.try_borrow_mut()?;
                Ok(caught(|| work(base.env.as_mut()))?)
            }
        }
    }

    /// Another handle on the environment, if it is one in Python.
    pub(super) fn shared(slf: &Bound<'_, Self>) -> PyResult<Option<PythonEnv>> {
        Ok(slf.try_borrow()?.env.as_any().downcast_ref().map(PythonEnv::share))
    }

    fn status(slf: &Bound<'_, Self>) -> PyResult<Status> {
        Self::with(slf, |env| env.try_status())
    }
}

#[pymethods]
impl PyBaseEnv {
    /// Number of actions `A`.
    fn num_actions(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Self::with(slf, |env| Ok(env.num_actions()))
    }

    /// Shape of the observation, a list of integers; its product is the number of features `F`. `[F]` of
    /// several parts, all their numbers one after another.
    fn obs_shape(slf: &Bound<'_, Self>) -> PyResult<Vec<usize>> {
        Self::with(slf, |env| Ok(env.obs_shape()))
    }

    /// How far from solved `reset` starts, an integer in 0..=1,000,000; ValueError for another one.
    #[getter]
    fn difficulty(&self) -> PyResult<usize> {
        Ok(caught(|| Ok(self.env.get_difficulty()))?)
    }

    #[setter]
    fn set_difficulty(&mut self, difficulty: &Bound<'_, PyAny>) -> PyResult<()> {
        let difficulty = count("difficulty", difficulty, DIFFICULTIES)?;
        caught(|| {
            self.env.set_difficulty(difficulty);
            Ok(())
        })?;
        Ok(())
    }

    /// Puts the environment into `state`, a sequence of integers, with all its steps left.
    ///
    /// Raises ValueError if it is none, and changes nothing then.
    fn set_state(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let state = integers("state", state)?;
        Self::with(slf, |env| env.try_set_state(&state))
    }

    /// Starts an episode. `seed`, an integer in 0..2^63, names the random stream; without one
    /// Python's `random` module does.
    #[pyo3(signature = (seed=None))]
    fn reset(slf: &Bound<'_, Self>, seed: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let mut rng = generator(slf.py(), seed)?;
        Self::with(slf, |env| env.try_reset(&mut rng))
    }

    /// Plays `action`, an integer in `0..num_actions()`, or the integers or numbers that `act_space()`
    /// describes; ValueError for another one.
    fn step(slf: &Bound<'_, Self>, action: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::with(slf, |env| {
            // The usual case takes no memory.
            if let ActSpace::Discrete { n } = env.spec().acts {
                let action = integer("action", action, i64::MIN..=i64::MAX)?;
                return env.try_step(check_action(action, n)?);
            }
            let acts = acts::read(&env.spec().acts, action)?;
            env.try_act(acts.row(0))
        })
    }

    /// A list of `A` booleans, true where the action may be taken.
    fn masks(slf: &Bound<'_, Self>) -> PyResult<Vec<bool>> {
        Self::with(slf, |env| {
            let mut masks = vec![false; env.num_actions()];
            env.try_masks(&mut masks)?;
            Ok(masks)
        })
    }

    /// Whether the episode is over, a boolean.
    fn is_final(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(Self::status(slf)?.is_final)
    }

    /// Whether the goal is reached, a boolean.
    fn success(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(Self::status(slf)?.success)
    }

    /// Reward of being in the current state, a finite float.
    fn reward(slf: &Bound<'_, Self>) -> PyResult<f32> {
        Ok(Self::status(slf)?.reward)
    }

    /// Whether the episode is over only because its steps are used up, a boolean.
    fn truncated(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(Self::status(slf)?.truncated)
    }

    /// Whether the sum of the rewards is what counts, and an episode that is cut off has a future.
    fn is_task(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::with(slf, |env| Ok(env.spec().is_task))
    }

    /// `(low, high)`: the least and the most that each number of a dense observation can be, lists `[F]`; None
    /// where it is not known.
    fn obs_bounds(slf: &Bound<'_, Self>) -> PyResult<Option<(Vec<f32>, Vec<f32>)>> {
        Self::with(slf, |env| Ok(env.spec().obs_bounds.clone()))
    }

    /// What actions are made of: {"type": "discrete", "n": A}, {"type": "multi_discrete", "nvec": [..]} of
    /// parts whose choices are `A` in all, or {"type": "box", "low": [..], "high": [..]}.
    fn act_space<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let space = Self::with(slf, |env| Ok(env.spec().acts.clone()))?;
        acts::description(slf.py(), &space)
    }

    /// What observations are made of: {"dtype": "sparse", "float32" or "uint8", "shape": [..]}, or, where they
    /// have several parts, a dictionary of such by the name of the part, nested ones by their paths.
    fn obs_space<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let space = Self::with(slf, |env| Ok(env.spec().obs.clone()))?;
        dict::description(slf.py(), &space)
    }

    /// What observations are made of: "sparse", "float32" or "uint8"; "dict" of parts, see `obs_space()`.
    fn obs_dtype(slf: &Bound<'_, Self>) -> PyResult<&'static str> {
        Self::with(slf, |env| Ok(env.spec().obs.dtype()))
    }

    /// The active features, a list of integers in `0..F`; where observations are dense, an array of
    /// `obs_shape()` and `obs_dtype()`; of several parts, a dictionary of these.
    fn observe<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (space, words) = Self::with(slf, |env| {
            let mut words = Vec::new();
            env.try_observe(&mut words)?;
            let space = &env.spec().obs;
            // The usual case takes no more memory.
            Ok(((!matches!(space, ObsSpace::Sparse { .. })).then(|| space.clone()), words))
        })?;
        match space {
            None | Some(ObsSpace::Sparse { .. }) => words.into_bound_py_any(slf.py()),
            Some(ObsSpace::Dense { shape, dtype }) => dense::array(slf.py(), &words, dtype, &shape),
            Some(ObsSpace::Dict(parts)) => dict::value(slf.py(), &words, &parts),
        }
    }

    /// `(obs_perms, act_perms)`: lists `[P, F]` and `[P, A]` of permutations that leave the problem as
    /// it is. Feature `i` becomes `obs_perm[i]`, and the logit of action `a` that of `act_perm[a]`.
    fn twists(slf: &Bound<'_, Self>) -> PyResult<Twists> {
        Self::with(slf, |env| Ok(env.twists()))
    }

    /// Whether `solution()` is the answer rather than the actions played.
    fn track_solution(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(Self::with(slf, |env| env.try_solution())?.is_some())
    }

    /// The solution that the environment tracked, a list of integers; empty if it tracks none.
    fn solution(slf: &Bound<'_, Self>) -> PyResult<Vec<i64>> {
        Ok(Self::with(slf, |env| env.try_solution())?.unwrap_or_default())
    }

    /// What the actions are called, a list of `A` strings.
    fn action_names(slf: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        Self::with(slf, |env| Ok(env.spec().action_names.clone()))
    }

    /// What `set_state` takes to come back here, a list of integers; ValueError if this environment
    /// cannot tell.
    fn get_state(slf: &Bound<'_, Self>) -> PyResult<Vec<i64>> {
        Self::with(slf, |env| readable_state(env))
    }

    /// A state drawn uniformly from all that can be solved, a list of integers, by the random stream
    /// that `seed` names as in `reset`; the environment stays where it is.
    ///
    /// Raises ValueError if this environment cannot draw so, or cannot tell its state.
    #[pyo3(signature = (seed=None))]
    fn random_state(slf: &Bound<'_, Self>, seed: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<i64>> {
        let mut rng = generator(slf.py(), seed)?;
        Self::with(slf, |env| {
            let mut env = env.try_clone()?;
            env.try_reset_uniform(&mut rng)?;
            readable_state(&*env)
        })
    }

    /// The state as lines of text.
    fn __str__(slf: &Bound<'_, Self>) -> PyResult<String> {
        match Self::with(slf, |env| Ok(env.render()))? {
            Some(text) => Ok(text),
            None => Ok(slf.repr()?.to_string()),
        }
    }

    /// The state as an SVG image, which notebooks show.
    fn _repr_svg_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("twisterl.pictures")?.call_method1("svg_of", (slf,))
    }

    /// Prints the state.
    fn display(slf: &Bound<'_, Self>) -> PyResult<()> {
        let text = slf.str()?.to_string();
        // Through Python's own print, so that notebooks and capture see it.
        slf.py().import("builtins")?.call_method1("print", (text.trim_end_matches('\n'),))?;
        Ok(())
    }

    /// The capsule that other libraries play this environment through.
    fn __twisterl_env__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::capsule(slf.py(), Self::with(slf, |env| env.try_clone())?)
    }
}

fn readable_state(env: &dyn Env) -> Result<Vec<i64>> {
    env.state().ok_or_else(|| {
        Error::invalid("env", "an environment whose state can be read", "one that cannot tell it")
    })
}

pub use super::get_env::get_env;
