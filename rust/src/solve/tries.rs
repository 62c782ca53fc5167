//! Tries by the policy's own actions or by tree searches, many side by side; the best of each
//! start counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::RwLock;

use super::config::{EvalConfig, Strategy};
use super::episode::Episode;
use super::starts::Starts;
use crate::clock::Deadline;
use crate::engine::cache::Cache;
use crate::engine::capped::Capped;
use crate::engine::lockstep::{self, num_players, Episodes, Visit};
use crate::engine::pool::{run_foreign, Poll};
use crate::engine::rules::{Choice, PlayRules};
use crate::error::Result;
use crate::exact::goal_table::GoalTable;
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{Move, VecEnv};
use crate::rng::Rng;
use crate::search::{self, Forester, SearchRules, SelfPlay};

/// Lanes of a worker. Evaluation meets most states more than once, so most steps need no network.
const LANES: usize = 256;
/// Games that a worker searches side by side.
const GAMES: usize = 64;
/// To place one takes milliseconds at most, mostly less than to ask.
const STARTS_BETWEEN_POLLS: usize = 8;

/// Plays `config.num_searches` tries from every start and returns the best of each.
///
/// # Errors
/// If no action is legal in a state that is not final, an episode does not end, an environment
/// fails, or `poll` does.
pub(super) fn play(
    env: &dyn Env,
    policy: &dyn Policy,
    starts: Starts,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    let tries = starts.len().saturating_mul(config.num_searches);
    let workers = num_players(policy, config.num_cores.min(starts.len()));
    let tries = tries.div_ceil(workers);
    let lanes = match config.strategy {
        Strategy::Mcts(_) => GAMES.min(tries),
        _ => LANES.min(tries),
    };
    let budget = config.budget;
    let choice = if config.deterministic { Choice::Greedy } else { Choice::Sample };
    let table = match config.strategy {
        Strategy::Mcts(_) => GoalTable::around(env, config.goal_table_bytes, &mut *poll)?,
        _ => None,
    };
    let next_start = AtomicUsize::new(0);
    let cache = RwLock::new(Cache::new(policy.num_actions() + 1));
    let (env, policy, config, num_starts) =
        (env.try_clone()?, policy.share(), *config, starts.len());
    let parts = run_foreign(workers, poll, move |_, poll| {
        let mut judge = Judge {
            starts: &starts,
            config: &config,
            seed,
            next_start: &next_start,
            root: env.try_clone()?,
            pending: 0..0,
            current: 0,
            deadline: Deadline::NEVER,
            lanes: vec![Try::new(); lanes],
            results: vec![Ended::default(); starts.len()],
        };
        if let Strategy::Mcts(tree) = config.strategy {
            let self_play = SelfPlay::default();
            let rules =
                SearchRules { tree, self_play, choice, follow_plans: true, cache: true, budget };
            let mut forester = Forester::new(&*policy, rules, &cache, lanes);
            forester.table.clone_from(&table);
            let mut slots = forester.slots(&*env, config.max_episode_steps)?;
            search::play(&mut forester, &mut slots, &mut judge, poll)?;
        } else {
            let rules = PlayRules { choice, cache: true, evaluate_final: false };
            let mut envs = Capped::lanes(&*env, lanes, config.max_episode_steps)?;
            lockstep::play(&mut envs, &env.spec().acts, &*policy, rules, &mut judge, poll)?;
        }
        Ok(judge.results)
    })?;
    let mut episodes = vec![Episode::default(); num_starts];
    for part in parts {
        for (episode, ended) in episodes.iter_mut().zip(part) {
            if let Some((_, best)) = ended.best_within(budget.nodes) {
                *episode = best;
            }
        }
    }
    Ok(episodes)
}

/// A try that a lane is playing.
#[derive(Clone)]
struct Try {
    start: usize,
    number: usize,
    /// Of all tries at `start`.
    deadline: Deadline,
    episode: Episode,
}

impl Try {
    fn new() -> Self {
        Self { start: 0, number: 0, deadline: Deadline::NEVER, episode: Episode::default() }
    }
}

struct Judge<'a> {
    starts: &'a Starts,
    config: &'a EvalConfig,
    seed: u64,
    next_start: &'a AtomicUsize,
    /// The start that `pending` tries are still to be played from.
    root: Box<dyn Env>,
    pending: std::ops::Range<usize>,
    current: usize,
    /// Of `current`.
    deadline: Deadline,
    lanes: Vec<Try>,
    /// By start.
    results: Vec<Ended>,
}

