//! The policy over the states of a beam, by as many threads as they are worth.
//!
//! Where there are several, the first makes the states of the next depth and hands them over chunk by
//! chunk to those that evaluate and rank them; once all are made it helps. They stay together for all
//! depths: to wake a thread takes as long as it has to do in some. A chunk's ranking depends on its states
//! alone, so that who takes which does not matter.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ranking::Chunk;
use crate::clock::Deadline;
use crate::engine::pool::{run, Poll};
use crate::error::{Error, Result};
use crate::locks::lock;
use crate::nn::{Policy, Scratch};
use crate::spaces::Rows;

/// Rows that are evaluated before the clock and the poll are looked at: a few milliseconds' worth.
const ROWS_OF_A_PART: usize = 1 << 12;
/// For fewer states a thread costs more than it brings.
const ROWS_PER_THREAD: usize = 96;
/// Rows of a chunk: enough to be multiplied well, and chunks enough that all threads end together.
const CHUNK_ROWS: [usize; 2] = [24, 66];
const CHUNKS_PER_THREAD: usize = 6;
/// How often a thread that waits looks for a reason to stop.
const WAIT: Duration = Duration::from_millis(20);
/// Looks at the queue before a thread sleeps, and pauses between two of them.
const LOOKS: usize = 1 << 9;
const PAUSES: usize = 16;

/// The policy, as states are seen by it, and the threads that share its batches.
pub(super) struct Batches<'a> {
    of: (&'a dyn Policy, &'a [i32]),
    share: Share,
    threads: usize,
    queue: &'a Queue,
}

/// Runs `lead` on the calling thread, with the batches that it shares with `threads - 1` others. The first
/// of the `views` is the identity; the others are spread over all symmetries.
///
/// # Errors
/// What `lead`, the policy or `poll` fail with.
pub(super) fn lead<T: Send>(
    policy: &dyn Policy,
    (views, threads): (usize, usize),
    poll: Poll<'_>,
    lead: impl FnOnce(Batches<'_>, Poll<'_>) -> Result<T> + Send,
) -> Result<T> {
    let num_twists = policy.num_twists();
    let views: Vec<i32> = match views.min(num_twists) {
        0 | 1 => Vec::new(),
        views => (0..views).map(|view| (view * num_twists / views) as i32).collect(),
    };
    let (of, queue, lead) = ((policy, &views[..]), Queue::default(), Mutex::new(Some(lead)));
    let results = run(threads, poll, |thread, poll| {
        if thread > 0 {
            queue.serve(of, poll)?;
            return Ok(None);
        }
        let _end = End(&queue);
        let lead = lock(&lead).take();
        let batches = Batches { of, share: Share::default(), threads, queue: &queue };
        lead.map(|lead| lead(batches, poll)).transpose()
    })?;
    results.into_iter().flatten().next().ok_or(Error::Interrupted)
}

/// Sends the other threads home when it is dropped.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut line = self.0.lock();
        line.waiting.clear();
        line.is_closed = true;
        self.0.is_changed.notify_all();
    }
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

    /// [`Share::rank`] unless the deadline is over.
    fn rank_in_time(
        &mut self,
        of: (&dyn Policy, &[i32]),
        chunk: &mut Chunk,
        (weight, deadline): (f32, Deadline),
    ) -> Result<()> {
        if deadline.is_over() {
            return Ok(());
        }
        self.rank(of, chunk, weight)
    }
}

