//! Episodes for AlphaZero: every move is searched, its visits are the policy's target and the
//! return of the episode the value's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::RwLock;

use super::merge::{merge, Part};
use super::ppo::DifficultyDistribution;
use super::rollout::Rollout;
use crate::engine::cache::Cache;
use crate::engine::lockstep::{check_fit, Choice, Episodes, Visit};
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::{Error, Result};
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{Move, VecEnv};
use crate::rng::Rng;
use crate::search::{play, Forester, SearchRules, SelfPlay, TreeConfig, Truncation};

/// Games of a worker: enough to fill the kernels' tiles with the leaves of a wave.
const GAMES: usize = 48;
/// With the evaluation cache only few leaves of a wave reach the network.
const GAMES_WITH_CACHE: usize = 192;

/// What to collect.
#[derive(Clone, Debug, PartialEq)]
pub struct AzConfig {
    pub num_episodes: usize,
    pub tree: TreeConfig,
    pub self_play: SelfPlay,
    /// Capped at what the machine has.
    pub num_cores: usize,
    pub difficulty_distribution: DifficultyDistribution,
    /// Moves after which an episode is cut off, at least 1.
    pub max_moves: usize,
    /// Evaluate each distinct observation once; changes nothing but the time.
    pub cache: bool,
}

impl AzConfig {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        for (name, count) in [("num_episodes", self.num_episodes), ("max_moves", self.max_moves)] {
            if count == 0 {
                return Err(Error::invalid(name, "at least 1", 0));
            }
        }
        self.tree.check()?;
        self.self_play.check()
    }
}

/// Plays `num_episodes` episodes from `env.reset()` on, each move by a search.
///
/// In the result, `logits` holds the search's distribution over actions `[N, A]` (all 0 at the
/// last state of an episode), `values` what the search found the state to be worth and `returns`
/// the discounted rewards from the state on, `r_t + gamma * r_{t+1} + ...`, its own included.
///
/// Episode `e` draws from the stream (`seed`, `iteration`, `e`) alone, and episodes come back in
/// order: the result does not depend on `num_cores`. `env` stays as it is.
///
/// # Errors
/// If the configuration is out of range, the policy does not fit the environment, no action is
/// legal in a state that is not final, an environment fails, or `poll` does.
pub fn collect(
    env: &dyn Env,
    policy: &Policy,
    config: &AzConfig,
    seed: u64,
    iteration: u64,
    poll: Poll<'_>,
) -> Result<Rollout> {
    config.check()?;
    check_fit(env, policy)?;
    let workers = num_workers(config.num_cores).min(config.num_episodes);
    let games = if config.cache { GAMES_WITH_CACHE } else { GAMES };
    let games = games.min(config.num_episodes.div_ceil(workers));
    let rules = SearchRules {
        tree: config.tree,
        self_play: config.self_play,
        choice: Choice::Sample,
        cache: config.cache,
    };
    let next_episode = AtomicUsize::new(0);
    let difficulty = env.get_difficulty();
    let cache = RwLock::new(Cache::new(policy.num_actions() + 1));
    let parts = run(workers, &mut *poll, |_, poll| {
        let mut forester = Forester::new(policy, rules, &cache, games);
        let mut slots = forester.slots(env)?;
        let mut recorder = Recorder {
            config,
            seed,
            iteration,
            difficulty,
            next_episode: &next_episode,
            games: (0..games).map(|_| Recording::default()).collect(),
            done: Part::default(),
        };
        play(&mut forester, &mut *slots, &mut recorder, poll)?;
        Ok(recorder.done)
    })?;
    merge(&parts.iter().collect::<Vec<_>>(), policy.num_actions(), workers, poll)
}

/// The episode that a game is.
#[derive(Default)]
struct Recording {
    episode: usize,
    rows: Rollout,
}

struct Recorder<'a> {
    config: &'a AzConfig,
    seed: u64,
    iteration: u64,
    difficulty: usize,
    next_episode: &'a AtomicUsize,
    games: Vec<Recording>,
    done: Part,
}

impl Episodes for Recorder<'_> {
    fn start(&mut self, game: usize, _: &mut dyn VecEnv, rng: &mut Rng) -> Result<Option<Move>> {
        let episode = self.next_episode.fetch_add(1, Ordering::Relaxed);
        if episode >= self.config.num_episodes {
            return Ok(None);
        }
        *rng = Rng::stream(self.seed, self.iteration, episode as u64);
        let difficulty = self.config.difficulty_distribution.draw(self.difficulty, rng);
        self.games[game].episode = episode;
        self.games[game].rows.clear();
        Ok(Some(Move::Reset { difficulty }))
    }

    fn visit(&mut self, game: usize, visit: &Visit<'_>) -> Result<()> {
        self.games[game].rows.push(visit);
        Ok(())
    }

    fn stops(&mut self, game: usize) -> bool {
        self.games[game].rows.len() >= self.config.max_moves
    }

    fn finish(&mut self, game: usize, _: &dyn VecEnv, status: Status) -> Result<()> {
        let Recording { episode, rows } = &mut self.games[game];
        let cut_off = status.truncated || !status.is_final;
        let bootstrap = cut_off && self.config.tree.truncation == Truncation::Bootstrap;
        sum_rewards(rows, self.config.tree.gamma, bootstrap);
        self.done.push(*episode, rows);
        Ok(())
    }
}

/// `R_t = r_t + gamma * R_{t+1}`, and `R = r` at the end, or `R = V` where the episode was cut off
/// and `bootstrap` is set; the advantage is `R - V`.
fn sum_rewards(rows: &mut Rollout, gamma: f32, bootstrap: bool) {
    let Rollout { values, rewards, advantages, returns, .. } = rows;
    advantages.resize(values.len(), 0.0);
    returns.resize(values.len(), 0.0);
    let mut following = None;
    for t in (0..values.len()).rev() {
        let target = match following {
            Some(target) => rewards[t] + gamma * target,
            None if bootstrap => values[t],
            None => rewards[t],
        };
        returns[t] = target;
        advantages[t] = target - values[t];
        following = Some(target);
    }
}
