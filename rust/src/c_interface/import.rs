//! Playing an environment that came as a capsule.
//!
//! What it returns is checked like the answers of a Python environment: index ranges, flags,
//! finite rewards.

use std::borrow::Cow;

use super::abi::*;
use super::env::ForeignEnv;
use super::foreign::{call, Foreign};
use super::lanes::ForeignLanes;
use crate::error::Result;
use crate::rl::deferred::deferring;
use crate::rl::env::{Env, Status, Twists};
use crate::rl::spec::EnvSpec;
use crate::rl::vec_env::VecEnv;
use crate::rng::Rng;
use crate::spaces::Act;

impl Env for ForeignEnv {
    deferring!(described);

    fn reset(&mut self) {
        let difficulty = self.difficulty as u64;
        let done = self.call(|foreign| {
            foreign.check(call!(foreign, set_difficulty, difficulty))?;
            foreign.check(call!(foreign, reset))
        });
        self.deferred.keep((), done);
    }

    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.make(RESET, self.difficulty, rng.next_u64())
    }
    fn try_reset_uniform(&mut self, rng: &mut Rng) -> Result<()> {
        self.make(RESET_UNIFORM, 0, rng.next_u64())
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        let set = |foreign: &Foreign| call!(foreign, set_state, state.as_ptr(), state.len());
        self.call(|foreign| foreign.check(set(foreign)))
    }
    fn check_solvable(&self) -> Result<()> {
        self.call(|foreign| foreign.check(call!(foreign, check_solvable)))
    }
    fn try_step(&mut self, action: usize) -> Result<()> {
        self.make(STEP, action, 0)
    }
    fn try_act(&mut self, act: Act<'_>) -> Result<()> {
        match act {
            Act::Discrete(action) => self.try_step(action),
            act => self.call(|foreign| foreign.act(act)),
        }
    }
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        self.call(|foreign| foreign.observe(&self.described, indices))
    }
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        self.call(|foreign| foreign.masks(masks))
    }
    fn try_status(&self) -> Result<Status> {
        self.call(|foreign| foreign.status(&self.described))
    }
    fn try_solution(&self) -> Result<Option<Vec<i64>>> {
        self.call(Foreign::solution)
    }
    fn try_reset_goal(&mut self, rng: &mut Rng) -> Result<()> {
        let seed = rng.next_u64();
        self.call(|foreign| foreign.reset_goal(seed))
    }
    fn try_clone(&self) -> Result<Box<dyn Env>> {
        Ok(Box::new(self.with(Ok(self.copy_foreign()?))))
    }
    fn vectorize(&self, num_lanes: usize) -> Option<Result<Box<dyn VecEnv>>> {
        let lanes = ForeignLanes::new(self, self.described.clone(), num_lanes);
        Some(lanes.map(|lanes| Box::new(lanes) as Box<dyn VecEnv>))
    }
}
