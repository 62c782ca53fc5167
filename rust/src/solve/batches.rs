//! The policy over the states of a beam, by as many threads as they are worth.
//!
//! Where there are several, the first makes the states of the next depth and hands them over chunk by
//! chunk to those that evaluate and rank them; once all are made it helps. A chunk's ranking depends on
//! its states alone, so that who takes which does not matter.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ranking::Chunk;
use crate::engine::pool::{run, Poll};
use crate::error::Result;
use crate::nn::{Policy, Scratch};
use crate::spaces::Rows;

/// Rows that are evaluated before the clock and the poll are looked at: a few milliseconds' worth.
const ROWS_OF_A_PART: usize = 1 << 12;
/// For fewer states a thread costs more than it brings.
const ROWS_PER_THREAD: usize = 96;
/// Rows of a chunk: enough to be multiplied well, and chunks enough that all threads end together.
const CHUNK_ROWS: [usize; 2] = [24, 66];
const CHUNKS_PER_THREAD: usize = 6;
/// How often a thread without a chunk looks for a reason to stop.
const WAIT: Duration = Duration::from_millis(20);
/// Looks at the queue before a thread sleeps, and pauses between two of them.
const LOOKS: usize = 1 << 9;
const PAUSES: usize = 16;

/// The policy, as states are seen by it.
pub(super) struct Batches<'a> {
    policy: &'a dyn Policy,
    /// Symmetries that are seen through; empty where states are seen as they are.
    views: Vec<i32>,
    shares: Vec<Mutex<Share>>,
    /// Chunks that are not in use.
    spare: Vec<Chunk>,
}

/// What one thread evaluates with.
#[derive(Default)]
struct Share {
    rows: Rows,
    seen: Seen,
    logits: Vec<f32>,
    values: Vec<f32>,
    scratch: Scratch,
}

/// What the network says of states that it sees through one symmetry.
#[derive(Default)]
struct Seen {
    twists: Vec<i32>,
    logits: Vec<f32>,
    values: Vec<f32>,
}

impl Seen {
    /// Makes `logits` and `values` the means over `views`.
    fn average(
        &mut self,
        (policy, views): (&dyn Policy, &[i32]),
        rows: &Rows,
        scratch: &mut Scratch,
        (logits, values): (&mut [f32], &mut [f32]),
    ) -> Result<()> {
        logits.fill(0.0);
        values.fill(0.0);
        self.logits.resize(logits.len(), 0.0);
        self.values.resize(values.len(), 0.0);
        let share = 1.0 / views.len() as f32;
        let add = |(mean, seen): (&mut f32, &f32)| *mean += share * seen;
        for &view in views {
            self.twists.clear();
            self.twists.resize(rows.len(), view);
            let (seen, said) = (&mut self.logits[..], &mut self.values[..]);
            policy.forward_batch(rows, Some(&self.twists), scratch, seen, said)?;
            logits.iter_mut().zip(&*seen).for_each(add);
            values.iter_mut().zip(&*said).for_each(add);
        }
        Ok(())
    }
}

/// What `policy` says of `rows`, seen through `views` if there are any.
fn forward(
    (policy, views): (&dyn Policy, &[i32]),
    rows: &Rows,
    (seen, scratch): (&mut Seen, &mut Scratch),
    logits: &mut [f32],
    values: &mut [f32],
) -> Result<()> {
    match views {
        [] => policy.forward_batch(rows, None, scratch, logits, values),
        _ => seen.average((policy, views), rows, scratch, (logits, values)),
    }
}

impl Share {
    /// Evaluates all `rows`, part by part; false if `is_late` before the end.
    fn evaluate(
        &mut self,
        of: (&dyn Policy, &[i32]),
        rows: &Rows,
        is_late: &impl Fn() -> bool,
        poll: Poll<'_>,
    ) -> Result<bool> {
        let num_actions = of.0.num_actions();
        let Self { rows: part_rows, seen, logits, values, scratch } = self;
        logits.resize(rows.len() * num_actions, 0.0);
        values.resize(rows.len(), 0.0);
        let parts = logits.chunks_mut(ROWS_OF_A_PART * num_actions);
        for (part, (logits, values)) in parts.zip(values.chunks_mut(ROWS_OF_A_PART)).enumerate() {
            poll()?;
            if is_late() {
                return Ok(false);
            }
            let first = part * ROWS_OF_A_PART;
            part_rows.clear();
            (first..first + values.len()).for_each(|row| part_rows.push(rows.row(row)));
            forward(of, part_rows, (&mut *seen, &mut *scratch), logits, values)?;
        }
        Ok(true)
    }

    fn rank(&mut self, of: (&dyn Policy, &[i32]), chunk: &mut Chunk, weight: f32) -> Result<()> {
        let Self { seen, logits, values, scratch, .. } = self;
        logits.resize(chunk.rows().len() * of.0.num_actions(), 0.0);
        values.resize(chunk.rows().len(), 0.0);
        forward(of, chunk.rows(), (seen, scratch), logits, values)?;
        chunk.rank(logits, values, weight)
    }
}

