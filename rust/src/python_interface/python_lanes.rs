//! Many episodes of a Python environment: the interpreter is entered once for all lanes.

use std::sync::Arc;

use numpy::PyArray1;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;

use super::args::numbers;
use super::error::wrong_type;
use super::python_env::{self, PythonEnv};
use super::python_object::{self as object, has_method, Kind, OwnObject};
use super::{acts, dense, dict, sparse};
use crate::error::{Error, Result};
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::{Acts, ObsSpace};

/// What the batched form is told a lane does; the numbers are part of the protocol.
const RESET: i8 = 0;
const STEP: i8 = 1;
const OBSERVE: i8 = 2;
const RESET_UNIFORM: i8 = 3;

/// Fewer lanes than asked for: a step of all of them is what Ctrl-C waits for, and Python's own
/// time dwarfs what larger batches would save in the network.
const MOST_COPIES: usize = 16;

/// The batched form of `env` if its class offers one, else copies that are played in turn.
pub(super) fn lanes(env: &PythonEnv, num_lanes: usize) -> Result<Box<dyn VecEnv>> {
    Ok(Python::attach(|py| -> PyResult<Box<dyn VecEnv>> {
        let kind = env.kind().clone();
        if kind.has_vectorize {
            // Of a copy, so that what the batches of two threads are made from is not shared.
            let copy = env.copy_object(py)?;
            let batch = copy.bind(py).call_method1(intern!(py, "vectorize"), (num_lanes,))?;
            if !batch.is_none() {
                return Ok(Box::new(Batch::new(batch, kind, num_lanes)?));
            }
        }
        Ok(Box::new(Copies::new(py, env, num_lanes.min(MOST_COPIES))?))
    })?)
}

/// Slots for the states of a search.
pub(super) fn nodes(env: &PythonEnv, num_nodes: usize) -> Result<Box<dyn VecEnv>> {
    Ok(Python::attach(|py| -> PyResult<Box<dyn VecEnv>> {
        Ok(Box::new(Copies::new(py, env, num_nodes)?))
    })?)
}

fn python_env(env: &dyn Env) -> Result<&PythonEnv> {
    let other = || Error::invalid("env", "a Python environment", "one of another kind");
    env.as_any().downcast_ref().ok_or_else(other)
}

/// One object a lane, made when the lane is first used: a search has slots for more states than
/// it may ever reach.
struct Copies {
    first: OwnObject,
    envs: Vec<Option<OwnObject>>,
    kind: Arc<Kind>,
}

impl Copies {
    fn new(py: Python<'_>, env: &PythonEnv, num_lanes: usize) -> PyResult<Self> {
        let envs = (0..num_lanes).map(|_| None).collect();
        Ok(Self { first: env.copy_object(py)?, envs, kind: env.kind().clone() })
    }

    /// The object of `lane`, which no other lane has.
    fn at<'py>(&mut self, py: Python<'py>, lane: usize) -> PyResult<&Bound<'py, PyAny>> {
        let Self { first, envs, kind } = self;
        let env = match &mut envs[lane] {
            Some(env) => env,
            empty => empty.insert(first.copy(py, kind)?),
        };
        Ok(env.bind(py))
    }
}

impl VecEnv for Copies {
    fn num_lanes(&self) -> usize {
        self.envs.len()
    }

