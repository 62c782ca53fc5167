//! Episodes for AlphaZero: every move is searched, its visits are the policy's target and the
//! return of the episode the value's.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::merge::{merge, Finished};
use super::queue::EpisodeQueue;
use super::steps::Steps;
use super::table::Table;
use super::work::Work;
use crate::engine::cache::Cache;
use crate::engine::capped;
use crate::engine::lockstep::{check_search, num_players, require_no_memory, Episodes, Visit};
use crate::engine::pool::{run_foreign, Poll, DEFAULT_CORES};
use crate::engine::rules::Choice;
use crate::error::{Error, Result};
use crate::nn::{PlayPrecision, Policy};
use crate::rl::env::{Env, Status};
use crate::rl::start::{DifficultyDistribution, Start};
use crate::rl::vec_env::{Move, VecEnv};
use crate::rng::Rng;
use crate::search::{
    check_transpositions, play, Budget, Forester, SearchRules, SelfPlay, TreeConfig, Truncation,
};
use crate::spaces::ActSpace;

/// Games of a worker: enough to fill the kernels' tiles with the leaves of a wave, few enough for
/// their trees to stay in the processor's cache.
const GAMES: usize = 32;

/// What to collect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AzConfig {
    pub num_episodes: usize,
    #[serde(flatten)]
    pub tree: TreeConfig,
    #[serde(flatten)]
    pub self_play: SelfPlay,
    /// Capped at what the machine has.
    pub num_cores: usize,
    pub difficulty_distribution: DifficultyDistribution,
    /// Moves after which an episode is cut off, at least 1.
    pub max_moves: Option<usize>,
    /// Steps of an episode beyond which the environment is taken for one that never ends: an
    /// error. `None`: where nothing else ends it, as many as
    /// [`DEFAULT_MAX_EPISODE_STEPS`](crate::engine::DEFAULT_MAX_EPISODE_STEPS).
    pub max_episode_steps: Option<u32>,
    /// An episode is given up in a state that its search finds to be worth less than this.
    pub resign_threshold: Option<f32>,
    /// Share of the episodes that are never given up, in [0, 1]: they tell how often giving up
    /// would have been wrong.
    pub resign_exempt: f32,
    /// Evaluate each distinct observation once; changes nothing but the time.
    pub cache: bool,
    /// Of the network's numbers.
    pub precision: PlayPrecision,
}

impl Default for AzConfig {
    fn default() -> Self {
        Self {
            num_episodes: 512,
            tree: TreeConfig::default(),
            self_play: SelfPlay::default(),
            num_cores: DEFAULT_CORES,
            difficulty_distribution: DifficultyDistribution::Fixed,
            max_moves: None,
            max_episode_steps: None,
            resign_threshold: None,
            resign_exempt: 0.1,
            cache: true,
            precision: PlayPrecision::F32,
        }
    }
}

impl AzConfig {
    /// The same with episodes that begin as `start` says.
    pub fn started(&self, start: Start) -> Self {
        let difficulty_distribution = self.difficulty_distribution.from(start);
        Self { difficulty_distribution, ..self.clone() }
    }

    /// All its episodes in iteration `iteration`.
    pub fn work(&self, seed: u64, iteration: u64) -> Work {
        Work::whole(seed, iteration, self.num_episodes)
    }

    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        Error::check_episodes("num_episodes", self.num_episodes)?;
        Error::check_counts([
            ("num_cores", self.num_cores),
            ("max_moves", self.max_moves.unwrap_or(1)),
        ])?;
        if let Some(threshold) = self.resign_threshold.filter(|value| !value.is_finite()) {
            return Err(Error::invalid("resign_threshold", "a finite number", threshold));
        }
        if !(0.0..=1.0).contains(&self.resign_exempt) {
            return Err(Error::invalid("resign_exempt", "a number in [0, 1]", self.resign_exempt));
        }
        capped::check(self.max_episode_steps)?;
        self.tree.check()?;
        self.self_play.check()
    }

    /// What is asked for; where episodes are cut off, nothing else needs to end them.
    fn most_steps(&self) -> Option<u32> {
        self.max_episode_steps.or(self.max_moves.map(|_| u32::MAX))
    }
}

