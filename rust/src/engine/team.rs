//! Workers that stay together for many pieces of work, each as short as it takes to wake a thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::pool::{run, Poll, POLL_INTERVAL};
use crate::clock::Deadline;
use crate::error::{caught, Error, Result};
use crate::locks::lock;

/// How long a worker looks for what it waits for before it sleeps.
const PATIENCE: Duration = Duration::from_micros(30);

/// What all workers do at once.
type Job<'a> = dyn Fn() + Sync + 'a;

/// See the [module](self).
pub struct Team {
    num_workers: usize,
    /// The calling thread.
    leader: Thread,
    /// Jobs so far, the end included; a follower that has not seen the last one looks at `state`.
    num_jobs: AtomicUsize,
    /// Followers that are in the job.
    num_inside: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    job: Option<&'static Job<'static>>,
    has_ended: bool,
    followers: Vec<Thread>,
}

/// Runs `lead` on the calling thread, with a team that it shares its work with.
///
/// # Errors
/// As [`run`]: what `lead` or `poll` fail with; a panic becomes [`Error::Panic`].
pub fn lead<T: Send>(
    num_workers: usize,
    poll: Poll<'_>,
    lead: impl FnMut(&Team, Poll<'_>) -> Result<T> + Send,
) -> Result<T> {
    let team = Team {
        num_workers,
        leader: thread::current(),
        num_jobs: AtomicUsize::new(0),
        num_inside: AtomicUsize::new(0),
        state: Mutex::default(),
    };
    let lead = Mutex::new(lead);
    let results = run(num_workers, poll, |worker, poll| {
        if worker > 0 {
            team.follow();
            return Ok(None);
        }
        let _end = End(&team);
        (*lock(&lead))(&team, poll).map(Some)
    })?;
    results.into_iter().flatten().next().ok_or(Error::Interrupted)
}

impl Team {
    /// Workers, the calling thread included.
    pub fn num_workers(&self) -> usize {
        self.num_workers
    }

    /// Calls `work` for every item, by any of the workers; returns when all of it is done.
    ///
    /// # Errors
    /// The first of `work` or `poll`, which is asked now and while others work: no item is begun
    /// after it.
    pub fn share<I: Iterator<Item: Send> + Send>(
        &self,
        items: I,
        poll: Poll<'_>,
        work: impl Fn(I::Item) -> Result<()> + Sync,
    ) -> Result<()> {
        poll()?;
        let queue = Queue(Mutex::new((Some(items), Ok(()))));
        let job = || queue.drain(&work);
        if self.num_workers > 1 {
            let round = self.open(&job);
            job();
            round.wait(|| queue.heed(poll()));
        } else {
            job();
        }
        queue.0.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Hands `job` to the followers until the round is dropped.
    fn open<'a>(&'a self, job: &'a Job<'a>) -> Round<'a> {
        // SAFETY: the lifetime alone is changed. A follower takes the job under the lock and is
        // counted as inside until it has returned from it. `Round`, which has the true lifetime, takes
        // the job away under the lock and waits until nobody is inside, before it ends: it is in this
        // module alone, which never forgets one.
        let job = unsafe { std::mem::transmute::<&'a Job<'a>, &'static Job<'static>>(job) };
        self.tell(|state| state.job = Some(job));
        Round(self)
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        change(&mut state);
        self.num_jobs.fetch_add(1, Ordering::Release);
        state.followers.iter().for_each(Thread::unpark);
    }

    /// Takes part in all jobs until the end.
    fn follow(&self) {
        lock(&self.state).followers.push(thread::current());
        let mut seen = 0;
        loop {
            let is_new = || self.num_jobs.load(Ordering::Acquire) != seen;
            wait_until(is_new, thread::park);
            let job = {
                let state = lock(&self.state);
                if state.has_ended {
                    return;
                }
                seen = self.num_jobs.load(Ordering::Relaxed);
                // It may be done already.
                let Some(job) = state.job else { continue };
                self.num_inside.fetch_add(1, Ordering::Relaxed);
                job
            };
            job();
            if self.num_inside.fetch_sub(1, Ordering::Release) == 1 {
                self.leader.unpark();
            }
        }
    }
}

/// A job that followers may be in.
struct Round<'a>(&'a Team);

impl Round<'_> {
    /// Waits until nobody is in the job; calls `meanwhile` from time to time.
    fn wait(&self, mut meanwhile: impl FnMut()) {
        lock(&self.0.state).job = None;
        let is_over = || self.0.num_inside.load(Ordering::Acquire) == 0;
        wait_until(is_over, || {
            thread::park_timeout(POLL_INTERVAL);
            meanwhile();
        });
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.wait(|| ());
    }
}

/// Sends the followers home when it is dropped.
struct End<'a>(&'a Team);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.tell(|state| state.has_ended = true);
    }
}

