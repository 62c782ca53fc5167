//! Beam search: the likeliest states of every depth, evaluated in one batch.
//!
//! A state's score is the log-probability, under the policy, of the path that leads to it: the sum
//! over its moves of `log p(move | state before it)` (Takano 2023, "Self-Supervision is All You
//! Need for Solving Rubik's Cube"), to which the value may be added. Children are ranked by what
//! the network says of their parent, so no more than the `width` best distinct ones of a depth are
//! evaluated. The first depth with a solved state, or one in the
//! table of the goal's surroundings, ends the search. With a budget, searches of
//! growing width follow each other, so that there is a solution early and a better one with time.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::config::{BeamConfig, EvalConfig};
use super::episode::Episode;
use super::frontier::Frontier;
use super::starts::Starts;
use crate::engine::capped::{Capped, Children};
use crate::engine::lockstep::{advance, check_views};
use crate::engine::pool::{num_workers, run, run_foreign, Poll};
use crate::error::{Error, Result};
use crate::exact::goal_table::GoalTable;
use crate::nn::{Policy, Scratch};
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::{Acts, Rows};

/// States that a worker evaluates together, where its starts have that many.
const BATCH_ROWS: usize = 256;
/// For fewer states a thread costs more than it brings.
const ROWS_PER_THREAD: usize = 192;
/// Rows that are evaluated before the clock and the poll are looked at: a few milliseconds' worth.
const ROWS_OF_A_PART: usize = 1 << 12;
/// Children that a search makes at once: some ten milliseconds' worth.
const MOST_PROPOSED: usize = 1 << 16;

/// Searches from every start as `beam` says; `config.num_searches` is not looked
/// at, since every search from a start is the same.
///
/// Without a solution an episode is the best of those that
/// ended, or the likeliest of the deepest states. The result does not depend on `config.num_cores`,
/// a limit of time aside. `env` stays as it is.
pub(super) fn search(
    env: &dyn Env,
    policy: &dyn Policy,
    starts: Starts,
    beam: BeamConfig,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    let width = beam.width;
    // A candidate's number is a state's times the actions plus an action's.
    let most = u32::MAX as usize / policy.num_actions();
    if width > most {
        return Err(Error::invalid("beam_width", format!("an integer in 1..={most}"), width));
    }
    let cores = num_workers(config.num_cores);
    let table = GoalTable::around(env, config.goal_table_bytes, &mut *poll)?;
    let inverses = env.spec().inverse_actions.clone().unwrap_or_default();
    let next_start = AtomicUsize::new(0);
    let num_starts = starts.len();
    let workers = cores.min(num_starts);
    // Threads share the batches of a search where it is the only one, or wide enough for them.
    let (workers, threads) = match workers == 1 || (workers < cores && width >= 2 * ROWS_PER_THREAD)
    {
        true => (1, cores),
        false => (workers, 1),
    };
    let (env, policy) = (env.try_clone()?, policy.share());
    let EvalConfig { budget, max_episode_steps, .. } = *config;
    let found = run_foreign(workers, poll, move |_, poll| {
        let side_by_side = (BATCH_ROWS / width).clamp(1, starts.len().div_ceil(workers));
        let num_slots = side_by_side * 2 * width;
        let mut worker = Worker {
            envs: Capped::nodes(&*env, num_slots, Children::Played, max_episode_steps)?,
            starts: &starts,
            next_start: &next_start,
            seed,
            rngs: vec![Rng::new(0); num_slots],
            moves: Vec::new(),
            views: Views::default(),
            found: Vec::new(),
        };
        let frontier = |i| {
            let first_slot = 2 * width * i;
            let env = env.try_clone()?;
            Ok(Frontier::new(beam, budget, first_slot, env, &inverses, table.as_deref()))
        };
        let frontiers = (0..side_by_side).map(frontier).collect::<Result<_>>()?;
        worker.search(frontiers, Batches::new(&*policy, beam.views, threads), poll)?;
        Ok(worker.found)
    })?;
    let mut episodes = vec![Episode::default(); num_starts];
    for (start, episode) in found.into_iter().flatten() {
        episodes[start] = episode;
    }
    Ok(episodes)
}