/// What became of the episodes of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzReport {
    pub episodes: usize,
    pub solved: usize,
    /// Given up as hopeless.
    pub resigned: usize,
    /// Played on only because they were exempt from giving up.
    pub spared: usize,
    /// Spared and solved: giving up would have been wrong.
    pub spared_solved: usize,
    /// Simulations run; those of kept trees not again.
    pub simulations: u64,
    /// States given to the policy, found in the cache or not.
    pub nodes: u64,
    /// The trees and the cache at their largest, the states themselves not counted.
    pub memory_bytes: usize,
}

impl AzReport {
    fn add(&mut self, other: &Self) {
        self.episodes += other.episodes;
        self.solved += other.solved;
        self.resigned += other.resigned;
        self.spared += other.spared;
        self.spared_solved += other.spared_solved;
        self.simulations += other.simulations;
        self.nodes += other.nodes;
        self.memory_bytes += other.memory_bytes;
    }
}

/// Plays the episodes of `work` from `env.reset()` on, each move by a search.
///
/// Columns: "obs", "masks", "twists", "visits" (the search's distribution over actions `[N, A]`, all
/// 0 at the last state of an episode), "log_probs", "values" (what the search found the state to be
/// worth), "rewards", "actions", "advantages", "returns" (the discounted rewards from the state on,
/// `r_t + gamma * r_{t+1} + ...`, its own included). Where an episode ends early, its last value
/// stands for what was still to come if it was given up, or cut off with [`Truncation::Bootstrap`].
///
/// Episodes come back in their order, so the result does not depend on `num_cores` or `cache`, and
/// a part of the work has the rows that it has in the whole. `env` stays as it is.
///
/// # Errors
/// If the configuration is out of range, the policy does not fit the environment, no action is
/// legal in a state that is not final, an episode does not end, an environment fails, `poll` does, or
/// the policy has no form of `config.precision`.
pub fn collect(
    env: &dyn Env,
    policy: &dyn Policy,
    config: &AzConfig,
    work: &Work,
    poll: Poll<'_>,
) -> Result<(Table, AzReport)> {
    Collector::default().collect(env, policy, config, work, poll)
}

/// [`collect`] again and again, with a cache whose memory is kept, unless a collection fails.
#[derive(Default)]
pub struct Collector {
    cache: RwLock<Cache>,
}

impl Collector {
    /// See the function [`collect`].
    pub fn collect(
        &mut self,
        env: &dyn Env,
        policy: &dyn Policy,
        config: &AzConfig,
        work: &Work,
        poll: Poll<'_>,
    ) -> Result<(Table, AzReport)> {
        config.check()?;
        work.check()?;
        check_search(env, policy, "self-play by searching")?;
        require_no_memory(policy, "self-play by searching")?;
        check_transpositions(&config.tree, env, policy)?;
        let policy = &*policy.at(config.precision)?;
        let num_workers = num_players(policy, config.num_cores).min(work.len());
        let most_games = GAMES.min(work.len().div_ceil(num_workers));
        let rules = SearchRules {
            tree: config.tree,
            self_play: config.self_play,
            choice: Choice::Sample,
            follow_plans: false,
            cache: config.cache,
            budget: Budget::default(),
        };
        let queue = EpisodeQueue::new(env, config.difficulty_distribution, work);
        let mut cache = std::mem::take(&mut self.cache);
        cache.get_mut().unwrap_or_else(PoisonError::into_inner).clear(policy.num_actions() + 1);
        let cache = Arc::new(cache);
        let (env, policy, config) = (env.try_clone()?, policy.share(), config.clone());
        let shared = cache.clone();
        let parts = run_foreign(num_workers, &mut *poll, move |_, poll| {
            let mut forester = Forester::new(&*policy, rules, &shared, most_games);
            let spec = env.spec();
            let mut recorder = Recorder {
                acts: &spec.acts,
                config: &config,
                queue: &queue,
                games: (0..most_games).map(|_| Recording::default()).collect(),
                done: Finished::default(),
                report: AzReport::default(),
            };
            let mut slots = forester.slots(&*env, config.most_steps())?;
            play(&mut forester, &mut slots, &mut recorder, poll)?;
            recorder.report.memory_bytes = forester.memory_bytes();
            recorder.report.simulations = forester.simulations;
            Ok((recorder.done, recorder.report))
        })?;
        let (parts, reports): (Vec<Finished>, Vec<AzReport>) = parts.into_iter().unzip();
        let mut report = AzReport::default();
        reports.iter().for_each(|part| report.add(part));
        self.cache = Arc::into_inner(cache).unwrap_or_default();
        report.memory_bytes +=
            self.cache.get_mut().unwrap_or_else(PoisonError::into_inner).memory_bytes();
        let parts: Vec<&Finished> = parts.iter().collect();
        Ok((merge(&parts, num_workers, poll)?, report))
    }
}

