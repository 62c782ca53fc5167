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

use super::batches::{chunk_rows, lead, Batches, Queue};
use super::config::{BeamConfig, EvalConfig};
use super::episode::Episode;
use super::frontier::Frontier;
use super::starts::Starts;
use crate::engine::capped::{Capped, Children};
use crate::engine::lockstep::{advance, check_views};
use crate::engine::pool::{num_workers, run_foreign, Poll};
use crate::error::{Error, Result};
use crate::exact::goal_table::GoalTable;
use crate::nn::Policy;
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::{Acts, Rows};

/// States that a worker evaluates together, where its starts have that many.
const BATCH_ROWS: usize = 256;
/// A search alone has all threads from this width on where there are fewer starts than those.
const SHARED_WIDTH: usize = 192;

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
    let (workers, threads) = match workers == 1 || (workers < cores && width >= SHARED_WIDTH) {
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
        lead(&*policy, (beam.views, threads), poll, |network, poll| {
            worker.search(frontiers, network, poll)?;
            Ok(worker.found)
        })
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
        let num_actions = network.num_actions();
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
            let unranked = |frontier: &&mut Frontier<'_>| !frontier.is_ranked();
            let mut asked: Vec<_> = busy.iter_mut().filter(unranked).collect();
            asked.iter().for_each(|frontier| batch.extend_from(frontier.rows()));
            let is_late = || asked.iter().all(|frontier| frontier.is_late());
            if !asked.is_empty() {
                let Some((logits, values)) = network.evaluate(&batch, &is_late, poll)? else {
                    continue;
                };
                let mut first = 0;
                for frontier in &mut asked {
                    let end = first + frontier.rows().len();
                    let logits = &logits[first * num_actions..end * num_actions];
                    frontier.rank(logits, &values[first..end], poll)?;
                    first = end;
                }
            }
            let expected: usize = busy.iter_mut().map(Frontier::open).sum();
            match (&mut busy[..], network.num_threads(expected)) {
                ([only], threads @ 2..) => {
                    self.share_out(only, (threads, expected), &mut network, poll)?;
                }
                _ => {
                    self.make_children(&mut busy, num_actions, poll)?;
                    for frontier in &mut busy {
                        frontier.descend(&self.envs)?;
                    }
                }
            }
        }
    }

    /// Makes the best children of `frontier`, about `expected`, and goes on to them while other threads
    /// rank theirs.
    fn share_out(
        &mut self,
        frontier: &mut Frontier<'_>,
        (threads, expected): (usize, usize),
        network: &mut Batches<'_>,
        poll: Poll<'_>,
    ) -> Result<()> {
        let num_actions = network.num_actions();
        let (deadline, weight) = (frontier.deadline(), frontier.value_weight());
        let make = |queue: &Queue, poll: Poll<'_>| {
            let hand_over = |frontier: &Frontier<'_>, made: Range<usize>| {
                let mut chunk = queue.spare();
                frontier.hand_over(made, &mut chunk);
                queue.push(chunk);
            };
            let (mut handed, mut room) = (0, frontier.room());
            while room > 0 {
                // The last ones are small, so that all threads end together.
                let size = chunk_rows(expected.saturating_sub(handed), threads);
                self.moves.clear();
                frontier.propose(room.min(size), &mut self.moves);
                if self.moves.is_empty() {
                    break;
                }
                let moves = std::mem::take(&mut self.moves);
                self.advance(&moves, num_actions, poll)?;
                self.moves = moves;
                room -= frontier.accept(&self.envs, &self.views, 0)?;
                while !frontier.is_solved() && frontier.num_made() >= handed + size {
                    hand_over(frontier, handed..handed + size);
                    handed += size;
                }
                // What was known already has left its place to others.
                if room == 0 {
                    room = frontier.room();
                }
            }
            if !frontier.is_solved() && frontier.num_made() > handed {
                hand_over(frontier, handed..frontier.num_made());
            }
            Ok(())
        };
        let mut chunks = network.stream((weight, deadline), make, poll)?;
        frontier.descend(&self.envs)?;
        frontier.take(&mut chunks);
        network.keep(chunks);
        Ok(())
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
        self.advance(&[LaneMove { lane, made: Move::Observe }], frontier.root.num_actions(), poll)
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
            for frontier in busy.iter_mut() {
                frontier.propose(frontier.room(), &mut self.moves);
            }
            if self.moves.is_empty() {
                return Ok(());
            }
            let moves = std::mem::take(&mut self.moves);
            self.advance(&moves, num_actions, poll)?;
            self.moves = moves;
            let mut row = 0;
            for frontier in busy.iter_mut() {
                row += frontier.accept(&self.envs, &self.views, row)?;
            }
        }
    }

    fn advance(&mut self, moves: &[LaneMove], num_actions: usize, poll: Poll<'_>) -> Result<()> {
        self.views.clear();
        let told = (moves, &Acts::default());
        advance(&mut self.envs, told, 0, &mut self.rngs, &mut self.views, poll)?;
        check_views(&self.views, moves.len(), num_actions)
    }
}
