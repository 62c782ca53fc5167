//! Episodes for proximal policy optimization: sampled actions, advantages by GAE.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::merge::{merge, Finished};
use super::queue::EpisodeQueue;
use super::steps::Steps;
use super::table::Table;
use super::work::Work;
use crate::engine::cache::Cache;
use crate::engine::capped::{self, Capped};
use crate::engine::lockstep::{check_fit, num_players, Episodes, Memory, Player, Visit};
use crate::engine::pool::{run_foreign, Poll, DEFAULT_CORES};
use crate::engine::rules::{Choice, PlayRules};
use crate::error::{Error, Result};
use crate::locks::lock;
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rl::start::Start;
use crate::rl::vec_env::{Move, VecEnv};
use crate::rng::Rng;
use crate::spaces::ActSpace;

pub use crate::engine::lockstep::MASKED_LOGIT;
pub use crate::rl::start::DifficultyDistribution;
pub use crate::search::Truncation;

/// Lanes of a worker: enough to fill the kernels' tiles, few enough to stay in the cache. The fewer
/// there are, the shorter is the end of a collection, when a worker waits for the last episodes.
const LANES: usize = 24;
/// With the evaluation cache only few lanes of a step reach the network; and batches in Python cost
/// more than their lanes.
const MANY_LANES: usize = 96;
/// Where each step enters another language.
const LANES_OF_DEAR_CALLS: usize = 256;

/// What to collect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PpoConfig {
    pub num_episodes: usize,
    /// Discount, in [0, 1].
    pub gamma: f32,
    /// Lambda of GAE, in [0, 1].
    #[serde(rename = "lambda")]
    pub gae_lambda: f32,
    /// Capped at what the machine has.
    pub num_cores: usize,
    pub truncation: Truncation,
    pub difficulty_distribution: DifficultyDistribution,
    /// Steps of an episode beyond which the environment is taken for one that never ends: an
    /// error. `None`: where it does not end by itself, as many as
    /// [`DEFAULT_MAX_EPISODE_STEPS`](crate::engine::DEFAULT_MAX_EPISODE_STEPS).
    pub max_episode_steps: Option<u32>,
    /// Evaluate each distinct observation once; changes nothing but the time.
    pub cache: bool,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            num_episodes: 512 * 32,
            gamma: 0.995,
            gae_lambda: 0.995,
            num_cores: DEFAULT_CORES,
            truncation: Truncation::default(),
            difficulty_distribution: DifficultyDistribution::Fixed,
            max_episode_steps: None,
            cache: true,
        }
    }
}

impl PpoConfig {
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
        Error::check_counts([("num_cores", self.num_cores)])?;
        for (name, value) in [("gamma", self.gamma), ("lambda", self.gae_lambda)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::invalid(name, "a number in [0, 1]", value));
            }
        }
        capped::check(self.max_episode_steps)
    }
}

/// Plays the episodes of `work` from `env.reset()` on with actions sampled from `policy`.
///
/// Columns: "obs", "masks", "twists", "logits", "log_probs", "values", "rewards", "states", "actions" (that of
/// an episode's last state is nominal), "advantages", "returns".
///
/// Episodes come back in their order, so the result does not depend on `num_cores` or `cache`, and
/// a part of the work has the rows that it has in the whole. `env` stays as it is.
///
/// # Errors
/// If the configuration is out of range, the policy does not fit the environment, no action is
/// legal in a state that is not final, an episode does not end, an environment fails, or `poll`
/// does.
pub fn collect(
    env: &dyn Env,
    policy: &dyn Policy,
    config: &PpoConfig,
    work: &Work,
    poll: Poll<'_>,
) -> Result<Table> {
    Collector::default().collect(env, policy, config, work, poll)
}

/// [`collect`] again and again, in memory that is kept, unless a collection fails.
#[derive(Default)]
pub struct Collector {
    kept: Kept,
}

/// What the workers keep.
#[derive(Default)]
struct Kept {
    workers: Vec<Mutex<Worker>>,
    cache: RwLock<Cache>,
}

/// What a worker keeps.
#[derive(Default)]
struct Worker {
    memory: Memory,
    lanes: Vec<Recording>,
    done: Finished,
}

