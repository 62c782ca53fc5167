//! One thread pool per process, kept; the caller stays free to notice Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{caught, Error, Result};

/// How often the calling thread looks for a reason to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long the calling thread looks for the last results before it sleeps: waking it takes as
/// long.
const PATIENCE: Duration = Duration::from_micros(100);

/// Asked from time to time on the calling thread; an error ends the work.
pub type Poll<'a> = &'a mut dyn FnMut() -> Result<()>;

/// A pool remembers its process: after a fork its threads are gone.
struct Kept {
    process: u32,
    pool: Arc<rayon::ThreadPool>,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// How many workers `num_cores` means on this machine: never more than it has, at least one.
pub fn num_workers(num_cores: usize) -> usize {
    if num_cores <= 1 {
        // The machine is asked through files, which takes longer than a short solution.
        return 1;
    }
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    num_cores.clamp(1, available)
}

fn kept_pool() -> Result<Arc<rayon::ThreadPool>> {
    let process = std::process::id();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Kept { pool, .. }) = kept.as_ref().filter(|kept| kept.process == process) {
        return Ok(pool.clone());
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(num_workers(usize::MAX))
        .thread_name(|index| format!("twisterl-{index}"))
        .build()
        .map_err(|error| Error::invalid("num_cores", "threads that can be started", error))?;
    let pool = Arc::new(pool);
    // The pool of a parent process is leaked: its threads cannot be joined from here.
    std::mem::forget(kept.replace(Kept { process, pool: pool.clone() }));
    Ok(pool)
}

/// Runs `work(worker, stop)` for every worker and returns the results in the order of workers.
///
/// `work` calls `stop` often and returns its error. Worker 0 runs on the calling thread, which no
/// other needs to be woken for.
///
/// # Errors
/// The error of the lowest worker that failed by itself; a panic becomes [`Error::Panic`].
pub fn run<T: Send>(
    num_workers: usize,
    poll: Poll<'_>,
    work: impl Fn(usize, Poll<'_>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    if num_workers <= 1 {
        return caught(|| work(0, poll)).map(|result| vec![result]);
    }
    let pool = kept_pool()?;
    let stopped = AtomicBool::new(false);
    let stop = || match stopped.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted),
        false => Ok(()),
    };
    let (sender, receiver) = channel();
    let mut results: Vec<Option<Result<T>>> = (0..num_workers).map(|_| None).collect();
    let mut cause = Ok(());
    pool.in_place_scope(|scope| {
        for worker in 1..num_workers {
            let (sender, stopped, stop, work) = (sender.clone(), &stopped, &stop, &work);
            scope.spawn(move |_| {
                let result = caught(|| work(worker, &mut || stop()));
                stopped.fetch_or(result.is_err(), Ordering::Relaxed);
                // The receiver outlives the scope, so this cannot fail.
                let _ = sender.send((worker, result));
            });
        }
        drop(sender);
        let mut ask = || {
            if cause.is_ok() {
                cause = poll();
                stopped.fetch_or(cause.is_err(), Ordering::Relaxed);
            }
        };
        let result = caught(|| {
            work(0, &mut || {
                ask();
                stop()
            })
        });
        stopped.fetch_or(result.is_err(), Ordering::Relaxed);
        results[0] = Some(result);
        let patient_until = Instant::now() + PATIENCE;
        while Instant::now() < patient_until {
            match receiver.try_recv() {
                Ok((worker, result)) => results[worker] = Some(result),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        loop {
            match receiver.recv_timeout(POLL_INTERVAL) {
                Ok((worker, result)) => results[worker] = Some(result),
                Err(RecvTimeoutError::Timeout) => ask(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    cause?;
    let mut all = Vec::with_capacity(num_workers);
    let mut interrupted = Ok(());
    for result in results.into_iter().flatten() {
        match result {
            Ok(result) => all.push(result),
            Err(Error::Interrupted) => interrupted = Err(Error::Interrupted),
            Err(error) => return Err(error),
        }
    }
    interrupted.map(|()| all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_errors_stop_all() {
        let squares = run(2, &mut || Ok(()), |worker, _| Ok(worker * worker)).unwrap();
        assert_eq!(squares, [0, 1]);
        let forever = |worker: usize, stop: Poll<'_>| -> Result<()> {
            if worker == 1 {
                return Err(Error::invalid("worker", "0", worker));
            }
            loop {
                stop()?;
            }
        };
        let error = run(2, &mut || Ok(()), forever).unwrap_err();
        assert!(error.to_string().starts_with("worker"), "{error}");
        let error = run(2, &mut || Err(Error::Interrupted), |_, stop| -> Result<()> {
            loop {
                stop()?;
            }
        });
        assert!(matches!(error, Err(Error::Interrupted)));
    }

    #[test]
    fn a_panic_is_an_error() {
        for workers in [1, 2] {
            let error = run(workers, &mut || Ok(()), |_, _| -> Result<()> { panic!("boom") });
            assert!(error.unwrap_err().to_string().contains("boom"));
        }
    }
}
