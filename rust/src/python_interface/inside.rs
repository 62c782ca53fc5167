//! Threads that play environments: Python raises KeyboardInterrupt in them, as it does by itself in
//! the main thread alone, and its exit does not take them by surprise.

use std::any::Any;
use std::os::raw::{c_long, c_ulong};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;

use crate::engine::threads::{num_left_behind, on_entry, Stop};
use crate::locks::lock;

/// How long the interpreter's exit waits for threads that are inside environments.
const FAREWELL: Duration = Duration::from_millis(200);

/// A thread, as Python names it, and what stops its work.
struct Inside {
    process: u32,
    thread: c_ulong,
    stop: Arc<Stop>,
}

/// Whether the interpreter is about to go.
static EXITING: AtomicBool = AtomicBool::new(false);

static INSIDE: Mutex<Vec<Inside>> = Mutex::new(Vec::new());

fn all() -> MutexGuard<'static, Vec<Inside>> {
    lock(&INSIDE)
}

fn this_thread() -> c_ulong {
    // SAFETY: asks the operating system, and needs no interpreter lock.
    unsafe { pyo3::ffi::PyThread_get_thread_ident() }
}

/// Takes the thread off the list when its work has ended.
struct Entry(Arc<Stop>);

impl Drop for Entry {
    fn drop(&mut self) {
        let thread = this_thread();
        let leave = || all().retain(|at| at.thread != thread || !Arc::ptr_eq(&at.stop, &self.0));
        if !self.0.is_interrupted() {
            return leave();
        }
        Python::attach(|_| {
            leave();
            // What it did not notice is not meant for what it does next.
            // SAFETY: as in `raise`.
            unsafe { raise(thread, std::ptr::null_mut()) };
        });
    }
}

/// Makes the Python code of `thread` raise the exception `class`, or none after all if it is null.
///
/// # Safety
/// The interpreter lock is held. A thread that Python does not know changes nothing.
unsafe fn raise(thread: c_ulong, class: *mut pyo3::ffi::PyObject) {
    // SAFETY: as above.
    unsafe { pyo3::ffi::PyThreadState_SetAsyncExc(thread as c_long, class) };
}

fn enter(stop: &Arc<Stop>) -> Box<dyn Any> {
    let (process, thread) = (std::process::id(), this_thread());
    all().push(Inside { process, thread, stop: stop.clone() });
    Box::new(Entry(stop.clone()))
}

/// Raises KeyboardInterrupt in the Python code of other threads whose runs were interrupted.
///
/// A thread that is outside Python, or in a call that is not Python's own, does not notice.
pub fn interrupt(_: Python<'_>) {
    let (process, this) = (std::process::id(), this_thread());
    for Inside { thread, .. } in all().iter().filter(|inside| {
        inside.process == process && inside.thread != this && inside.stop.is_interrupted()
    }) {
        // SAFETY: the token proves that the lock is held. While the list is locked the thread cannot
        // leave the work that it is on the list for.
        unsafe { raise(*thread, class_of_interruptions()) };
    }
}

/// What an interruption raises: KeyboardInterrupt, or at the exit what a thread dies of in silence.
fn class_of_interruptions() -> *mut pyo3::ffi::PyObject {
    // SAFETY: both live as long as the interpreter.
    unsafe {
        match EXITING.load(Ordering::Relaxed) {
            false => pyo3::ffi::PyExc_KeyboardInterrupt,
            true => pyo3::ffi::PyExc_SystemExit,
        }
    }
}

/// The error of a run that was interrupted by another thread.
pub fn interrupted() -> PyErr {
    match EXITING.load(Ordering::Relaxed) {
        false => PyKeyboardInterrupt::new_err(()),
        true => PySystemExit::new_err(()),
    }
}

/// Stops all runs before the interpreter goes: a thread that comes back into Python after that
/// would be ended in the middle of our code, which aborts the process.
#[pyfunction]
#[pyo3(name = "_stop_all")]
fn stop_all(py: Python<'_>) {
    EXITING.store(true, Ordering::Relaxed);
    let process = std::process::id();
    let began = Instant::now();
    while began.elapsed() < FAREWELL {
        let this = this_thread();
        let others = {
            let all = all();
            let others = all.iter().filter(|at| at.process == process && at.thread != this);
            others.map(|inside| inside.stop.interrupt()).count()
        };
        if others == 0 {
            return;
        }
        interrupt(py);
        py.detach(|| std::thread::sleep(Duration::from_millis(5)));
    }
}

/// How many threads are still inside environments that did not return when they were interrupted.
///
/// Each is left behind with what it was playing and ends when the environment returns.
#[pyfunction]
fn num_threads_left_behind() -> usize {
    num_left_behind()
}

/// Tells of threads that a run has left behind.
pub fn warn(py: Python<'_>, before: usize) {
    let now = num_left_behind();
    if now > before {
        let threads = if now == 1 { "1 thread is" } else { &format!("{now} threads are") };
        let text = format!(
            "{threads} still inside a method of an environment, which has not returned after an \
             interruption; it goes on in the background until it does"
        );
        // Where warnings are errors, the interruption is the one that counts.
        let category = py.get_type::<pyo3::exceptions::PyRuntimeWarning>();
        if let Ok(text) = std::ffi::CString::new(text) {
            let _ = PyErr::warn(py, &category, &text, 1);
        }
    }
}

/// Adds this module's names to the submodule `collector`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    on_entry(enter);
    let stop_all = wrap_pyfunction!(stop_all, module)?;
    module.py().import("atexit")?.call_method1("register", (stop_all,))?;
    module.add_function(wrap_pyfunction!(num_threads_left_behind, module)?)
}