impl Collector {
    /// See the function [`collect`].
    pub fn collect(
        &mut self,
        env: &dyn Env,
        policy: &dyn Policy,
        config: &PpoConfig,
        work: &Work,
        poll: Poll<'_>,
    ) -> Result<Table> {
        config.check()?;
        work.check()?;
        check_fit(env, policy)?;
        let num_workers = num_players(policy, config.num_cores).min(work.len());
        let caches = config.cache && policy.state_size() == 0;
        let num_lanes = match policy.is_called_dearly() {
            true => LANES_OF_DEAR_CALLS,
            false if caches || env.is_called_dearly() => MANY_LANES,
            false => LANES,
        };
        let num_lanes = num_lanes.min(work.len().div_ceil(num_workers));
        let rules = PlayRules { choice: Choice::Sample, cache: config.cache, evaluate_final: true };
        let queue = EpisodeQueue::new(env, config.difficulty_distribution, work);
        let mut kept = std::mem::take(&mut self.kept);
        kept.cache
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear(policy.num_actions() + 1);
        kept.workers.resize_with(num_workers, Mutex::default);
        let kept = Arc::new(kept);
        let (env, policy, config) = (env.try_clone()?, policy.share(), config.clone());
        let theirs = kept.clone();
        run_foreign(num_workers, &mut *poll, move |worker, poll| {
            let Kept { workers, cache } = &*theirs;
            let mut worker = lock(&workers[worker]);
            let Worker { memory, lanes, done } = &mut *worker;
            lanes.resize_with(num_lanes, Recording::default);
            done.clear();
            let mut envs = Capped::lanes(&*env, num_lanes, config.max_episode_steps)?;
            let spec = env.spec();
            let acts = &spec.acts;
            let mut recorder = Recorder { acts, config: &config, queue: &queue, lanes, done };
            let player = Player { acts, policy: &*policy, rules, cache, memory };
            player.play(&mut envs, &mut recorder, poll)
        })?;
        self.kept = Arc::into_inner(kept).unwrap_or_default();
        let workers = self.kept.workers.iter_mut().map(Mutex::get_mut);
        let parts = workers.map(|worker| &worker.unwrap_or_else(PoisonError::into_inner).done);
        let parts: Vec<&Finished> = parts.collect();
        merge(&parts, num_workers, poll)
    }
}

/// The episode that a lane is playing.
#[derive(Default)]
struct Recording {
    episode: usize,
    steps: Steps,
}

struct Recorder<'a> {
    acts: &'a ActSpace,
    config: &'a PpoConfig,
    queue: &'a EpisodeQueue,
    lanes: &'a mut [Recording],
    done: &'a mut Finished,
}

impl Episodes for Recorder<'_> {
    fn start(
        &mut self,
        lane: usize,
        _: &mut dyn VecEnv,
        rng: &mut Rng,
        _: Poll<'_>,
    ) -> Result<Option<Move>> {
        let Some((episode, action)) = self.queue.start(rng) else {
            return Ok(None);
        };
        self.lanes[lane].episode = episode;
        self.lanes[lane].steps.begin(self.acts);
        Ok(Some(action))
    }

    #[inline]
    fn visit(&mut self, lane: usize, visit: &Visit<'_>) -> Result<()> {
        self.lanes[lane].steps.push(visit);
        Ok(())
    }

    fn most_difficulty(&self) -> usize {
        self.queue.difficulty
    }

    fn finish(&mut self, lane: usize, _: &dyn VecEnv, status: Status) -> Result<()> {
        let Recording { episode, steps } = &mut self.lanes[lane];
        let bootstrap = status.truncated && self.config.truncation == Truncation::Bootstrap;
        estimate_advantages(steps, self.config.gamma, self.config.gae_lambda, bootstrap);
        self.done.push(*episode, steps.columns("logits"));
        Ok(())
    }
}

/// Generalized advantage estimation (Schulman et al. 2016, equation 16) over one episode whose
/// reward `r_t` belongs to being in state `t`:
/// `R_t = r_t + gamma * (V_{t+1} + lambda * A_{t+1})`, `A_t = R_t - V_t`, and `R = r` at the end,
/// or `R = V` where the episode was cut off and `bootstrap` is set.
fn estimate_advantages(steps: &mut Steps, gamma: f32, gae_lambda: f32, bootstrap: bool) {
    let Steps { values, rewards, advantages, returns, .. } = steps;
    advantages.resize(values.len(), 0.0);
    returns.resize(values.len(), 0.0);
    let mut following = None;
    for t in (0..values.len()).rev() {
        let target = match following {
            Some((value, advantage)) => rewards[t] + gamma * (value + gae_lambda * advantage),
            None if bootstrap => values[t],
            None => rewards[t],
        };
        returns[t] = target;
        advantages[t] = target - values[t];
        following = Some((values[t], advantages[t]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: gamma 0.5, lambda 0.5, rewards 1 2 3, values 0.5 1 2.
    #[test]
    fn advantages_by_hand() {
        let recorded = || {
            let mut steps = Steps::default();
            (steps.rewards, steps.values) = (vec![1.0, 2.0, 3.0], vec![0.5, 1.0, 2.0]);
            steps
        };
        let mut steps = recorded();
        estimate_advantages(&mut steps, 0.5, 0.5, false);
        assert_eq!(steps.returns, [2.0625, 3.25, 3.0]);
        assert_eq!(steps.advantages, [1.5625, 2.25, 1.0]);
        let mut steps = recorded();
        estimate_advantages(&mut steps, 0.5, 0.5, true);
        assert_eq!(steps.returns, [2.0, 3.0, 2.0]);
        assert_eq!(steps.advantages, [1.5, 2.0, 0.0]);
    }
}
