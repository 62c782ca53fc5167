//! Playing episodes to judge a policy or to solve a state.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::env::{Env, Status};
use super::vec_env::{Move, VecEnv};
use crate::engine::lockstep::{check_fit, play, Choice, Episodes, Rules, Visit};
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::{Error, Result};
use crate::nn::Policy;
use crate::rng::Rng;

/// Lanes of a worker. Evaluation meets most states more than once, so most steps need no network.
const LANES: usize = 256;
/// Keeps the streams of evaluation apart from those of collection with the same seed.
const STREAM_TAG: u64 = 0x6576_616C_7561_7465;

/// Where the episodes begin.
#[derive(Clone, Copy, Debug)]
pub enum Starts<'a> {
    /// `env.reset()` at its difficulty, this many times.
    Reset(usize),
    /// A uniformly random solvable state, this many times.
    Uniform(usize),
    /// These states, in this order.
    States(&'a [Vec<i64>]),
    /// The state that the environment is in.
    Current,
}

impl Starts<'_> {
    fn len(&self) -> usize {
        match *self {
            Starts::Reset(count) | Starts::Uniform(count) => count,
            Starts::States(states) => states.len(),
            Starts::Current => 1,
        }
    }
}

/// How episodes are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvalConfig {
    /// Take the likeliest action instead of sampling.
    pub deterministic: bool,
    /// Tries for each start; the best by (success, reward) counts.
    pub num_searches: usize,
    /// Capped at what the machine has.
    pub num_cores: usize,
}

/// The best try from one start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    pub success: bool,
    /// Sum of the rewards of all states, first and last included.
    pub reward: f32,
    /// The actions played, or what the environment says is its solution.
    pub actions: Vec<i64>,
}

/// Plays from every start and returns the best try of each, in order.
///
/// Try `k` from start `e` draws from the stream (`seed`, `k`, `e`) alone: the result does not
/// depend on `num_cores`. `env` stays as it is.
///
/// # Errors
/// If the policy does not fit the environment, a start is no state or cannot be solved, no action
/// is legal in a state that is not final, an environment fails, or `poll` does.
pub fn evaluate(
    env: &dyn Env,
    policy: &Policy,
    starts: Starts<'_>,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    check_fit(env, policy)?;
    if config.num_searches == 0 {
        return Err(Error::invalid("num_searches", "at least 1", 0));
    }
    check_starts(env, starts)?;
    let tries = starts.len().saturating_mul(config.num_searches);
    if tries == 0 {
        return Ok(Vec::new());
    }
    let workers = num_workers(config.num_cores).min(starts.len());
    let lanes = LANES.min(tries.div_ceil(workers));
    let choice = if config.deterministic { Choice::Greedy } else { Choice::Sample };
    let rules = Rules { choice, cache: true, evaluate_final: false };
    let next_start = AtomicUsize::new(0);
    let parts = run(workers, poll, |_, poll| {
        let mut envs = env.lanes(lanes)?;
        let mut judge = Judge {
            starts,
            num_searches: config.num_searches,
            seed: seed ^ STREAM_TAG,
            next_start: &next_start,
            root: env.try_clone()?,
            pending: 0..0,
            current: 0,
            lanes: vec![Try::default(); lanes],
            best: vec![None; starts.len()],
        };
        play(&mut *envs, policy, rules, &mut judge, poll)?;
        Ok(judge.best)
    })?;
    let mut episodes = vec![Episode::default(); starts.len()];
    for part in parts {
        for (episode, best) in episodes.iter_mut().zip(part) {
            if let Some((_, best)) = best {
                *episode = best;
            }
        }
    }
    Ok(episodes)
}

/// Plays from the environment's current state and returns the best try.
///
/// # Errors
/// As [`evaluate`].
pub fn solve(
    env: &dyn Env,
    policy: &Policy,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Episode> {
    let mut episodes = evaluate(env, policy, Starts::Current, config, seed, poll)?;
    Ok(episodes.pop().unwrap_or_default())
}

/// Refuses bad starts before anything is played.
fn check_starts(env: &dyn Env, starts: Starts<'_>) -> Result<()> {
    match starts {
        Starts::States(states) => {
            let mut probe = env.try_clone()?;
            for (index, state) in states.iter().enumerate() {
                let fits = probe.try_set_state(state).and_then(|()| probe.check_solvable());
                fits.map_err(|error| error.at(format!("states[{index}]")))?;
            }
            Ok(())
        }
        Starts::Current => env.check_solvable(),
        Starts::Reset(_) | Starts::Uniform(_) => Ok(()),
    }
}

/// A try that a lane is playing.
#[derive(Clone, Default)]
struct Try {
    start: usize,
    number: usize,
    episode: Episode,
}

struct Judge<'a> {
    starts: Starts<'a>,
    num_searches: usize,
    seed: u64,
    next_start: &'a AtomicUsize,
    /// The start that `pending` tries are still to be played from.
    root: Box<dyn Env>,
    pending: std::ops::Range<usize>,
    current: usize,
    lanes: Vec<Try>,
    /// By start: the number of the best try, and the try.
    best: Vec<Option<(usize, Episode)>>,
}

impl Judge<'_> {
    /// Puts `root` into the next start; false when there is none left.
    fn next_root(&mut self) -> Result<bool> {
        self.current = self.next_start.fetch_add(1, Ordering::Relaxed);
        if self.current >= self.starts.len() {
            return Ok(false);
        }
        let mut rng = Rng::stream(self.seed, 0, self.current as u64);
        match self.starts {
            Starts::Reset(_) => self.root.try_reset(&mut rng)?,
            Starts::Uniform(_) => self.root.try_reset_uniform(&mut rng)?,
            Starts::States(states) => self.root.try_set_state(&states[self.current])?,
            Starts::Current => {}
        }
        self.pending = 0..self.num_searches;
        Ok(true)
    }
}

impl Episodes for Judge<'_> {
    fn start(&mut self, lane: usize, envs: &mut dyn VecEnv, rng: &mut Rng) -> Result<Option<Move>> {
        if self.pending.is_empty() && !self.next_root()? {
            return Ok(None);
        }
        let number = self.pending.start;
        self.pending.start += 1;
        *rng = Rng::stream(self.seed, 1 + number as u64, self.current as u64);
        let slot = &mut self.lanes[lane];
        slot.start = self.current;
        slot.number = number;
        slot.episode = Episode::default();
        envs.load(lane, &*self.root)?;
        Ok(Some(Move::Observe))
    }

    #[inline]
    fn visit(&mut self, lane: usize, visit: &Visit<'_>) -> Result<()> {
        let episode = &mut self.lanes[lane].episode;
        episode.reward += visit.status.reward;
        if !visit.status.is_final {
            episode.actions.push(visit.action as i64);
        }
        Ok(())
    }

    fn finish(&mut self, lane: usize, envs: &dyn VecEnv, status: Status) -> Result<()> {
        let Try { start, number, episode } = &mut self.lanes[lane];
        episode.success = status.success;
        if let Some(solution) = envs.solution(lane)? {
            episode.actions = solution;
        }
        let ended = (*number, std::mem::take(episode));
        let best = &mut self.best[*start];
        if best.as_ref().is_none_or(|best| beats(&ended, best)) {
            *best = Some(ended);
        }
        Ok(())
    }
}

/// Better by (success, reward); of equals the earlier try, whichever ended first.
fn beats((number, new): &(usize, Episode), (best_number, best): &(usize, Episode)) -> bool {
    let (new, best) = ((new.success, new.reward), (best.success, best.reward));
    new > best || (new == best && number < best_number)
}
