//! Long calls, without the interpreter lock and open to Ctrl-C.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use twisterl::engine::pool::Poll;
use twisterl::engine::threads::num_left_behind;
use twisterl::python_interface::inside;
use twisterl::Result;

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
pub(crate) fn detached<T: Send>(
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
