//! What took long to make, kept for later calls.

use std::sync::{Arc, Mutex};

use crate::locks::lock;

/// Things that are kept, those used last.
const MOST_KEPT: usize = 4;

/// The last few things of a kind, the one used last at the end.
pub(crate) struct Kept<T>(Mutex<Vec<Arc<T>>>);

impl<T> Kept<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// The first that `is_wanted`, which counts as used now.
    pub(crate) fn find(&self, is_wanted: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let mut kept = lock(&self.0);
        let found = kept.iter().position(|each| is_wanted(each))?;
        kept[found..].rotate_left(1);
        kept.last().cloned()
    }

    /// Keeps `made`, in place of what was not used for longest if there are too many.
    pub(crate) fn keep(&self, made: T) -> Arc<T> {
        let made = Arc::new(made);
        let mut kept = lock(&self.0);
        let too_many = (kept.len() + 1).saturating_sub(MOST_KEPT);
        kept.drain(..too_many);
        kept.push(made.clone());
        made
    }
}
