//! Work shared by threads, while the caller stays free to notice Ctrl-C.

use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::threads::{self, Lent, Stop};
use crate::clock::Deadline;
use crate::error::{caught, Error, Result};
use crate::locks::lock;

pub use super::threads::{num_workers, DEFAULT_CORES};

/// How often the calling thread looks for a reason to stop.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long the calling thread looks for the last results before it sleeps: waking it takes as
/// long.
const PATIENCE: Duration = Duration::from_micros(100);

/// How long an interrupted caller waits for foreign code to return.
const GRACE: Duration = Duration::from_millis(250);

/// Asked from time to time on the calling thread; an error ends the work. It is asked until all
/// workers have ended.
pub type Poll<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Runs `work(worker, stop)` for every worker and returns the results in the order of workers.
///
/// `work` calls `stop` often and returns its error. Worker 0 runs on the calling thread, which no
/// other needs to be woken for. For our own code alone: the caller waits until it returns.
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
    let slots = Slots::new(num_workers);
    run_all(num_workers, poll, &|worker, stop| slots.fill(worker, work(worker, stop)?))?;
    slots.results()
}

/// [`run`] for work that enters environments, which anybody may have written: if the caller is
/// interrupted and they do not return, it goes on without the threads that are inside them.
///
/// Such a thread keeps what it works on. It ends when the environment returns; until then
/// [`num_left_behind`](threads::num_left_behind) counts it.
///
/// # Errors
/// As [`run`]. An environment's [`Error::Interruption`] interrupts as `poll` does.
pub fn run_foreign<T: Send + 'static>(
    num_workers: usize,
    poll: Poll<'_>,
    work: impl Fn(usize, Poll<'_>) -> Result<T> + Send + Sync + 'static,
) -> Result<Vec<T>> {
    if num_workers <= 1 {
        let stop = Arc::default();
        let _inside = threads::enter(&stop);
        let result = caught(|| {
            work(0, &mut || {
                poll()?;
                stop.check()
            })
        });
        return result.map(|result| vec![result]);
    }
    let slots = Arc::new(Slots::new(num_workers));
    let filled = slots.clone();
    let work = move |worker: usize, stop: Poll<'_>| filled.fill(worker, work(worker, stop)?);
    run_all_foreign(num_workers, poll, Arc::new(work))?;
    slots.results()
}

/// What workers found, apart from how they are run: that is compiled once for all kinds of results.
struct Slots<T>(Vec<Mutex<Option<T>>>);

impl<T> Slots<T> {
    fn new(num_workers: usize) -> Self {
        Self((0..num_workers).map(|_| Mutex::new(None)).collect())
    }

    fn fill(&self, worker: usize, result: T) -> Result<()> {
        *lock(&self.0[worker]) = Some(result);
        Ok(())
    }

    /// Of workers that have all ended well.
    fn results(&self) -> Result<Vec<T>> {
        let taken = |slot: &Mutex<Option<T>>| lock(slot).take().ok_or(Error::Interrupted);
        self.0.iter().map(taken).collect()
    }
}

type Work<'a> = dyn Fn(usize, Poll<'_>) -> Result<()> + Send + Sync + 'a;

fn run_all(num_workers: usize, poll: Poll<'_>, work: &Work<'_>) -> Result<()> {
    let pool = threads::kept_pool()?;
    let (mut workers, sender) = Workers::new(num_workers, poll);
    pool.in_place_scope(|scope| {
        for worker in 1..num_workers {
            let (sender, stop) = (sender.clone(), workers.stop.clone());
            scope.spawn(move |_| {
                let result = attempt(&stop, worker, work);
                // The receiver outlives the scope, so this cannot fail.
                let _ = sender.send((worker, result));
            });
        }
        drop(sender);
        workers.lead(work);
        while workers.wait() {}
    });
    workers.result()
}

fn run_all_foreign(num_workers: usize, poll: Poll<'_>, work: Arc<Work<'static>>) -> Result<()> {
    let pool = threads::kept_pool()?;
    let (mut workers, sender) = Workers::new(num_workers, poll);
    let _inside = threads::enter(&workers.stop);
    let lent: Vec<Arc<Lent>> = (1..num_workers).map(|_| Arc::default()).collect();
    for (worker, lent) in (1..).zip(&lent) {
        let (sender, stop, work, lent) =
            (sender.clone(), workers.stop.clone(), work.clone(), lent.clone());
        pool.spawn(move || {
            let inside = threads::enter(&stop);
            let result = attempt(&stop, worker, &*work);
            drop((work, inside));
            lent.end();
            // There is no receiver any more if this thread was left behind.
            let _ = sender.send((worker, result));
        });
    }
    drop(sender);
    workers.lead(&*work);
    while workers.wait() {
        if workers.grace.is_some_and(Deadline::is_over) {
            lent.iter().for_each(|lent| lent.leave());
            break;
        }
    }
    workers.result()
}

