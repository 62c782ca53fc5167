//! Every environment in a batch: copies stepped by one call.

use super::env::{Env, EnvObject, VecEnv};
use super::vec_env::{LaneMove, Move, Views};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::Acts;

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

    fn advance(
        &mut self,
        moves: &[LaneMove],
        acts: &Acts,
        rngs: &mut [Rng],
        views: &mut Views,
    ) -> Result<()> {
        let num_actions = self.num_actions;
        let first_mask = views.masks.len();
        views.masks.resize(first_mask + moves.len() * num_actions, false);
        let masks = &mut views.masks[first_mask..];
        for (i, LaneMove { lane, made }) in moves.iter().enumerate() {
            if let Move::StepFrom { parent, .. } = *made {
                self.copy(parent, *lane)?;
            }
            let env = &mut self.envs[*lane];
            match *made {
                Move::Step { action } | Move::StepFrom { action, .. } => env.try_step(action)?,
                Move::Act { row } => env.try_act(acts.row(row))?,
                Move::Reset { difficulty } => {
                    env.set_difficulty(difficulty);
                    env.try_reset(&mut rngs[*lane])?;
                }
                Move::ResetUniform => env.try_reset_uniform(&mut rngs[*lane])?,
                Move::Observe => {}
            }
            views.rows.push_with(|indices| env.try_observe(indices))?;
            env.try_masks(&mut masks[i * num_actions..][..num_actions])?;
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

impl<E: Env + Clone + 'static> EnvObject for E {
    fn clone_box(&self) -> Box<dyn Env> {
        Box::new(self.clone())
    }

    fn lanes(&self, num_lanes: usize) -> Result<Box<dyn VecEnv>> {
        match self.vectorize(num_lanes) {
            Some(lanes) => lanes,
            None => Ok(Box::new(Lanes::new(self, num_lanes))),
        }
    }

    fn nodes(&self, num_nodes: usize) -> Result<Box<dyn VecEnv>> {
        match self.vectorize_nodes(num_nodes) {
            Some(nodes) => nodes,
            None => Ok(Box::new(Lanes::new(self, num_nodes))),
        }
    }
}
