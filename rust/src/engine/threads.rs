//! The threads of this process that are lent to runs, kept between them.

use std::any::Any;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::{Error, Result};
use crate::locks::lock;

/// A pool remembers its process: after a fork its threads are gone.
struct Kept {
    process: u32,
    pool: Arc<rayon_core::ThreadPool>,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// Threads left behind that are still inside what they were left in.
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

/// Called on every thread that begins foreign work.
static ON_ENTRY: OnceLock<OnEntry> = OnceLock::new();

/// Told what stops the work; what it returns is dropped when the work has ended.
pub type OnEntry = fn(&Arc<Stop>) -> Box<dyn Any>;

/// The `num_cores` of a configuration that names none: as many as most machines have.
pub const DEFAULT_CORES: usize = 32;

/// How many workers `num_cores` means on this machine: never more than it has, at least one.
pub fn num_workers(num_cores: usize) -> usize {
    if num_cores <= 1 {
        // The machine is asked through files, which takes longer than a short solution.
        return 1;
    }
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    num_cores.clamp(1, available)
}

/// Threads that an interrupted run has left behind, inside code that has not returned yet.
pub fn num_left_behind() -> usize {
    LEFT_BEHIND.load(Ordering::Relaxed)
}

/// Lets a language in which environments are written know which threads are inside them.
///
/// The first call counts.
pub fn on_entry(tell: OnEntry) {
    let _ = ON_ENTRY.set(tell);
}

pub(super) fn enter(stop: &Arc<Stop>) -> Option<Box<dyn Any>> {
    ON_ENTRY.get().map(|tell| tell(stop))
}

pub(super) fn kept_pool() -> Result<Arc<rayon_core::ThreadPool>> {
    let process = std::process::id();
    let mut kept = lock(&KEPT);
    if let Some(Kept { pool, .. }) = kept.as_ref().filter(|kept| kept.process == process) {
        return Ok(pool.clone());
    }
    let pool = rayon_core::ThreadPoolBuilder::new()
        .num_threads(num_workers(usize::MAX))
        .thread_name(|index| format!("twisterl-{index}"))
        .build()
        .map_err(|error| Error::invalid("num_cores", "threads that can be started", error))?;
    let pool = Arc::new(pool);
    // The pool of a parent process is leaked: its threads cannot be joined from here.
    std::mem::forget(kept.replace(Kept { process, pool: pool.clone() }));
    Ok(pool)
}

/// What stops a run: all its workers look at it.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

const STOPPED: u8 = 1;
const INTERRUPTED: u8 = 2;

impl Stop {
    /// What a worker came to may end the run for all of them.
    pub(super) fn heed<T>(&self, result: &Result<T>) {
        match result {
            Ok(_) => {}
            Err(Error::Interruption(_)) => self.interrupt(),
            Err(_) => {
                self.0.fetch_max(STOPPED, Ordering::Relaxed);
            }
        }
    }

    /// The caller wants to have control back.
    pub fn interrupt(&self) {
        self.0.fetch_max(INTERRUPTED, Ordering::Relaxed);
    }

    pub fn is_interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == INTERRUPTED
    }

    /// # Errors
    /// [`Error::Interrupted`] once the run is stopped, for whatever reason.
    pub(super) fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(Error::Interrupted),
        }
    }
}

/// A thread's work on a run: it ends, or the thread is left behind, whichever comes first.
#[derive(Debug, Default)]
pub(super) struct Lent(AtomicU8);

const ENDED: u8 = 1;
const LEFT: u8 = 2;

impl Lent {
    /// On the thread, when its work has ended.
    pub(super) fn end(&self) {
        if self.0.swap(ENDED, Ordering::Relaxed) == LEFT {
            LEFT_BEHIND.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// On the caller, which goes on without the thread. The next run gets another pool, in which
    /// no thread is occupied.
    pub(super) fn leave(&self) {
        if self.0.compare_exchange(0, LEFT, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            LEFT_BEHIND.fetch_add(1, Ordering::Relaxed);
            lock(&KEPT).take();
        }
    }
}
