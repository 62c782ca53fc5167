//! A beam led by what an environment estimates of its states, without a network.
//!
//! All states of a depth have made equally many actions, so those of the smallest estimates stay; of equal ones
//! those of the smallest hashes' leading bits. Each state is met once in two depths. Nothing depends on the
//! number of threads: candidates go to shelves by their hashes, in the order of their parents, and
//! each shelf is sorted out by one thread.

use std::sync::{Mutex, PoisonError};

use crate::clock::Deadline;
use crate::engine::pool::{run, Poll};
use crate::error::Result;
use crate::locks::lock;
use crate::rl::estimates::{Child, Estimates};

const SHELVES: usize = 64;
const SHELF_BITS: u32 = SHELVES.ilog2();
/// States that are made together, and between two looks at the poll.
const STATES_AT_ONCE: usize = 1 << 6;
const STATES_BETWEEN_LOOKS: usize = 1 << 12;

/// When a search ends without a solution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub width: usize,
    pub most_depth: usize,
    /// States of the beam.
    pub most_nodes: u64,
    pub deadline: Deadline,
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// A way to the goal.
    pub actions: Option<Vec<i64>>,
    pub nodes: u64,
}

/// A state that may be kept.
#[derive(Clone, Copy)]
struct Candidate {
    hash: u64,
    /// Its number among those of the depth before.
    parent: u32,
    estimate: u16,
    action: u8,
}

/// What led to the states of a depth.
struct Depth {
    parents: Vec<u32>,
    actions: Vec<u8>,
}

/// Memory that searches use one after the other.
pub(super) struct Beam<'a> {
    estimates: &'a dyn Estimates,
    /// The states of a depth, a part of each thread.
    states: Vec<Vec<u32>>,
    makers: Vec<Mutex<Maker>>,
    shelves: Vec<Mutex<Shelf>>,
    kept: Vec<Candidate>,
}

/// What a thread makes of a part of the states.
#[derive(Default)]
struct Maker {
    states: Vec<u32>,
    actions: Vec<u8>,
    children: Vec<Child>,
    /// By shelf.
    candidates: Vec<Vec<Candidate>>,
}

/// The candidates whose hashes begin alike.
#[derive(Default)]
struct Shelf {
    /// The hashes of this depth and the one before.
    seen: [Hashes; 2],
    /// Those of the next depth.
    hashes: Hashes,
    candidates: Vec<Candidate>,
    /// By estimate.
    counts: Vec<u32>,
}

impl<'a> Beam<'a> {
    pub(super) fn new(estimates: &'a dyn Estimates, num_threads: usize) -> Self {
        let maker = || Maker { candidates: vec![Vec::new(); SHELVES], ..Maker::default() };
        Self {
            estimates,
            states: vec![Vec::new(); num_threads],
            makers: (0..num_threads).map(|_| Mutex::new(maker())).collect(),
            shelves: (0..SHELVES).map(|_| Mutex::default()).collect(),
            kept: Vec::new(),
        }
    }

    /// Searches from `start [num_words]`, which is no goal.
    ///
    /// # Errors
    /// Only what `poll` fails with.
    pub(super) fn search(
        &mut self,
        start: &[u32],
        limits: Limits,
        poll: Poll<'_>,
    ) -> Result<Found> {
        let num_threads = self.makers.len();
        self.states.iter_mut().for_each(Vec::clear);
        self.shelves.iter_mut().for_each(|shelf| inside(shelf).clear());
        self.states[0].extend_from_slice(start);
        let mut depths: Vec<Depth> = Vec::new();
        let mut nodes = 1;
        self.expand_start();
        while depths.len() < limits.most_depth && nodes < limits.most_nodes {
            self.sort_out(&mut *poll)?;
            let is_solved = self.keep(limits.width);
            nodes += self.kept.len() as u64;
            let parents = self.kept.iter().map(|candidate| candidate.parent).collect();
            let actions = self.kept.iter().map(|candidate| candidate.action).collect();
            depths.push(Depth { parents, actions });
            if is_solved {
                return Ok(Found { actions: Some(way(&depths)), nodes });
            }
            if self.kept.is_empty() || limits.deadline.is_over() {
                break;
            }
            self.make(num_threads, &mut *poll)?;
        }
        Ok(Found { actions: None, nodes })
    }

    /// The candidates of the first state.
    fn expand_start(&mut self) {
        self.makers.iter_mut().for_each(|maker| inside(maker).clear());
        inside(&mut self.makers[0]).expand(self.estimates, &self.states[0], 0);
    }

    /// Makes what is kept the states of the next depth, and finds their children.
    fn make(&mut self, num_threads: usize, poll: Poll<'_>) -> Result<()> {
        let Self { estimates, states, makers, kept, .. } = self;
        let num_words = estimates.num_words();
        let before = states.iter().map(Vec::len).sum::<usize>() / num_words;
        let old_part = before.div_ceil(num_threads).max(1);
        let part = kept.len().div_ceil(num_threads);
        run(num_threads, poll, |worker, poll| {
            let mut maker = lock(&makers[worker]);
            maker.clear();
            let first = (worker * part).min(kept.len());
            let mine = &kept[first..(first + part).min(kept.len())];
            for (number, some) in mine.chunks(STATES_AT_ONCE).enumerate() {
                let number = number * STATES_AT_ONCE;
                if number.is_multiple_of(STATES_BETWEEN_LOOKS) {
                    poll()?;
                }
                let parents = some.iter().map(|candidate| {
                    let parent = candidate.parent as usize;
                    &states[parent / old_part][parent % old_part * num_words..][..num_words]
                });
                let actions = some.iter().map(|candidate| candidate.action);
                maker.make(*estimates, parents, actions, (first + number) as u32);
            }
            Ok(())
        })?;
        for (maker, states) in makers.iter_mut().zip(states) {
            std::mem::swap(&mut inside(maker).states, states);
        }
        Ok(())
    }

