//! Ending by a signal: the first one asks, the second one ends at once.

use std::sync::atomic::{AtomicI32, Ordering};

/// Ctrl-C, a closed terminal, `kill`; Windows has the first and the last.
const NAMES: [(i32, &str); 3] = [(2, "Ctrl-C"), (1, "SIGHUP"), (15, "SIGTERM")];

/// The one that has come, 0 for none.
static COME: AtomicI32 = AtomicI32::new(0);

extern "C" {
    /// Of the C library, which Rust's own stands on.
    fn signal(number: i32, handler: usize) -> usize;
    fn _exit(status: i32) -> !;
}

/// The handler that ignores a signal, as nohup sets it.
const IGNORED: usize = 1;

extern "C" fn handle(number: i32) {
    if COME.swap(number, Ordering::Relaxed) != 0 {
        // SAFETY: it may be called in a handler. Files are written aside and renamed, so there is
        // nothing to clean up.
        unsafe { _exit(128 + number) }
    }
    // SAFETY: as in `heed`; some systems put back what was there before when a signal comes.
    unsafe { signal(number, handle as *const () as usize) };
}

/// From now on the signals that end a process ask it.
pub fn heed() {
    for (number, _) in NAMES.into_iter().filter(|(number, _)| !cfg!(windows) || *number != 1) {
        // SAFETY: the handler has the signature that C expects, and does but what a handler may.
        unsafe {
            if signal(number, handle as *const () as usize) == IGNORED {
                signal(number, IGNORED);
            }
        }
    }
}

pub fn has_come() -> bool {
    COME.load(Ordering::Relaxed) != 0
}

/// What ended the run is called so.
pub fn name() -> &'static str {
    let come = COME.load(Ordering::Relaxed);
    NAMES.iter().find(|(number, _)| *number == come).map_or("a signal", |(_, name)| name)
}

pub fn exit_status() -> u8 {
    128 + COME.load(Ordering::Relaxed) as u8
}
