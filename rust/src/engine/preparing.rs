//! How far the work is that comes before an answer, for whoever waits for it.

use std::sync::{Mutex, PoisonError};

/// Of the piece that began last.
static NOW: Mutex<Option<Prepared>> = Mutex::new(None);

/// A piece of work, and how much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub what: &'static str,
    pub done: u64,
    pub total: u64,
}

/// What is prepared now, in any thread of the process.
pub fn preparing() -> Option<Prepared> {
    *NOW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows a piece of work while it lives.
pub(crate) struct Shown(());

impl Shown {
    pub(crate) fn begin(what: &'static str, total: u64) -> Self {
        show(Some(Prepared { what, done: 0, total }));
        Self(())
    }

    pub(crate) fn advance(&self, done: u64) {
        if let Some(now) = &mut *NOW.lock().unwrap_or_else(PoisonError::into_inner) {
            now.done = (now.done + done).min(now.total);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        show(None);
    }
}

fn show(now: Option<Prepared>) {
    *NOW.lock().unwrap_or_else(PoisonError::into_inner) = now;
}