/// Items that are left, and the first error.
struct Queue<I>(Mutex<(Option<I>, Result<()>)>);

impl<I: Iterator> Queue<I> {
    /// Works on items while there are any.
    fn drain(&self, work: &impl Fn(I::Item) -> Result<()>) {
        let next = || lock(&self.0).0.as_mut().and_then(Iterator::next);
        self.heed(caught(|| std::iter::from_fn(next).try_for_each(work)));
    }

    /// After an error nothing is left.
    fn heed(&self, result: Result<()>) {
        if result.is_err() {
            let mut queue = lock(&self.0);
            queue.0 = None;
            if queue.1.is_ok() {
                queue.1 = result;
            }
        }
    }
}

/// What `found` gives at last, asked again and again by a worker that has nothing else to do.
pub fn wait_for<T>(found: impl Fn() -> Option<T>) -> T {
    let patience = Deadline::after(Some(PATIENCE)).ok();
    loop {
        match (found(), patience) {
            (Some(found), _) => return found,
            (None, Some(patience)) if !patience.is_over() => std::hint::spin_loop(),
            // Whoever is waited for may be without a processor.
            (None, _) => thread::yield_now(),
        }
    }
}

/// Looks whether `is_so` for a while without sleeping, then sleeps in between.
fn wait_until(is_so: impl Fn() -> bool, mut sleep: impl FnMut()) {
    let patience = Deadline::after(Some(PATIENCE)).ok();
    while !is_so() {
        match patience {
            Some(patience) if !patience.is_over() => std::hint::spin_loop(),
            _ => sleep(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of as many workers as there are, and of more than there are threads.
    fn by_all(work: impl Fn(&Team, Poll<'_>) + Sync) {
        for num_workers in [1, 2, 5] {
            lead(num_workers, &mut || Ok(()), |team, poll| {
                work(team, poll);
                Ok(())
            })
            .unwrap();
        }
    }

    #[test]
    fn each_item_is_worked_on_once_whoever_does() {
        by_all(|team, poll| {
            let mut numbers: Vec<usize> = (0..50).collect();
            for round in 0..200 {
                let add = |number: &mut usize| {
                    *number += round;
                    Ok(())
                };
                team.share(numbers.iter_mut().take(1 + round % 50), poll, add).unwrap();
                // Followers sleep before some rounds and are awake before others.
                thread::sleep(PATIENCE * u32::from(round % 10 == 0));
            }
            let rounds = |i: usize| (0..200).filter(|round| round % 50 >= i).sum::<usize>();
            assert!(numbers.iter().enumerate().all(|(i, &number)| number == i + rounds(i)));
        });
    }

    #[test]
    fn an_error_or_a_panic_ends_a_round_and_no_more() {
        by_all(|team, poll| {
            let begun = AtomicUsize::new(0);
            let error = team.share(0usize.., poll, |item| {
                begun.fetch_add(1, Ordering::Relaxed);
                // Where there is another, it would go on for ever.
                while item == 0 && begun.load(Ordering::Relaxed) < team.num_workers.min(2) {
                    thread::yield_now();
                }
                if item == 0 {
                    Err(Error::invalid("item", "another", item))
                } else {
                    Ok(())
                }
            });
            assert!(error.unwrap_err().to_string().starts_with("item"));
            let error = team.share(0..9, poll, |_| panic!("boom")).unwrap_err();
            assert!(error.to_string().contains("boom"), "{error}");
            team.share(0..9, poll, |_| Ok(())).unwrap();
        });
    }

    #[test]
    fn a_poll_ends_it() {
        for num_workers in [1, 2] {
            let mut asked = 0;
            let poll = &mut || {
                asked += 1;
                if asked == 3 {
                    Err(Error::Interrupted)
                } else {
                    Ok(())
                }
            };
            let mut rounds = 0;
            let ended = lead(num_workers, poll, |team, poll| loop {
                team.share(0..9, poll, |_| Ok(()))?;
                rounds += 1;
            });
            assert!(matches!(ended, Err::<(), _>(Error::Interrupted)) && rounds == 2, "{rounds}");
        }
    }

    #[test]
    fn a_poll_is_asked_while_others_work() {
        let leader = thread::current().id();
        let [asked, begun] = [(); 2].map(|()| AtomicUsize::new(0));
        let poll = &mut || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(Error::Interrupted),
        };
        let ended = lead(2, poll, |team, poll| {
            team.share(0..4, poll, |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                // The other one has an item until the caller is asked again.
                let what = if thread::current().id() == leader { &begun } else { &asked };
                while what.load(Ordering::Relaxed) < 2 {
                    thread::yield_now();
                }
                Ok(())
            })
        });
        assert!(matches!(ended, Err(Error::Interrupted)));
    }
}