/// Searches side by side, whose states share the batches of the network.
struct Worker<'a> {
    envs: Capped,
    starts: &'a Starts,
    next_start: &'a AtomicUsize,
    seed: u64,
    rngs: Vec<Rng>,
    moves: Vec<LaneMove>,
    views: Views,
    found: Vec<(usize, Episode)>,
}

impl Worker<'_> {
    fn search(
        &mut self,
        frontiers: Vec<Frontier<'_>>,
        mut network: Batches<'_>,
        poll: Poll<'_>,
    ) -> Result<()> {
        let num_actions = network.policy.num_actions();
        let mut batch = Rows::default();
        let mut busy = Vec::with_capacity(frontiers.len());
        for mut frontier in frontiers {
            if self.begin(&mut frontier, poll)? {
                busy.push(frontier);
            }
        }
        loop {
            let mut going = Vec::with_capacity(busy.len());
            for frontier in busy {
                going.extend(self.settle(frontier, poll)?);
            }
            busy = going;
            if busy.is_empty() {
                return Ok(());
            }
            batch.clear();
            busy.iter().for_each(|frontier| batch.extend_from(frontier.rows()));
            let is_late = || busy.iter().all(Frontier::is_late);
            if !network.evaluate(&batch, &is_late, poll)? {
                continue;
            }
            let mut first = 0;
            for frontier in &mut busy {
                let end = first + frontier.rows().len();
                let logits = &network.logits[first * num_actions..end * num_actions];
                frontier.rank(logits, &network.values[first..end], poll)?;
                first = end;
            }
            self.make_children(&mut busy, num_actions, poll)?;
            for frontier in &mut busy {
                frontier.descend(&self.envs)?;
            }
        }
    }

    /// The search itself, or the one that follows it if it is done: a wider one, or one from the
    /// next start; `None` if there is none left.
    fn settle<'f>(
        &mut self,
        mut frontier: Frontier<'f>,
        poll: Poll<'_>,
    ) -> Result<Option<Frontier<'f>>> {
        while frontier.is_done() {
            if frontier.may_widen() {
                self.look(&frontier, poll)?;
                frontier.widen(&self.envs, &self.views)?;
                continue;
            }
            self.found.push((frontier.start, frontier.finish(&self.envs)?));
            if !self.begin(&mut frontier, poll)? {
                return Ok(None);
            }
        }
        Ok(Some(frontier))
    }

    /// Puts `frontier` at the next start; false if there is none left.
    fn begin(&mut self, frontier: &mut Frontier<'_>, poll: Poll<'_>) -> Result<bool> {
        let start = self.next_start.fetch_add(1, Ordering::Relaxed);
        if start >= self.starts.len() {
            return Ok(false);
        }
        poll()?;
        self.starts.place(start, &mut *frontier.root, self.seed)?;
        self.look(frontier, poll)?;
        frontier.begin(start, &self.views)?;
        Ok(true)
    }

    /// Puts the start of `frontier` into its first slot and observes it.
    fn look(&mut self, frontier: &Frontier<'_>, poll: Poll<'_>) -> Result<()> {
        let lane = frontier.first_slot;
        self.envs.load(lane, &*frontier.root)?;
        self.moves.clear();
        self.moves.push(LaneMove { lane, action: Move::Observe });
        self.advance(frontier.root.num_actions(), poll)
    }

    /// Makes the best children of every search until all their layers are full, all are made, or
    /// there is no time left.
    fn make_children(
        &mut self,
        busy: &mut [Frontier<'_>],
        num_actions: usize,
        poll: Poll<'_>,
    ) -> Result<()> {
        loop {
            self.moves.clear();
            busy.iter_mut().for_each(|frontier| frontier.propose(MOST_PROPOSED, &mut self.moves));
            if self.moves.is_empty() {
                return Ok(());
            }
            self.advance(num_actions, poll)?;
            let mut row = 0;
            for frontier in busy.iter_mut() {
                row += frontier.accept(&self.envs, &self.views, row)?;
            }
        }
    }

    fn advance(&mut self, num_actions: usize, poll: Poll<'_>) -> Result<()> {
        self.views.clear();
        let told = (&self.moves[..], &Acts::default());
        advance(&mut self.envs, told, 0, &mut self.rngs, &mut self.views, poll)?;
        check_views(&self.views, self.moves.len(), num_actions)
    }
}