    fn advance(
        &mut self,
        moves: &[LaneMove],
        acts: &Acts,
        rngs: &mut [Rng],
        views: &mut Views,
    ) -> Result<()> {
        let kind = self.kind.clone();
        let num_actions = kind.described.num_actions;
        let first_mask = views.masks.len();
        views.masks.resize(first_mask + moves.len() * num_actions, false);
        let masks = &mut views.masks[first_mask..];
        Ok(Python::attach(|py| -> PyResult<()> {
            for (i, &LaneMove { lane, made }) in moves.iter().enumerate() {
                let masks = &mut masks[i * num_actions..][..num_actions];
                if let Move::StepFrom { parent, .. } = made {
                    self.envs[lane] = Some(OwnObject::copy_of(self.at(py, parent)?, &kind)?);
                }
                let env = self.at(py, lane)?;
                match made {
                    Move::Step { action } | Move::StepFrom { action, .. } => {
                        env.call_method1(intern!(py, "next"), (action,))?;
                    }
                    Move::Act { row } => {
                        let action = acts::value(py, acts.row(row))?;
                        env.call_method1(intern!(py, "next"), (action,))?;
                    }
                    Move::Reset { difficulty } => {
                        python_env::reset(&kind, env, difficulty, &mut rngs[lane])?;
                    }
                    Move::ResetUniform => python_env::reset_uniform(&kind, env, &mut rngs[lane])?,
                    Move::Observe => {}
                }
                views.rows.push_with(|indices| object::observe(&kind, env, indices))?;
                object::masks(&kind, env, masks)?;
                views.status.push(object::status(&kind, env)?);
            }
            Ok(())
        })?)
    }

    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()> {
        let env = python_env(env)?;
        self.envs[lane] = Some(Python::attach(|py| env.copy_object(py))?);
        Ok(())
    }

    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>> {
        let env = self.envs[lane].as_ref().unwrap_or(&self.first);
        Ok(Python::attach(|py| object::solution(&self.kind, env.bind(py)))?)
    }
}

/// All lanes in one object: one Python call advances them.
struct Batch {
    object: Py<PyAny>,
    class: String,
    kind: Arc<Kind>,
    num_lanes: usize,
    has_solution: bool,
}

impl Batch {
    fn new(batch: Bound<'_, PyAny>, kind: Arc<Kind>, num_lanes: usize) -> PyResult<Self> {
        let class = batch.get_type().name()?.to_string();
        let missing: Vec<_> =
            ["advance", "load"].into_iter().filter(|name| !has_method(&batch, name)).collect();
        if !missing.is_empty() {
            return Err(PyTypeError::new_err(format!(
                "vectorize() of {}: expected None or an object with the methods advance and \
                 load, got {class} without {}",
                kind.described.spec.name,
                missing.join(", ")
            )));
        }
        let has_solution = has_method(&batch, "solution");
        Ok(Self { object: batch.unbind(), class, kind, num_lanes, has_solution })
    }

    fn name(&self, result: &str) -> String {
        format!("{result} of advance() of {}", self.class)
    }

    fn check_len(&self, result: &str, got: usize, expected: usize) -> PyResult<()> {
        if got == expected {
            return Ok(());
        }
        let name = self.name(result);
        Err(Error::invalid(name, format!("{expected} entries"), got).into())
    }

    fn flags(&self, result: &str, value: &Bound<'_, PyAny>, len: usize) -> PyResult<Vec<bool>> {
        let flags = numbers::<bool, bool, bool>(&|| self.name(result), value, &|_| "")?;
        self.check_len(result, flags.len(), len)?;
        Ok(flags)
    }

    fn read(&self, results: &Bound<'_, PyAny>, count: usize, views: &mut Views) -> PyResult<()> {
        let fields: Vec<Bound<'_, PyAny>> = results.extract().unwrap_or_default();
        let [indices, offsets, masks, rewards, finals, successes, rest @ ..] = fields.as_slice()
        else {
            let expected = "a tuple (indices, offsets, masks, rewards, finals, successes)";
            return Err(wrong_type(&format!("advance() of {}", self.class), expected, results));
        };
        self.read_rows(indices, offsets, count, views)?;
        views.masks.extend(self.flags("masks", masks, count * self.kind.described.num_actions)?);
        let rewards = numbers::<f32, f64, f64>(&|| self.name("rewards"), rewards, &|_| "")?;
        self.check_len("rewards", rewards.len(), count)?;
        let finals = self.flags("finals", finals, count)?;
        let successes = self.flags("successes", successes, count)?;
        let truncated = match rest.first() {
            Some(truncated) => self.flags("truncated", truncated, count)?,
            None => vec![false; count],
        };
        for i in 0..count {
            views.status.push(Status {
                reward: self.kind.described.reward("rewards of advance", rewards[i])?,
                is_final: finals[i],
                success: successes[i],
                truncated: truncated[i],
            });
        }
        Ok(())
    }