impl<'a> Batches<'a> {
    /// The first symmetry is the identity; the others are spread over all.
    pub(super) fn new(policy: &'a dyn Policy, views: usize, threads: usize) -> Self {
        let shares = (0..threads).map(|_| Mutex::default()).collect();
        let num_twists = policy.num_twists();
        let views = match views.min(num_twists) {
            0 | 1 => Vec::new(),
            views => (0..views).map(|view| (view * num_twists / views) as i32).collect(),
        };
        Self { policy, views, shares, spare: Vec::new() }
    }

    pub(super) fn num_actions(&self) -> usize {
        self.policy.num_actions()
    }

    /// Evaluates `rows` on this thread: logits `[N, A]` and values `[N]`, none if `is_late` before the
    /// end.
    pub(super) fn evaluate(
        &mut self,
        rows: &Rows,
        is_late: &impl Fn() -> bool,
        poll: Poll<'_>,
    ) -> Result<Option<(&[f32], &[f32])>> {
        let of = (self.policy, &self.views[..]);
        let share = self.shares[0].get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_done = share.evaluate(of, rows, is_late, poll)?;
        Ok(is_done.then_some((&share.logits, &share.values)))
    }

    /// How many threads a depth of so many states is worth.
    pub(super) fn num_threads(&self, states: usize) -> usize {
        (states / ROWS_PER_THREAD).clamp(1, self.shares.len())
    }

    /// Ranks the chunks that `make` hands over on this thread, by `threads` of them; gives them back in
    /// any order, unranked from where `is_late` on.
    pub(super) fn stream(
        &mut self,
        threads: usize,
        (weight, is_late): (f32, &(impl Fn() -> bool + Sync)),
        make: impl FnMut(&Queue, Poll<'_>) -> Result<()> + Send,
        poll: Poll<'_>,
    ) -> Result<Vec<Chunk>> {
        let queue = Queue::new(std::mem::take(&mut self.spare));
        let (of, shares, make) = ((self.policy, &self.views[..]), &self.shares, Mutex::new(make));
        run(threads, poll, |thread, poll| {
            if thread == 0 {
                let mut make = make.lock().unwrap_or_else(PoisonError::into_inner);
                let made = make(&queue, poll);
                queue.close();
                made?;
            }
            let mut share = shares[thread].lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(mut chunk) = queue.next(poll)? {
                if !is_late() {
                    share.rank(of, &mut chunk, weight)?;
                }
                queue.lock().done.push(chunk);
            }
            Ok(())
        })?;
        let Line { spare, done, .. } = queue.into_inner();
        self.spare = spare;
        Ok(done)
    }

    /// Takes chunks back that are not needed any more.
    pub(super) fn keep(&mut self, chunks: Vec<Chunk>) {
        self.spare.extend(chunks);
    }
}

/// States that are handed over together where so many are left of a depth.
pub(super) fn chunk_rows(states: usize, threads: usize) -> usize {
    let [least, most] = CHUNK_ROWS;
    (states / (threads * CHUNKS_PER_THREAD)).clamp(least, most)
}

/// Chunks on their way from the thread that makes them to those that rank them.
pub(super) struct Queue {
    line: Mutex<Line>,
    is_changed: Condvar,
}

struct Line {
    spare: Vec<Chunk>,
    waiting: VecDeque<Chunk>,
    done: Vec<Chunk>,
    is_closed: bool,
}

impl Queue {
    fn new(spare: Vec<Chunk>) -> Self {
        let line = Line { spare, waiting: VecDeque::new(), done: Vec::new(), is_closed: false };
        Self { line: Mutex::new(line), is_changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_inner(self) -> Line {
        self.line.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk that is not in use.
    pub(super) fn spare(&self) -> Chunk {
        self.lock().spare.pop().unwrap_or_default()
    }

    pub(super) fn push(&self, chunk: Chunk) {
        self.lock().waiting.push_back(chunk);
        self.is_changed.notify_one();
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.is_changed.notify_all();
    }

    /// The next chunk; none once there will be no more.
    fn next(&self, poll: Poll<'_>) -> Result<Option<Chunk>> {
        let mut looks = 0;
        loop {
            let mut line = self.lock();
            if let Some(chunk) = line.waiting.pop_front() {
                return Ok(Some(chunk));
            }
            if line.is_closed {
                return Ok(None);
            }
            looks += 1;
            if looks < LOOKS {
                drop(line);
                (0..PAUSES).for_each(|_| std::hint::spin_loop());
                continue;
            }
            // The next one comes late: an environment may take its time.
            let waited = self.is_changed.wait_timeout(line, WAIT);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            poll()?;
        }
    }
}