/// A worker's share; its failure stops the others.
fn attempt(stop: &Stop, worker: usize, work: &Work<'_>) -> Result<()> {
    let result = caught(|| {
        // It may begin late, when there is nothing left to do.
        stop.check()?;
        work(worker, &mut || stop.check())
    });
    stop.heed(&result);
    result
}

/// The workers of a run, as the calling thread sees them, which is the first of them.
struct Workers<'p> {
    stop: Arc<Stop>,
    poll: Poll<'p>,
    /// What `poll` said.
    cause: Result<()>,
    /// Of the others' work, once the caller is interrupted.
    grace: Option<Deadline>,
    ends: Vec<Option<Result<()>>>,
    receiver: Receiver<(usize, Result<()>)>,
}

impl<'p> Workers<'p> {
    fn new(num_workers: usize, poll: Poll<'p>) -> (Self, Sender<(usize, Result<()>)>) {
        let (sender, receiver) = channel();
        let ends = (0..num_workers.max(1)).map(|_| None).collect();
        let stop = Arc::default();
        (Self { stop, poll, cause: Ok(()), grace: None, ends, receiver }, sender)
    }

    /// Works as worker 0, then looks for the others' ends for a while without sleeping.
    fn lead(&mut self, work: &Work<'_>) {
        let Self { stop, poll, cause, .. } = self;
        let result = caught(|| {
            work(0, &mut || {
                ask(stop, poll, cause);
                stop.check()
            })
        });
        self.stop.heed(&result);
        self.ends[0] = Some(result);
        let patience = Deadline::after(Some(PATIENCE)).ok();
        while patience.is_some_and(|patience| !patience.is_over()) {
            match self.receiver.try_recv() {
                Ok((worker, end)) => self.ends[worker] = Some(end),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
                Err(TryRecvError::Disconnected) => break,
            }
        }
    }

    /// Waits for a worker's end, but not for long; false if there are no more.
    fn wait(&mut self) -> bool {
        match self.receiver.recv_timeout(POLL_INTERVAL) {
            Ok((worker, end)) => self.ends[worker] = Some(end),
            Err(RecvTimeoutError::Timeout) => ask(&self.stop, &mut self.poll, &mut self.cause),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        if self.stop.is_interrupted() && self.grace.is_none() {
            self.grace = Deadline::after(Some(GRACE)).ok();
        }
        true
    }

    fn result(self) -> Result<()> {
        self.cause?;
        let mut stopped = Ok(());
        let mut failed = Ok(());
        for end in self.ends {
            // Who was left behind has none.
            match end.unwrap_or(Err(Error::Interrupted)) {
                Ok(()) => {}
                Err(Error::Interruption(source)) => return Err(Error::Interruption(source)),
                Err(Error::Interrupted) => stopped = Err(Error::Interrupted),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed.and(stopped)
    }
}

fn ask(stop: &Stop, poll: &mut Poll<'_>, cause: &mut Result<()>) {
    let answer = poll();
    if cause.is_ok() && answer.is_err() {
        stop.interrupt();
        *cause = answer;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

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
        let error = run_foreign(2, &mut || Ok(()), forever).unwrap_err();
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
        let boom = |_: usize, _: Poll<'_>| -> Result<()> { panic!("boom") };
        for workers in [1, 2] {
            for error in
                [run(workers, &mut || Ok(()), boom), run_foreign(workers, &mut || Ok(()), boom)]
            {
                assert!(error.unwrap_err().to_string().contains("boom"));
            }
        }
    }

    /// Worker 1 returns only when the test lets it; what it works on is its own all the while.
    #[test]
    fn who_does_not_return_is_left_behind() {
        let before = threads::num_left_behind();
        for raises in [false, true] {
            let [began, gate] = [(); 2].map(|()| Arc::new(Barrier::new(2)));
            let (begin, pass) = (began.clone(), gate.clone());
            let work = move |worker: usize, _: Poll<'_>| {
                begin.wait();
                match worker {
                    0 if raises => return Err(Error::Interruption("the environment's".into())),
                    0 => {}
                    _ => {
                        pass.wait();
                    }
                }
                Ok(worker)
            };
            let mut poll = || if raises { Ok(()) } else { Err(Error::Interrupted) };
            let error = run_foreign(2, &mut poll, work).unwrap_err();
            assert!(matches!(error, Error::Interrupted | Error::Interruption(_)));
            assert_eq!(threads::num_left_behind(), before + 1);
            // The threads that follow are others.
            let all = run_foreign(2, &mut || Ok(()), |worker, _| Ok(worker)).unwrap();
            assert_eq!(all, [0, 1]);
            gate.wait();
            while threads::num_left_behind() > before {
                std::thread::yield_now();
            }
        }
    }
}