    /// Finds the candidates that are met for the first time.
    fn sort_out(&mut self, poll: Poll<'_>) -> Result<()> {
        let Self { makers, shelves, .. } = self;
        let makers: Vec<&Maker> = makers.iter_mut().map(|maker| &*inside(maker)).collect();
        run(makers.len(), poll, |worker, poll| {
            for number in (worker..SHELVES).step_by(makers.len()) {
                poll()?;
                let mut shelf = lock(&shelves[number]);
                shelf.sort_out(makers.iter().map(|maker| &maker.candidates[number][..]));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Keeps the `width` best candidates, or one that is a goal and nothing else: true if there is one.
    fn keep(&mut self, width: usize) -> bool {
        let Self { shelves, kept, .. } = self;
        kept.clear();
        let shelves: Vec<&Shelf> = shelves.iter_mut().map(|shelf| &*inside(shelf)).collect();
        let goal = shelves.iter().filter(|shelf| shelf.counts.first().is_some_and(|&n| n > 0));
        if let Some(goal) = goal.flat_map(|shelf| &shelf.candidates).find(|one| one.estimate == 0) {
            kept.push(*goal);
            return true;
        }
        let most = shelves.iter().map(|shelf| shelf.counts.len()).max().unwrap_or(0);
        let counted = |estimate: usize| {
            shelves.iter().filter_map(|shelf| shelf.counts.get(estimate)).map(|&n| n as usize).sum()
        };
        // Those below `largest` are all kept, of those at it so many as there is room for.
        let (mut largest, mut room) = (0, width);
        while largest < most {
            let count: usize = counted(largest);
            if count > room {
                break;
            }
            (largest, room) = (largest + 1, room - count);
        }
        for candidate in shelves.iter().flat_map(|shelf| &shelf.candidates) {
            let estimate = usize::from(candidate.estimate);
            if estimate < largest {
                kept.push(*candidate);
            } else if estimate == largest && room > 0 {
                kept.push(*candidate);
                room -= 1;
            }
        }
        false
    }
}

impl Maker {
    fn clear(&mut self) {
        self.states.clear();
        self.candidates.iter_mut().for_each(Vec::clear);
    }

    /// Makes a child of each of `parents`, the first with the number `first`, and finds their own.
    fn make<'p>(
        &mut self,
        estimates: &dyn Estimates,
        parents: impl Iterator<Item = &'p [u32]>,
        actions: impl Iterator<Item = u8>,
        first: u32,
    ) {
        let mut states = std::mem::take(&mut self.states);
        let made = states.len();
        parents.for_each(|parent| states.extend_from_slice(parent));
        self.actions.clear();
        self.actions.extend(actions);
        estimates.step(&mut states[made..], &self.actions);
        self.expand(estimates, &states[made..], first);
        self.states = states;
    }

    /// Finds the children of `states`, the first of which has the number `first`.
    fn expand(&mut self, estimates: &dyn Estimates, states: &[u32], first: u32) {
        self.children.clear();
        estimates.children(states, &mut self.children);
        for &Child { parent, action, estimate, hash } in &self.children {
            let shelf = (hash >> (u64::BITS - SHELF_BITS)) as usize;
            let parent = first + parent;
            self.candidates[shelf].push(Candidate { hash, parent, estimate, action });
        }
    }
}

impl Shelf {
    fn clear(&mut self) {
        self.seen.iter_mut().for_each(|seen| seen.empty(0));
    }

    fn sort_out<'c>(&mut self, parts: impl Iterator<Item = &'c [Candidate]> + Clone) {
        let Self { seen, hashes, candidates, counts } = self;
        candidates.clear();
        counts.fill(0);
        hashes.empty(parts.clone().map(<[_]>::len).sum());
        for candidate in parts.flatten() {
            if seen.iter().any(|seen| seen.contains(candidate.hash)) {
                continue;
            }
            if hashes.insert(candidate.hash) {
                candidates.push(*candidate);
                let estimate = usize::from(candidate.estimate);
                counts.resize(counts.len().max(estimate + 1), 0);
                counts[estimate] += 1;
            }
        }
        seen.rotate_left(1);
        std::mem::swap(&mut seen[1], hashes);
    }
}

/// Hashes by open addressing: each at the first free slot from its own, 0 for none.
#[derive(Default)]
struct Hashes(Vec<u64>);

impl Hashes {
    /// Makes room for `count`.
    fn empty(&mut self, count: usize) {
        let size = (2 * count).next_power_of_two();
        self.0.clear();
        self.0.resize(size, 0);
    }

    /// Where `hash` is or belongs.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let mask = self.0.len() - 1;
        let mut slot = hash as usize & mask;
        while self.0[slot] != 0 && self.0[slot] != hash {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[inline]
    fn contains(&self, hash: u64) -> bool {
        !self.0.is_empty() && self.0[self.slot(hash)] == hash
    }

    /// False if it is there.
    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        let slot = self.slot(hash);
        let is_new = self.0[slot] != hash;
        self.0[slot] = hash;
        is_new
    }
}

/// The actions that lead to the first state of the last depth.
fn way(depths: &[Depth]) -> Vec<i64> {
    let mut state = 0;
    let mut actions = Vec::with_capacity(depths.len());
    for Depth { parents, actions: made } in depths.iter().rev() {
        actions.push(made[state].into());
        state = parents[state] as usize;
    }
    actions.reverse();
    actions
}

fn inside<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
