//! What the collectors of training data have in common.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::get_env::get_env;
use super::inside;
use super::nn::PyPolicy;
use crate::engine::pool::Poll;
use crate::engine::threads::num_left_behind;
use crate::error::Result;
use crate::nn::Policy;
use crate::rl::env::Env;

/// How often a long call looks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(20);

/// A poll that raises what Python's signal handlers raise; it enters Python 50 times a second.
fn signal_poll() -> impl FnMut() -> Result<()> {
    let mut last = Instant::now();
    move || {
        if last.elapsed() < SIGNAL_INTERVAL {
            return Ok(());
        }
        last = Instant::now();
        Python::attach(|py| {
            inside::interrupt(py);
            py.check_signals()
        })?;
        Ok(())
    }
}

/// Runs `work(poll)` without the interpreter lock; Ctrl-C ends it.
pub(super) fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(Poll<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    let left_behind = num_left_behind();
    let done = py.detach(|| work(&mut signal_poll()));
    if done.is_err() {
        inside::warn(py, left_behind);
    }
    Ok(done?)
}

/// The collections of one run, counted: what they draw from and what each leaves to the next.
pub(super) struct Run<Kept> {
    pub(super) seed: u64,
    state: Mutex<State<Kept>>,
}

#[derive(Default)]
pub(super) struct State<Kept> {
    /// The iteration whose streams the next collection draws from.
    pub(super) iteration: u64,
    /// Away while it collects: another thread that collects meanwhile gets a new one.
    pub(super) kept: Kept,
}

impl<Kept: Default + Send> Run<Kept> {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: Mutex::default() }
    }

    /// Works on the state; no longer than that, since other threads wait.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State<Kept>) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work(kept, env, policy, iteration, poll)` without the interpreter lock.
    pub(super) fn collect<T: Send>(
        &self,
        env: &Bound<'_, PyAny>,
        policy: &Bound<'_, PyPolicy>,
        iteration: Option<u64>,
        work: impl FnOnce(&mut Kept, &dyn Env, &dyn Policy, u64, Poll<'_>) -> Result<T> + Send,
    ) -> PyResult<T> {
        let py = env.py();
        let env = get_env(env)?;
        let policy = policy.get().policy.clone();
        let (iteration, mut kept) = self
            .with(|state| (iteration.unwrap_or(state.iteration), std::mem::take(&mut state.kept)));
        let (kept, collected) = detached(py, |poll| {
            let collected = work(&mut kept, &*env, &*policy, iteration, poll)?;
            Ok((kept, collected))
        })?;
        self.with(|state| *state = State { iteration: iteration + 1, kept });
        Ok(collected)
    }
}
