//! How far the work is that comes before an answer, for whoever waits for it.

use std::sync::Mutex;

use crate::locks::lock;

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
    *lock(&NOW)
}

/// Shows a piece of work while it lives.
pub(crate) struct Shown(());

impl Shown {
    pub(crate) fn begin(what: &'static str, total: u64) -> Self {
        show(Some(Prepared { what, done: 0, total }));
        Self(())
    }

    pub(crate) fn advance(&self, done: u64) {
        if let Some(now) = &mut *lock(&NOW) {
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
    *lock(&NOW) = now;
}