/// The policy, run by as many threads as a batch is worth.
struct Batches<'a> {
    policy: &'a dyn Policy,
    /// Symmetries that are seen through; empty where states are seen as they are.
    views: Vec<i32>,
    shares: Vec<Mutex<Share>>,
    /// `[N, A]`
    logits: Vec<f32>,
    /// `[N]`
    values: Vec<f32>,
}

/// What one thread evaluates.
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

impl Share {
    /// Part by part; false if `is_late` before the end.
    fn evaluate(
        &mut self,
        (policy, views): (&dyn Policy, &[i32]),
        rows: &Rows,
        range: Range<usize>,
        is_late: &impl Fn() -> bool,
        poll: Poll<'_>,
    ) -> Result<bool> {
        let num_actions = policy.num_actions();
        self.logits.resize(range.len() * num_actions, 0.0);
        self.values.resize(range.len(), 0.0);
        let parts = self.logits.chunks_mut(ROWS_OF_A_PART * num_actions);
        for (part, (logits, values)) in
            parts.zip(self.values.chunks_mut(ROWS_OF_A_PART)).enumerate()
        {
            poll()?;
            if is_late() {
                return Ok(false);
            }
            let first = range.start + part * ROWS_OF_A_PART;
            self.rows.clear();
            (first..first + values.len()).for_each(|row| self.rows.push(rows.row(row)));
            match views {
                [] => policy.forward_batch(&self.rows, None, &mut self.scratch, logits, values)?,
                _ => {
                    let Self { rows, seen, scratch, .. } = self;
                    seen.average((policy, views), rows, scratch, (logits, values))?;
                }
            }
        }
        Ok(true)
    }
}

impl<'a> Batches<'a> {
    /// The first symmetry is the identity; the others are spread over all.
    fn new(policy: &'a dyn Policy, views: usize, threads: usize) -> Self {
        let shares = (0..threads).map(|_| Mutex::default()).collect();
        let num_twists = policy.num_twists();
        let views = match views.min(num_twists) {
            0 | 1 => Vec::new(),
            views => (0..views).map(|view| (view * num_twists / views) as i32).collect(),
        };
        Self { policy, views, shares, logits: Vec::new(), values: Vec::new() }
    }

    /// Fills `logits` and `values` for `rows`; false if `is_late` before the end.
    fn evaluate(
        &mut self,
        rows: &Rows,
        is_late: &(impl Fn() -> bool + Sync),
        poll: Poll<'_>,
    ) -> Result<bool> {
        let threads = (rows.len() / ROWS_PER_THREAD).clamp(1, self.shares.len());
        let (policy, views, shares) = (self.policy, &self.views[..], &self.shares);
        let bound = |thread: usize| thread * rows.len() / threads;
        let done = run(threads, poll, |thread, poll| {
            let mut share = shares[thread].lock().unwrap_or_else(PoisonError::into_inner);
            share.evaluate((policy, views), rows, bound(thread)..bound(thread + 1), is_late, poll)
        })?;
        if done.contains(&false) {
            return Ok(false);
        }
        self.logits.clear();
        self.values.clear();
        for share in &mut self.shares[..threads] {
            let share = share.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.logits.extend_from_slice(&share.logits);
            self.values.extend_from_slice(&share.values);
        }
        Ok(true)
    }
}