impl Judge<'_> {
    /// Puts `root` into the next start; false when there is none left.
    fn next_root(&mut self, poll: Poll<'_>) -> Result<bool> {
        self.pending = 0..0;
        self.current = self.next_start.fetch_add(1, Ordering::Relaxed);
        if self.current.is_multiple_of(STARTS_BETWEEN_POLLS) {
            poll()?;
        }
        if self.current >= self.starts.len() {
            return Ok(false);
        }
        self.deadline = Deadline::after(self.config.budget.time)?;
        self.starts.place(self.current, &mut *self.root, self.seed)?;
        self.pending = 0..self.config.num_searches;
        Ok(true)
    }

    /// Whether the tries at `current` that have begun are all it gets.
    fn is_spent(&self) -> bool {
        let nodes = self.config.budget.nodes;
        self.pending.start > 0
            && (nodes.is_some_and(|most| self.results[self.current].nodes >= most)
                || self.deadline.is_over())
    }

    /// Nodes that the tries before the one in `lane`, at the same start, have used at least.
    fn used_before(&self, lane: usize) -> u64 {
        let Try { start, number, .. } = self.lanes[lane];
        let is_before = |other: &&Try| other.start == start && other.number < number;
        let running = self.lanes.iter().filter(is_before).map(|other| other.episode.nodes);
        self.results[start].nodes_before + running.sum::<u64>()
    }
}

impl Episodes for Judge<'_> {
    fn start(
        &mut self,
        lane: usize,
        envs: &mut dyn VecEnv,
        rng: &mut Rng,
        poll: Poll<'_>,
    ) -> Result<Option<Move>> {
        if (self.pending.is_empty() || self.is_spent()) && !self.next_root(poll)? {
            return Ok(None);
        }
        let number = self.pending.start;
        self.pending.start += 1;
        *rng = self.starts.stream(self.seed, 1 + number, self.current);
        let slot = &mut self.lanes[lane];
        slot.start = self.current;
        slot.number = number;
        slot.deadline = self.deadline;
        slot.episode = Episode::default();
        envs.load(lane, &*self.root)?;
        Ok(Some(Move::Observe))
    }

    #[inline]
    fn visit(&mut self, lane: usize, visit: &Visit<'_>) -> Result<()> {
        let episode = &mut self.lanes[lane].episode;
        episode.reward += visit.status.reward;
        if !visit.status.is_final {
            match visit.act.discrete() {
                Some(action) => episode.actions.push(action as i64),
                None => episode.others += 1,
            }
            episode.nodes += visit.nodes;
        }
        Ok(())
    }

    fn stops(&mut self, lane: usize, nodes: u64) -> bool {
        let most_nodes = self.config.budget.nodes;
        self.lanes[lane].episode.nodes += nodes;
        let Try { deadline, ref episode, .. } = self.lanes[lane];
        // What goes beyond the budget, with what the tries before it use, cannot count.
        most_nodes.is_some_and(|most| {
            episode.nodes >= most || self.used_before(lane) + episode.nodes >= most
        }) || deadline.is_over()
    }

    fn finish(&mut self, lane: usize, envs: &dyn VecEnv, status: Status) -> Result<()> {
        let Try { start, number, episode, .. } = &mut self.lanes[lane];
        episode.success = status.success;
        if let Some(solution) = envs.solution(lane)? {
            episode.actions = solution;
        }
        let ended = (*number, std::mem::take(episode));
        match self.config.budget.nodes {
            None => keep_better(&mut self.results[*start].best, ended),
            Some(_) => self.results[*start].insert(ended),
        }
        Ok(())
    }
}

/// The tries at one start that have ended.
#[derive(Clone, Default)]
struct Ended {
    /// Where there is no budget of nodes.
    best: Option<(usize, Episode)>,
    /// Where there is one: every try by its number.
    tries: Vec<Option<Episode>>,
    /// What they have used.
    nodes: u64,
    /// Number of the first that has not ended, and what those before it have used.
    first_running: usize,
    nodes_before: u64,
}

impl Ended {
    fn insert(&mut self, (number, episode): (usize, Episode)) {
        self.nodes += episode.nodes;
        self.tries.resize(self.tries.len().max(number + 1), None);
        self.tries[number] = Some(episode);
        while let Some(Some(ended)) = self.tries.get(self.first_running) {
            self.nodes_before += ended.nodes;
            self.first_running += 1;
        }
    }

    /// The best of the tries that together use no more than `nodes`, as if each had waited for the
    /// one before it: which ended first does not matter. The first try always counts.
    fn best_within(self, nodes: Option<u64>) -> Option<(usize, Episode)> {
        let Some(most) = nodes else { return self.best };
        let mut best = None;
        let mut used = 0u64;
        for (number, ended) in self.tries.into_iter().enumerate() {
            let Some(ended) = ended else { break };
            used += ended.nodes;
            if number > 0 && used > most {
                break;
            }
            keep_better(&mut best, (number, ended));
        }
        best
    }
}

/// Makes `best` the better of the two; it counts the nodes of both.
fn keep_better(best: &mut Option<(usize, Episode)>, ended: (usize, Episode)) {
    let Some(known) = best else {
        *best = Some(ended);
        return;
    };
    let nodes = known.1.nodes + ended.1.nodes;
    if beats(&ended, known) {
        *known = ended;
    }
    known.1.nodes = nodes;
}

/// Better by (success, reward); of equals the earlier try, whichever ended first.
fn beats((number, new): &(usize, Episode), (best_number, best): &(usize, Episode)) -> bool {
    let (new, best) = ((new.success, new.reward), (best.success, best.reward));
    new > best || (new == best && number < best_number)
}
