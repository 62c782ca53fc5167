//! An environment that panics when it is played as none may be.

use std::any::Any;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::error::Result;
use crate::rl::env::{Env, Status, Twists};
use crate::rl::estimates::Estimates;
use crate::rl::spec::EnvSpec;
use crate::rl::transvections::{Matrices, Rows};
use crate::rng::Rng;
use crate::spaces::Act;

/// Plays as the environment it holds, and panics if a step follows the end of an episode, if there
/// is not exactly one observation before a step, or if masks or reward are asked for before it.
///
/// From a goal, where an episode ends, random walks go on; so may this after
/// [`Env::try_reset_goal`].
pub struct Watched {
    env: Box<dyn Env>,
    /// Observed since the last move.
    is_seen: AtomicBool,
    walks: bool,
}

impl Watched {
    /// # Errors
    /// If copying `env` fails.
    pub fn new(env: &dyn Env) -> Result<Self> {
        Ok(Self { env: env.try_clone()?, is_seen: AtomicBool::new(false), walks: false })
    }

    /// The environment, about to be put into another state.
    fn placing(&mut self) -> &mut dyn Env {
        (self.is_seen, self.walks) = (AtomicBool::new(false), false);
        &mut *self.env
    }

    fn assert_seen(&self) {
        assert!(self.is_seen.load(Ordering::Relaxed), "a state is asked about before it is seen");
    }

    fn assert_going(&self) -> Result<()> {
        assert!(self.is_seen.swap(false, Ordering::Relaxed), "a step answers no observation");
        let Status { is_final, success, .. } = self.env.try_status()?;
        assert!(!is_final || (success && self.walks), "a step follows the end of an episode");
        Ok(())
    }
}

impl Clone for Watched {
    fn clone(&self) -> Self {
        let is_seen = AtomicBool::new(self.is_seen.load(Ordering::Relaxed));
        Self { env: self.env.clone(), is_seen, walks: self.walks }
    }
}

impl Env for Watched {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn num_actions(&self) -> usize {
        self.env.num_actions()
    }
    fn obs_shape(&self) -> Vec<usize> {
        self.env.obs_shape()
    }
    fn set_difficulty(&mut self, difficulty: usize) {
        self.env.set_difficulty(difficulty);
    }
    fn get_difficulty(&self) -> usize {
        self.env.get_difficulty()
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.placing().set_state(state);
    }
    fn reset(&mut self) {
        self.placing().reset();
    }
    fn step(&mut self, action: usize) {
        let _ = self.try_step(action);
    }
    fn masks(&self) -> Vec<bool> {
        self.assert_seen();
        self.env.masks()
    }
    fn is_final(&self) -> bool {
        self.env.is_final()
    }
    fn success(&self) -> bool {
        self.env.success()
    }
    fn reward(&self) -> f32 {
        self.env.reward()
    }
    fn observe(&self) -> Vec<usize> {
        self.env.observe()
    }
    fn twists(&self) -> Twists {
        self.env.twists()
    }

    fn spec(&self) -> Cow<'_, EnvSpec> {
        self.env.spec()
    }
    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.placing().try_reset(rng)
    }
    fn try_reset_uniform(&mut self, rng: &mut Rng) -> Result<()> {
        self.placing().try_reset_uniform(rng)
    }
    fn try_reset_goal(&mut self, rng: &mut Rng) -> Result<()> {
        self.placing().try_reset_goal(rng)?;
        self.walks = true;
        Ok(())
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        self.placing().try_set_state(state)
    }
    fn check_solvable(&self) -> Result<()> {
        self.env.check_solvable()
    }
    fn try_step(&mut self, action: usize) -> Result<()> {
        self.try_act(Act::Discrete(action))
    }
    fn try_act(&mut self, act: Act<'_>) -> Result<()> {
        self.assert_going()?;
        self.env.try_act(act)
    }
    fn try_step_away(&mut self, action: usize, rng: &mut Rng) -> Result<()> {
        self.assert_going()?;
        self.env.try_step_away(action, rng)
    }
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        assert!(!self.is_seen.swap(true, Ordering::Relaxed), "a state is observed twice");
        self.env.try_observe(indices)
    }
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        self.assert_seen();
        self.env.try_masks(masks)
    }
    fn try_status(&self) -> Result<Status> {
        self.assert_seen();
        self.env.try_status()
    }
    fn state_key(&self) -> Option<u128> {
        self.env.state_key()
    }
    fn class_key(&self) -> Option<u128> {
        self.env.class_key()
    }
    fn class_hash(&self) -> Option<u64> {
        self.env.class_hash()
    }
    fn traits(&self, traits: &mut Vec<u32>) {
        self.env.traits(traits);
    }
    fn traits_after(&self, masks: &[bool], traits: &mut Vec<u32>) -> Result<()> {
        self.env.traits_after(masks, traits)
    }
    fn num_traits(&self) -> usize {
        self.env.num_traits()
    }
    #[cfg(feature = "learning")]
    fn matrices(&self) -> Option<(Matrices, Rows)> {
        self.env.matrices()
    }
    fn estimates(
        &self,
        bytes: u64,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Arc<dyn Estimates>>> {
        self.env.estimates(bytes, poll)
    }
}
