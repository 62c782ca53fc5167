//! The gradient of a minibatch by all workers: each passes chunks of rows through the network, and adds
//! to the pieces of the gradient first what it has passed itself, which is in its cache.
//!
//! A piece takes the chunks in their order, whoever adds them: its sums are the same for any number of
//! workers. Nobody waits while there is something to pass or to add.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::engine::team;
use crate::error::Result;
use crate::locks::lock;
use crate::nn::{Chunk, Piece, Trainable};

/// What is left to do of a gradient.
pub(super) struct Gradient<'c, 'p> {
    /// Those that have passed.
    passed: Vec<OnceLock<&'c Chunk>>,
    state: Mutex<State<'c, 'p>>,
}

struct State<'c, 'p> {
    /// `None`: it is passing, or has passed.
    chunks: Vec<Option<&'c mut Chunk>>,
    /// Those that have not begun, by the worker that they are meant for.
    waiting: Vec<Range<usize>>,
    /// Who has passed them; `None`: nobody yet.
    passed_by: Vec<Option<usize>>,
    /// `None`: somebody adds to it.
    pieces: Vec<Option<Piece<'p>>>,
    /// Pieces that lack chunks.
    num_open: usize,
    /// Whether somebody has failed: nothing is begun after it.
    has_failed: bool,
}

enum Task<'c, 'p> {
    Pass(usize, &'c mut Chunk),
    /// Some chunks that have passed, to be added to a piece.
    Fill(usize, Piece<'p>, Range<usize>),
    /// There is nothing before somebody else has done what it does.
    Wait,
    End,
}

impl<'c, 'p> Gradient<'c, 'p> {
    /// Of `chunks`, which lie side by side for each of the workers.
    pub(super) fn new(
        chunks: impl ExactSizeIterator<Item = &'c mut Chunk>,
        num_workers: usize,
    ) -> Self {
        let count = chunks.len();
        let part = |worker: usize| worker * count / num_workers;
        let state = State {
            chunks: chunks.map(Some).collect(),
            waiting: (0..num_workers).map(|worker| part(worker)..part(worker + 1)).collect(),
            passed_by: vec![None; count],
            pieces: Vec::new(),
            num_open: 0,
            has_failed: false,
        };
        let passed = (0..count).map(|_| OnceLock::new()).collect();
        Self { passed, state: Mutex::new(state) }
    }

    /// The pieces that [`Gradient::work`] fills from now on.
    pub(super) fn fill(&self, pieces: Vec<Piece<'p>>) {
        let mut state = self.lock();
        state.num_open = pieces.len();
        state.pieces = pieces.into_iter().map(Some).collect();
    }

    /// The chunks that have passed.
    pub(super) fn passed(&self) -> Vec<&'c Chunk> {
        self.passed.iter().filter_map(|passed| passed.get().copied()).collect()
    }

    /// Takes part as `worker` until nothing is left to begin: `pass` takes a chunk through the network.
    ///
    /// # Errors
    /// The first of `pass`, for the worker that called it: the others end without one.
    pub(super) fn work(
        &self,
        worker: usize,
        network: &Trainable,
        pass: impl Fn(&mut Chunk) -> Result<()>,
    ) -> Result<()> {
        let mut ending = Ending { state: &self.state, is_good: false };
        loop {
            let task = team::wait_for(|| match self.lock().next(worker) {
                Task::Wait => None,
                task => Some(task),
            });
            match task {
                Task::Pass(place, chunk) => {
                    pass(chunk)?;
                    let _ = self.passed[place].set(chunk);
                    self.lock().passed_by[place] = Some(worker);
                }
                Task::Fill(place, mut piece, run) => {
                    let chunks = self.passed[run].iter().filter_map(OnceLock::get);
                    network.fill(chunks.copied(), &mut piece);
                    let mut state = self.lock();
                    state.num_open -= usize::from(piece.num_chunks() == self.passed.len());
                    state.pieces[place] = Some(piece);
                }
                Task::Wait | Task::End => break,
            }
        }
        ending.is_good = true;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State<'c, 'p>> {
        lock(&self.state)
    }
}

impl<'c, 'p> State<'c, 'p> {
    fn next(&mut self, worker: usize) -> Task<'c, 'p> {
        if self.has_failed {
            return Task::End;
        }
        if let Some(place) = self.next_chunk(worker) {
            return self.chunks[place].take().map_or(Task::End, |chunk| Task::Pass(place, chunk));
        }
        // The last pieces are short ones: those are left to others first.
        let ours = (0..self.pieces.len()).find(|&place| self.source(place) == Some(worker));
        let place = ours
            .or_else(|| (0..self.pieces.len()).rev().find(|&place| self.source(place).is_some()));
        match place.and_then(|place| Some((place, self.source(place)?, self.pieces[place].take()?)))
        {
            Some((place, source, piece)) => {
                let first = piece.num_chunks();
                let run = self.passed_by[first..].iter().take_while(|by| **by == Some(source));
                let end = first + run.count();
                Task::Fill(place, piece, first..end)
            }
            None if self.num_open > 0 => Task::Wait,
            None => Task::End,
        }
    }

    /// The first of one's own, or the last of whoever has most.
    fn next_chunk(&mut self, worker: usize) -> Option<usize> {
        if let Some(place) = self.waiting[worker].next() {
            return Some(place);
        }
        self.waiting.iter_mut().max_by_key(|range| range.len())?.next_back()
    }

    /// Who has passed what a piece that nobody adds to takes next.
    fn source(&self, place: usize) -> Option<usize> {
        let next = self.pieces[place].as_ref()?.num_chunks();
        self.passed_by.get(next).copied().flatten()
    }
}

/// Tells the others of an error or a panic, when it is dropped.
struct Ending<'a, 'c, 'p> {
    state: &'a Mutex<State<'c, 'p>>,
    is_good: bool,
}

impl Drop for Ending<'_, '_, '_> {
    fn drop(&mut self) {
        if !self.is_good {
            lock(self.state).has_failed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{caught, Error};
    use crate::nn::NetSpec;

    /// Nobody waits for a chunk that will not pass.
    #[test]
    fn an_error_or_a_panic_ends_the_others() {
        let spec = NetSpec::parse(
            r#"{
                "encoder": [{"block": "bag", "name": "a", "features": 3, "out": 1}],
                "action": [{"block": "linear", "name": "b", "inputs": 1, "out": 2}],
                "value": [{"block": "linear", "name": "c", "inputs": 1, "out": 1}]
            }"#,
        );
        let network = Trainable::new(&spec.unwrap(), &Default::default()).unwrap();
        let ends: [fn(&mut Chunk) -> Result<()>; 2] =
            [|_| Err(Error::invalid("row", "an observation", 7)), |_| panic!("boom")];
        for end in ends {
            let (mut chunks, mut gradient) = (Vec::new(), network.layout().zeros());
            chunks.resize_with(4, Chunk::default);
            let work = Gradient::new(chunks.iter_mut(), 2);
            work.fill(network.pieces(&mut gradient));
            assert!(caught(|| work.work(0, &network, end)).is_err());
            work.work(1, &network, |_| panic!("begun after the end")).unwrap();
        }
    }
}
