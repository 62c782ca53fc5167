//! Play by beams that an environment's own estimates lead: `patterns`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::config::EvalConfig;
use super::episode::Episode;
use super::pattern_beam::{Beam, Limits};
use super::pattern_lessons::taught;
use super::starts::Starts;
use crate::clock::Deadline;
use crate::engine::pool::{num_workers, run_foreign, Poll};
use crate::engine::DEFAULT_MAX_EPISODE_STEPS;
use crate::error::{Error, Result};
use crate::rl::env::Env;
use crate::rl::estimates::Estimates;
use crate::search::Budget;

/// Of tables, where no memory is named: groups of five tiles for 5x5.
const PATTERN_BYTES: u64 = 1 << 26;
/// The first beam where a limit is to be used, and how many times as wide the next one is.
const FIRST_WIDTH: usize = 1 << 10;
const WIDENING: usize = 4;
/// A beam has all threads from this width on, else each start one.
const SHARED_WIDTH: usize = 1 << 12;
/// A state's number in its depth has 32 bits.
const MOST_WIDTH: usize = 1 << 26;

/// Searches from every start by a beam of `width`; with a budget by growing ones, of which the best solution
/// counts. The result does not depend on `config.num_cores`, a limit of time aside.
///
/// # Errors
/// If `env` has no estimates or does not tell its state, and as [`evaluate`](super::evaluate).
pub(super) fn play(
    env: &dyn Env,
    starts: Starts,
    width: usize,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    let (cores, num_starts) = (num_workers(config.num_cores), starts.len());
    let estimates = checked(env, width, config, &mut *poll)?;
    let (num_lessons, most_depth) = (config.pattern_boards, most_depth(config));
    let estimates = taught(estimates, num_lessons, most_depth, cores, &mut *poll)?;
    let (workers, threads) = match num_starts < cores || width >= SHARED_WIDTH {
        true => (1, cores),
        false => (cores, 1),
    };
    let next_start = AtomicUsize::new(0);
    let (env, config) = (env.try_clone()?, *config);
    let found = run_foreign(workers, poll, move |_, poll| {
        let mut root = env.try_clone()?;
        let mut search = Search::new(&*estimates, threads, width, &config);
        let mut found = Vec::new();
        loop {
            let start = next_start.fetch_add(1, Ordering::Relaxed);
            if start >= starts.len() {
                return Ok(found);
            }
            starts.place(start, &mut *root, seed)?;
            found.push((start, search.episode(&*root, poll)?));
        }
    })?;
    let mut episodes = vec![Episode::default(); num_starts];
    for (start, episode) in found.into_iter().flatten() {
        episodes[start] = episode;
    }
    Ok(episodes)
}

/// Whether [`play`] is possible; its tables are kept for it.
///
/// # Errors
/// As [`play`].
pub(super) fn check(
    env: &dyn Env,
    width: usize,
    config: &EvalConfig,
    poll: Poll<'_>,
) -> Result<()> {
    checked(env, width, config, poll).map(drop)
}

fn checked(
    env: &dyn Env,
    width: usize,
    config: &EvalConfig,
    poll: Poll<'_>,
) -> Result<Arc<dyn Estimates>> {
    if width > MOST_WIDTH {
        let expected = format!("an integer in 1..={MOST_WIDTH} (by patterns)");
        return Err(Error::invalid("beam_width", expected, width));
    }
    let bytes = config.pattern_bytes.unwrap_or(PATTERN_BYTES);
    let estimates = env.estimates(bytes, poll)?.filter(|_| env.state().is_some());
    estimates.ok_or_else(|| {
        let name = &env.spec().name;
        let got = format!("\"patterns\" for {name}, which has no pattern databases");
        Error::invalid("strategy", "one that the environment can be solved by", got)
    })
}

fn most_depth(config: &EvalConfig) -> usize {
    config.max_episode_steps.unwrap_or(DEFAULT_MAX_EPISODE_STEPS) as usize
}

/// What a worker searches with.
struct Search<'a> {
    estimates: &'a dyn Estimates,
    beam: Beam<'a>,
    width: usize,
    budget: Budget,
    most_depth: usize,
    words: Vec<u32>,
}

impl<'a> Search<'a> {
    fn new(
        estimates: &'a dyn Estimates,
        threads: usize,
        width: usize,
        config: &EvalConfig,
    ) -> Self {
        Self {
            estimates,
            beam: Beam::new(estimates, threads),
            width,
            budget: config.budget,
            most_depth: most_depth(config),
            words: vec![0; estimates.num_words()],
        }
    }

    /// The best solution of the state that `root` is in.
    fn episode(&mut self, root: &dyn Env, poll: Poll<'_>) -> Result<Episode> {
        let status = root.try_status()?;
        let unsolved = Episode { reward: status.reward, ..Episode::default() };
        if status.is_final {
            return Ok(Episode { success: status.success, ..unsolved });
        }
        self.estimates.enter(&root.state().unwrap_or_default(), &mut self.words);
        let deadline = Deadline::after(self.budget.time)?;
        let (mut nodes, mut best): (u64, Option<Vec<i64>>) = (0, None);
        let mut width = match self.budget == Budget::default() {
            true => self.width,
            false => self.width.min(FIRST_WIDTH),
        };
        loop {
            let limits = Limits {
                width,
                // Another solution counts if it is shorter.
                most_depth: best.as_ref().map_or(self.most_depth, |best| best.len() - 1),
                most_nodes: self.budget.nodes.map_or(u64::MAX, |most| most.saturating_sub(nodes)),
                deadline,
            };
            let found = self.beam.search(&self.words, limits, &mut *poll)?;
            nodes += found.nodes;
            best = found.actions.or(best);
            let is_spent = self.budget.nodes.is_some_and(|most| nodes >= most);
            if width == self.width || is_spent || deadline.is_over() {
                break;
            }
            width = width.saturating_mul(WIDENING).min(self.width);
        }
        let played = best.map(|actions| Episode::played(root, actions)).transpose()?.flatten();
        Ok(Episode { nodes, ..played.unwrap_or(unsolved) })
    }
}
