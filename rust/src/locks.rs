//! Locks that are taken whatever has become of those who had them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Also after a panic of who had it: panics are told elsewhere.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
