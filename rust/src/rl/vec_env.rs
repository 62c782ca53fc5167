//! Many episodes stepped together: one call advances every lane and observes it.

use super::env::{Env, Status};
use crate::error::{Error, Result};
use crate::obs::SparseRows;
use crate::rng::Rng;

/// What a lane does before it is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Starts an episode of this difficulty.
    Reset {
        difficulty: usize,
    },
    /// Starts an episode in a uniformly random state.
    ResetUniform,
    Step {
        action: usize,
    },
    /// Becomes a copy of the lane `parent`, which does not move in the same call, and steps.
    StepFrom {
        parent: usize,
        action: usize,
    },
    /// Nothing: the lane was just loaded.
    Observe,
}

/// A lane and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneMove {
    pub lane: usize,
    pub action: Move,
}

/// What is seen of the lanes that moved, in the order of their moves.
#[derive(Debug, Default)]
pub struct Views {
    pub rows: SparseRows,
    /// `[B, A]`
    pub masks: Vec<bool>,
    /// `[B]`
    pub status: Vec<Status>,
}

impl Views {
    pub fn clear(&mut self) {
        self.rows.clear();
        self.masks.clear();
        self.status.clear();
    }
}

/// A batch of environments of one kind.
///
/// The engine calls [`VecEnv::advance`] once per step of all lanes, so an implementation that
/// enters another language pays for it once.
pub trait VecEnv: Send {
    fn num_lanes(&self) -> usize;
    /// Makes every move, then appends what it led to to `views`. `rngs[lane]` belongs to the lane.
    fn advance(&mut self, moves: &[LaneMove], rngs: &mut [Rng], views: &mut Views) -> Result<()>;
    /// Puts a copy of `env` into `lane`; `env` must be of the batch's own kind.
    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()>;
    /// The tracked solution of `lane`, if the environment tracks one.
    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>>;
}

/// Copies of one environment, stepped in a loop compiled for it.
pub struct Lanes<E> {
    envs: Vec<E>,
    num_actions: usize,
}

impl<E: Env + Clone> Lanes<E> {
    pub fn new(env: &E, num_lanes: usize) -> Self {
        Self { envs: vec![env.clone(); num_lanes], num_actions: env.num_actions() }
    }

    #[inline]
    fn copy(&mut self, from: usize, to: usize) -> Result<()> {
        match self.envs.get_disjoint_mut([from, to]) {
            Ok([from, to]) => to.clone_from(from),
            Err(_) => {
                let expected = format!("another lane in 0..{}", self.envs.len());
                return Err(Error::invalid("parent", expected, from));
            }
        }
        Ok(())
    }
}

impl<E: Env + Clone + 'static> VecEnv for Lanes<E> {
    fn num_lanes(&self) -> usize {
        self.envs.len()
    }

    fn advance(&mut self, moves: &[LaneMove], rngs: &mut [Rng], views: &mut Views) -> Result<()> {
        let first_mask = views.masks.len();
        views.masks.resize(first_mask + moves.len() * self.num_actions, false);
        let masks = views.masks[first_mask..].chunks_exact_mut(self.num_actions);
        for (LaneMove { lane, action }, masks) in moves.iter().zip(masks) {
            if let Move::StepFrom { parent, .. } = *action {
                self.copy(parent, *lane)?;
            }
            let env = &mut self.envs[*lane];
            match *action {
                Move::Step { action } | Move::StepFrom { action, .. } => env.try_step(action)?,
                Move::Reset { difficulty } => {
                    env.set_difficulty(difficulty);
                    env.try_reset(&mut rngs[*lane])?;
                }
                Move::ResetUniform => env.try_reset_uniform(&mut rngs[*lane])?,
                Move::Observe => {}
            }
            views.rows.push_with(|indices| env.try_observe(indices))?;
            env.try_masks(masks)?;
            views.status.push(env.try_status()?);
        }
        Ok(())
    }

    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()> {
        let env = env.as_any().downcast_ref::<E>().ok_or_else(|| {
            Error::invalid("env", std::any::type_name::<E>(), "an environment of another kind")
        })?;
        self.envs[lane].clone_from(env);
        Ok(())
    }

    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>> {
        self.envs[lane].try_solution()
    }
}
