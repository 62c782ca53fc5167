//! Environments whose every call may fail, and the methods of [`Env`](crate::rl::env::Env) that cannot
//! say so.

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::locks::lock;

/// What a method failed with that cannot report it; the next one that can does.
#[derive(Default)]
pub struct Deferred(Mutex<Option<Error>>);

impl Deferred {
    pub fn of(error: Option<Error>) -> Self {
        Self(Mutex::new(error))
    }

    pub fn take(&self) -> Option<Error> {
        lock(&self.0).take()
    }

    /// Fails with what is kept.
    pub fn report(&self) -> Result<()> {
        self.take().map_or(Ok(()), Err)
    }

    /// What was `done`, or `otherwise` and why is kept.
    pub fn keep<T>(&self, otherwise: T, done: Result<T>) -> T {
        done.unwrap_or_else(|error| {
            *lock(&self.0) = Some(error);
            otherwise
        })
    }
}

/// The methods of `Env` that cannot fail, by those that can; `$described` leads to the environment's
/// `CheckedSpec`. Its fields `difficulty` and `deferred` are used too.
macro_rules! deferring {
    ($($described:ident).+) => {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
        fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
            self
        }
        fn num_actions(&self) -> usize {
            self.$($described).+.num_actions
        }
        fn obs_shape(&self) -> Vec<usize> {
            self.$($described).+.spec.obs.shape().to_vec()
        }
        fn set_difficulty(&mut self, difficulty: usize) {
            self.difficulty = difficulty;
        }
        fn get_difficulty(&self) -> usize {
            self.difficulty
        }
        fn twists(&self) -> Twists {
            self.$($described).+.spec.twists.clone()
        }
        fn set_state(&mut self, state: Vec<i64>) {
            let done = self.try_set_state(&state);
            self.deferred.keep((), done);
        }
        fn step(&mut self, action: usize) {
            let done = self.try_step(action);
            self.deferred.keep((), done);
        }
        fn masks(&self) -> Vec<bool> {
            let mut masks = vec![true; self.num_actions()];
            self.deferred.keep((), self.try_masks(&mut masks));
            masks
        }
        fn is_final(&self) -> bool {
            self.deferred.keep(true, self.try_status().map(|status| status.is_final))
        }
        fn success(&self) -> bool {
            self.deferred.keep(false, self.try_status().map(|status| status.success))
        }
        fn reward(&self) -> f32 {
            self.deferred.keep(0.0, self.try_status().map(|status| status.reward))
        }
        fn observe(&self) -> Vec<usize> {
            let mut indices = Vec::new();
            self.deferred.keep((), self.try_observe(&mut indices));
            indices.into_iter().map(|index| index as usize).collect()
        }
        fn track_solution(&self) -> bool {
            self.deferred.keep(false, self.try_solution().map(|solution| solution.is_some()))
        }
        fn solution(&self) -> Vec<usize> {
            let steps = self.deferred.keep(None, self.try_solution()).unwrap_or_default();
            steps.into_iter().map(|step| step as usize).collect()
        }
        fn spec(&self) -> Cow<'_, EnvSpec> {
            Cow::Borrowed(&self.$($described).+.spec)
        }
    };
}
pub(crate) use deferring;