/// The episode that a game is.
#[derive(Default)]
struct Recording {
    episode: usize,
    steps: Steps,
    exempt: bool,
    /// Its value has been below the threshold.
    hopeless: bool,
}

impl Recording {
    fn resigns(&self) -> bool {
        self.hopeless && !self.exempt
    }
}

struct Recorder<'a> {
    config: &'a AzConfig,
    queue: &'a EpisodeQueue,
    games: Vec<Recording>,
    acts: &'a ActSpace,
    done: Finished,
    report: AzReport,
}

impl Episodes for Recorder<'_> {
    fn start(
        &mut self,
        game: usize,
        _: &mut dyn VecEnv,
        rng: &mut Rng,
        _: Poll<'_>,
    ) -> Result<Option<Move>> {
        let Some((episode, action)) = self.queue.start(rng) else {
            return Ok(None);
        };
        let recording = &mut self.games[game];
        recording.episode = episode;
        recording.steps.begin(self.acts);
        recording.hopeless = false;
        recording.exempt = match self.config.resign_threshold {
            Some(_) => rng.unit() < self.config.resign_exempt,
            None => true,
        };
        Ok(Some(action))
    }

    fn visit(&mut self, game: usize, visit: &Visit<'_>) -> Result<()> {
        let recording = &mut self.games[game];
        recording.steps.push(visit);
        let low = self.config.resign_threshold.is_some_and(|least| visit.value < least);
        recording.hopeless |= low && !visit.status.is_final;
        Ok(())
    }

    fn stops(&mut self, game: usize, nodes: u64) -> bool {
        self.report.nodes += nodes;
        let recording = &self.games[game];
        let moves = recording.steps.len();
        recording.resigns() || self.config.max_moves.is_some_and(|most| moves >= most)
    }

    fn most_difficulty(&self) -> usize {
        self.queue.difficulty
    }

    fn finish(&mut self, game: usize, _: &dyn VecEnv, status: Status) -> Result<()> {
        let recording = &mut self.games[game];
        let resigned = recording.resigns() && !status.is_final;
        let cut_off = status.truncated || !status.is_final;
        let bootstrap = cut_off && self.config.tree.truncation == Truncation::Bootstrap;
        sum_rewards(&mut recording.steps, self.config.tree.gamma, resigned || bootstrap);
        self.done.push(recording.episode, recording.steps.columns("visits"));
        self.report.episodes += 1;
        self.report.solved += usize::from(status.success);
        self.report.resigned += usize::from(resigned);
        let spared = recording.hopeless && recording.exempt;
        self.report.spared += usize::from(spared);
        self.report.spared_solved += usize::from(spared && status.success);
        Ok(())
    }
}

/// `R_t = r_t + gamma * R_{t+1}`, and `R = r` at the end, or `R = V` with `bootstrap`; the advantage
/// is `R - V`.
fn sum_rewards(steps: &mut Steps, gamma: f32, bootstrap: bool) {
    let Steps { values, rewards, advantages, returns, .. } = steps;
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