impl Batches<'_> {
    pub(super) fn num_actions(&self) -> usize {
        self.of.0.num_actions()
    }

    /// Evaluates `rows` on this thread: logits `[N, A]` and values `[N]`, none if `is_late` before the
    /// end.
    pub(super) fn evaluate(
        &mut self,
        rows: &Rows,
        is_late: &impl Fn() -> bool,
        poll: Poll<'_>,
    ) -> Result<Option<(&[f32], &[f32])>> {
        let is_done = self.share.evaluate(self.of, rows, is_late, poll)?;
        Ok(is_done.then_some((&self.share.logits, &self.share.values)))
    }

    /// How many threads a depth of so many states is worth.
    pub(super) fn num_threads(&self, states: usize) -> usize {
        (states / ROWS_PER_THREAD).clamp(1, self.threads)
    }

    /// Ranks the chunks that `make` hands over on this thread, by all threads; gives them back in any
    /// order, unranked from the deadline on.
    pub(super) fn stream(
        &mut self,
        how: (f32, Deadline),
        make: impl FnOnce(&Queue, Poll<'_>) -> Result<()>,
        poll: Poll<'_>,
    ) -> Result<Vec<Chunk>> {
        let queue = self.queue;
        queue.lock().how = how;
        make(queue, &mut *poll)?;
        let next = || queue.take(&mut queue.lock());
        while let Some(mut chunk) = next() {
            self.share.rank_in_time(self.of, &mut chunk, how)?;
            queue.put(chunk);
        }
        let is_done =
            |line: &mut Line| (line.num_inside == 0).then(|| std::mem::take(&mut line.done));
        queue.wait_for(is_done, poll)
    }

    /// Takes chunks back that are not needed any more.
    pub(super) fn keep(&mut self, chunks: Vec<Chunk>) {
        self.queue.lock().spare.extend(chunks);
    }
}

/// States that are handed over together where so many are left of a depth.
pub(super) fn chunk_rows(states: usize, threads: usize) -> usize {
    let [least, most] = CHUNK_ROWS;
    (states / (threads * CHUNKS_PER_THREAD)).clamp(least, most)
}

/// Chunks on their way from the thread that makes them to those that rank them.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    is_changed: Condvar,
}

struct Line {
    spare: Vec<Chunk>,
    waiting: VecDeque<Chunk>,
    /// Chunks that are being ranked.
    num_inside: usize,
    done: Vec<Chunk>,
    /// What a value adds to a rank, and until when chunks are ranked.
    how: (f32, Deadline),
    num_asleep: usize,
    is_closed: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            spare: Vec::new(),
            waiting: VecDeque::new(),
            num_inside: 0,
            done: Vec::new(),
            how: (0.0, Deadline::NEVER),
            num_asleep: 0,
            is_closed: false,
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }

    /// A chunk that is not in use.
    pub(super) fn spare(&self) -> Chunk {
        self.lock().spare.pop().unwrap_or_default()
    }

    pub(super) fn push(&self, chunk: Chunk) {
        let mut line = self.lock();
        line.waiting.push_back(chunk);
        self.tell(line);
    }

    /// A chunk to be ranked, if one waits.
    fn take(&self, line: &mut Line) -> Option<Chunk> {
        let chunk = line.waiting.pop_front();
        line.num_inside += usize::from(chunk.is_some());
        chunk
    }

    /// Puts back what [`Queue::take`] gave.
    fn put(&self, chunk: Chunk) {
        let mut line = self.lock();
        line.done.push(chunk);
        line.num_inside -= 1;
        self.tell(line);
    }

    /// Wakes those that wait for a change.
    fn tell(&self, line: MutexGuard<'_, Line>) {
        let is_waited_for = line.num_asleep > 0;
        drop(line);
        if is_waited_for {
            self.is_changed.notify_all();
        }
    }

    /// Ranks chunks until there will be no more.
    fn serve(&self, of: (&dyn Policy, &[i32]), poll: Poll<'_>) -> Result<()> {
        let mut share = Share::default();
        let next = |line: &mut Line| match self.take(line) {
            None => line.is_closed.then_some(None),
            Some(chunk) => Some(Some((chunk, line.how))),
        };
        while let Some((mut chunk, how)) = self.wait_for(next, &mut *poll)? {
            share.rank_in_time(of, &mut chunk, how)?;
            self.put(chunk);
        }
        Ok(())
    }

    /// What `look` finds, by and by.
    fn wait_for<T>(&self, look: impl Fn(&mut Line) -> Option<T>, poll: Poll<'_>) -> Result<T> {
        let mut looks = 0;
        loop {
            let mut line = self.lock();
            if let Some(found) = look(&mut line) {
                return Ok(found);
            }
            looks += 1;
            if looks < LOOKS {
                drop(line);
                (0..PAUSES).for_each(|_| std::hint::spin_loop());
                continue;
            }
            // It comes late: an environment may take its time.
            line.num_asleep += 1;
            let waited = self.is_changed.wait_timeout(line, WAIT);
            waited.unwrap_or_else(PoisonError::into_inner).0.num_asleep -= 1;
            poll()?;
        }
    }
}