    /// Observations: indices and where each row of them begins; or an array, or a dict of such, and None.
    fn read_rows(
        &self,
        indices: &Bound<'_, PyAny>,
        offsets: &Bound<'_, PyAny>,
        count: usize,
        views: &mut Views,
    ) -> PyResult<()> {
        let described = &self.kind.described;
        let source = || self.name("observations");
        let read = match &described.spec.obs {
            ObsSpace::Sparse { .. } => {
                let (name, features) = (|of: &str| self.name(of), described.features("advance"));
                let (told, rows) = ((indices, offsets), &mut views.rows);
                return sparse::read_rows(&features, &name, told, Some(count), rows).map(drop);
            }
            &ObsSpace::Dense { dtype, .. } => {
                let space = (dtype, described.num_features as usize);
                dense::read_rows(&source, space, indices, &mut views.rows)?
            }
            ObsSpace::Dict(parts) => dict::read_rows(&source, parts, indices, &mut views.rows)?,
        };
        self.check_len("observations", read, count)
    }
}

impl VecEnv for Batch {
    fn num_lanes(&self) -> usize {
        self.num_lanes
    }

    fn advance(
        &mut self,
        moves: &[LaneMove],
        acts: &Acts,
        rngs: &mut [Rng],
        views: &mut Views,
    ) -> Result<()> {
        if moves.iter().any(|told| matches!(told.made, Move::StepFrom { .. })) {
            return Err(Error::invalid("advance", "moves in place", "a step from another lane"));
        }
        let mut seed = |lane: usize| (rngs[lane].next_u64() >> 1) as i64;
        let told = |&LaneMove { lane, made }: &LaneMove| match made {
            Move::Reset { difficulty } => (RESET, difficulty as i64, seed(lane)),
            Move::ResetUniform => (RESET_UNIFORM, 0, seed(lane)),
            Move::Step { action } | Move::StepFrom { action, .. } => (STEP, action as i64, 0),
            Move::Act { .. } => (STEP, 0, 0),
            Move::Observe => (OBSERVE, 0, 0),
        };
        let told: Vec<(i8, i64, i64)> = moves.iter().map(told).collect();
        Ok(Python::attach(|py| {
            let lanes =
                PyArray1::from_iter(py, moves.iter().map(|lane_move| lane_move.lane as i64));
            let kinds = PyArray1::from_iter(py, told.iter().map(|told| told.0));
            let values = PyArray1::from_iter(py, told.iter().map(|told| told.1));
            let seeds = PyArray1::from_iter(py, told.iter().map(|told| told.2));
            let batch = self.object.bind(py);
            let name = intern!(py, "advance");
            let results = match acts::rows(py, moves, acts)? {
                None => batch.call_method1(name, (lanes, kinds, values, seeds))?,
                Some(rows) => batch.call_method1(name, (lanes, kinds, values, seeds, rows))?,
            };
            self.read(&results, moves.len(), views)
        })?)
    }

    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()> {
        let env = python_env(env)?;
        Ok(Python::attach(|py| -> PyResult<()> {
            let batch = self.object.bind(py);
            // A copy, which the batch may keep.
            let copy = env.copy_object(py)?;
            batch.call_method1(intern!(py, "load"), (lane, copy.bind(py)))?;
            Ok(())
        })?)
    }

    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>> {
        if !self.has_solution {
            return Ok(None);
        }
        Ok(Python::attach(|py| -> PyResult<Option<Vec<i64>>> {
            let steps = self.object.bind(py).call_method1(intern!(py, "solution"), (lane,))?;
            if steps.is_none() {
                return Ok(None);
            }
            let name = format!("solution() of {}", self.class);
            super::args::integers(&name, &steps).map(Some)
        })?)
    }
}
