//! Random walks from the goal, for learning to undo them (Takano 2023, "Self-Supervision is All You
//! Need for Solving Rubik's Cube").
//!
//! ```
//! use twisterl::collector::walk::{collect, WalkConfig};
//! use twisterl::envs::puzzle::Puzzle;
//! # fn main() -> twisterl::Result<()> {
//! let env = Puzzle::new(3, 3, 1, 2, 256)?;
//! let config = WalkConfig { num_walks: 100, walk_length: 1, num_cores: 1, ..Default::default() };
//! let walks = collect(&env, &config, &config.work(0, 0), &mut || Ok(()))?;
//! // One move from the goal there are two boards; left and up are undone by right and down.
//! assert_eq!((walks.rows.len(), walks.num_samples), (2, 100));
//! assert_eq!(walks.undo_counts.iter().sum::<f32>(), 100.0);
//! assert_eq!(walks.mean_moves, [1.0, 1.0]);
//! # Ok(())
//! # }
//! ```

use serde::{Deserialize, Serialize};

use super::ahead::{self, Ahead};
use super::work::Work;
use crate::engine::pool::{num_workers, run_foreign, Poll, DEFAULT_CORES};
use crate::engine::row_set::RowSet;
use crate::error::{Error, Result};
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rng::Rng;
use crate::spaces::Rows;

/// A step takes a fraction of a microsecond, and more where an environment is in Python.
const STEPS_BETWEEN_POLLS: usize = 1 << 6;
const SAMPLES_BETWEEN_POLLS: usize = 1 << 14;

/// What to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalkConfig {
    pub num_walks: usize,
    /// Moves of each walk; every state on it is a sample.
    pub walk_length: usize,
    /// Capped at what the machine has.
    pub num_cores: usize,
    /// The order of the moves does not matter, as in Lights Out: no walk makes a move twice, and each
    /// that it has made may be undone.
    pub commuting: bool,
}

/// What `N` samples say about `U` distinct states with `A` actions, in the order of their first
/// appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walks {
    /// Observations `[U]`.
    pub rows: Rows,
    /// `[U, A]`, true where legal in a sample, or where it undoes the last move of one.
    pub masks: Vec<bool>,
    /// How many samples each action would undo the last move of `[U, A]`; shares of them, where every
    /// move of a sample is one that may be undone.
    pub undo_counts: Vec<f32>,
    /// Of commuting walks the same in units of 2^-32 `[U, A]`, else empty: shares are no sums of
    /// exact numbers, and those of parts must add up to those of all.
    pub undo_shares: Vec<u64>,
    /// Moves since the goal, the mean over the samples `[U]`.
    pub mean_moves: Vec<f32>,
    /// The same, summed: means of parts of the walks do not tell that of all.
    pub sum_moves: Vec<u64>,
    /// The largest value of the states one move on `[U]`, 1 where one is solved, -infinity where all
    /// of them end badly; none unless a policy was asked, see [`collect_ahead`].
    pub next_values: Vec<f32>,
    /// `N`.
    pub num_samples: usize,
}

impl Default for WalkConfig {
    fn default() -> Self {
        Self { num_walks: 1000, walk_length: 100, num_cores: DEFAULT_CORES, commuting: false }
    }
}

impl WalkConfig {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        Error::check_episodes("num_walks", self.num_walks)?;
        Error::check_counts([("walk_length", self.walk_length), ("num_cores", self.num_cores)])
    }

    /// All its walks in iteration `iteration`.
    pub fn work(&self, seed: u64, iteration: u64) -> Work {
        Work::whole(seed, iteration, self.num_walks)
    }
}

/// Most moves of the walk that is tried before any work.
const TRIED: usize = 100_000;

/// Refuses a configuration out of range, or an environment whose walks cannot be learned from or
/// end before `walk_length`, as far as the first of them shows.
pub fn check(env: &dyn Env, config: &WalkConfig) -> Result<()> {
    let inverses = usable(env, config)?;
    let walker = &mut Walker::new(env, &inverses, config.commuting)?;
    walker.walk(config.walk_length, TRIED, &mut Rng::new(0), &mut || Ok(()))?;
    match config.commuting {
        true => require_commuting(env, &inverses),
        false => Ok(()),
    }
}

/// Refuses an environment in whose goal two actions lead elsewhere in the other order.
fn require_commuting(env: &dyn Env, inverses: &[usize]) -> Result<()> {
    let (mut env, mut seen) = (env.try_clone()?, [Vec::new(), Vec::new()]);
    env.try_reset_goal(&mut Rng::new(0))?;
    for (a, b) in (0..inverses.len()).flat_map(|b| (0..b).map(move |a| (a, b))) {
        for (seen, order) in seen.iter_mut().zip([[a, b], [b, a]]) {
            seen.clear();
            order.into_iter().try_for_each(|action| env.try_step(action))?;
            env.try_observe(seen)?;
            order.into_iter().rev().try_for_each(|action| env.try_step(inverses[action]))?;
        }
        if seen[0] != seen[1] {
            let expected = format!("false: the order of actions {a} and {b} matters");
            return Err(Error::invalid("commuting", expected, true));
        }
    }
    Ok(())
}

/// The actions that undo the moves of `env`, if walks of `config` can be played; steps away are named
/// by what leads back.
fn usable(env: &dyn Env, config: &WalkConfig) -> Result<Vec<usize>> {
    config.check()?;
    let spec = env.spec();
    let inverses = match spec.steps_away {
        true => (0..spec.num_actions()).collect(),
        false => spec.require_inverses()?.to_vec(),
    };
    spec.require_goal()?;
    env.try_clone()?.try_reset_goal(&mut Rng::new(0))?;
    Ok(inverses)
}

/// The walks of `work`: random legal moves from the goal, none of which undoes the one before it; of
/// commuting moves none that repeats or undoes any before it.
///
/// Solved states are no samples, and the moves are counted from the last of them: a walk goes on
/// from the goal, where an episode ends. It ends early where only the way back is legal, and in a
/// final state that is no success, unless the steps are or may be used up there. The result does not depend on `num_cores`. `env` stays as
/// it is.
///
/// # Errors
/// As [`check`], or if the environment runs out of steps on a walk, or it or `poll` fails.
pub fn collect(env: &dyn Env, config: &WalkConfig, work: &Work, poll: Poll<'_>) -> Result<Walks> {
    collect_ahead(env, config, work, None, poll)
}

/// [`collect`], and what `policy`, if any, says of the states one move on from those of the walks.
///
/// # Errors
/// As [`collect`], or if the policy does not fit the environment or has a memory.
pub fn collect_ahead(
    env: &dyn Env,
    config: &WalkConfig,
    work: &Work,
    policy: Option<&dyn Policy>,
    poll: Poll<'_>,
) -> Result<Walks> {
    let inverses = usable(env, config)?;
    work.check()?;
    policy.map_or(Ok(()), |policy| ahead::check(env, policy))?;
    let policy = policy.map(Policy::share);
    let workers = num_workers(config.num_cores).min(work.len());
    let num_actions = inverses.len();
    let &WalkConfig { walk_length, commuting, .. } = config;
    let (env, work) = (env.try_clone()?, work.clone());
    let parts = run_foreign(workers, &mut *poll, move |worker, poll| {
        let walker = &mut Walker::new(&*env, &inverses, commuting)?;
        let ahead = policy.as_deref().map(|policy| Ahead::new(&*env, policy));
        walker.ahead = ahead.transpose()?;
        let share = |worker| worker * work.len() / workers;
        for walk in share(worker)..share(worker + 1) {
            let walk = work.episodes.start + walk as u64;
            let mut rng = Rng::stream(work.seed, work.iteration, walk);
            walker.walk(walk_length, walk_length, &mut rng, poll)?;
        }
        let mut samples = std::mem::take(&mut walker.samples);
        if let Some(mut ahead) = walker.ahead.take() {
            ahead.evaluate(poll)?;
            (samples.known, samples.next_values) = (ahead.known.into_rows(), ahead.best);
        }
        Ok(samples)
    })?;
    merge(&parts, num_actions, commuting, poll)
}

/// The samples of one worker, in the order of its walks.
#[derive(Default)]
struct Samples {
    rows: Rows,
    masks: Vec<bool>,
    /// The action that undoes the last move.
    undo: Vec<u32>,
    moves: Vec<u32>,
    /// The distinct rows, and the largest value of the states one move on from each, if asked for.
    known: Rows,
    next_values: Vec<f32>,
}

struct Walker<'a> {
    env: Box<dyn Env>,
    inverses: &'a [usize],
    row: Vec<i32>,
    masks: Vec<bool>,
    legal: Vec<usize>,
    steps_away: bool,
    tells_truncation: bool,
    /// Actions that the walk does not make again `[A]`; `None` where moves do not commute.
    spent: Option<Vec<bool>>,
    /// Looks at what follows each state, where that is asked for.
    ahead: Option<Ahead<'a>>,
    samples: Samples,
}

impl<'a> Walker<'a> {
    fn new(env: &dyn Env, inverses: &'a [usize], commuting: bool) -> Result<Self> {
        Ok(Self {
            env: env.try_clone()?,
            inverses,
            row: Vec::new(),
            masks: vec![false; inverses.len()],
            legal: Vec::with_capacity(inverses.len()),
            steps_away: env.spec().steps_away,
            tells_truncation: env.spec().tells_truncation,
            spent: commuting.then(|| vec![false; inverses.len()]),
            ahead: None,
            samples: Samples::default(),
        })
    }

    /// The first `most` moves of a walk of this `length`.
    fn walk(&mut self, length: usize, most: usize, rng: &mut Rng, poll: Poll<'_>) -> Result<()> {
        self.env.try_reset_goal(rng)?;
        self.look()?;
        self.spent.iter_mut().for_each(|spent| spent.fill(false));
        let mut undo = None;
        let mut moves = 0;
        for step in 1..=length.min(most) {
            if step % STEPS_BETWEEN_POLLS == 1 {
                poll()?;
            }
            let Self { env, inverses, masks, legal, steps_away, spent, .. } = self;
            legal.clear();
            legal.extend((0..masks.len()).filter(|&action| {
                let is_spent = |spent: &Vec<bool>| spent[action];
                masks[action] && Some(action) != undo && !spent.as_ref().is_some_and(is_spent)
            }));
            if legal.is_empty() {
                return Ok(());
            }
            let action = legal[rng.below(legal.len() as u32) as usize];
            match *steps_away {
                true => env.try_step_away(action, rng)?,
                false => env.try_step(action)?,
            }
            undo = Some(inverses[action]);
            if let Some(spent) = spent {
                (spent[action], spent[inverses[action]]) = (true, true);
            }
            moves += 1;
            let status = self.look()?;
            if status.success {
                moves = 0;
                continue;
            }
            let Self { env, row, inverses, masks, samples, tells_truncation, .. } = self;
            samples.rows.push(row);
            samples.masks.extend_from_slice(masks);
            samples.undo.push(inverses[action] as u32);
            samples.moves.push(moves);
            if let Some(ahead) = &mut self.ahead {
                ahead.see(&**env, row, masks, poll)?;
            }
            if step < length && (status.truncated || (status.is_final && !*tells_truncation)) {
                return Err(out_of_steps(&**env, step, length));
            }
            if status.is_final {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sees the state, once for each decision, in the order that is kept everywhere.
    fn look(&mut self) -> Result<Status> {
        self.row.clear();
        self.env.try_observe(&mut self.row)?;
        self.env.try_masks(&mut self.masks)?;
        self.env.try_status()
    }
}

#[cold]
fn out_of_steps(env: &dyn Env, step: usize, length: usize) -> Error {
    let spec = env.spec();
    let mut expected = format!("at most the {step} steps that {} leaves", spec.name);
    if !spec.tells_truncation {
        expected +=
            " (without truncated() it cannot tell used-up steps from a state without a way on)";
    }
    Error::invalid("walk_length", expected, length)
}

/// What samples say, state by state.
#[derive(Default)]
struct States {
    commuting: bool,
    known: RowSet,
    walks: Walks,
}

impl States {
    /// None yet, of commuting walks or others.
    fn new(commuting: bool) -> Self {
        Self { commuting, ..Self::default() }
    }

    /// The number of the state with this `row`, where the actions of `seen` are legal.
    fn find(&mut self, row: &[i32], seen: &[bool]) -> usize {
        let Self { known, walks, commuting } = self;
        let (state, is_new) = known.insert(row);
        if is_new {
            walks.masks.resize((state + 1) * seen.len(), false);
            match commuting {
                true => walks.undo_shares.resize((state + 1) * seen.len(), 0),
                false => walks.undo_counts.resize((state + 1) * seen.len(), 0.0),
            }
            walks.sum_moves.push(0);
        }
        let masks = &mut walks.masks[state * seen.len()..][..seen.len()];
        masks.iter_mut().zip(seen).for_each(|(mask, &legal)| *mask |= legal);
        state
    }

    fn finish(self) -> Walks {
        let Self { known, mut walks, commuting } = self;
        if commuting {
            let count = |&share: &u64| (share as f64 / SHARES).min(MOST_COUNTED) as f32;
            walks.undo_counts = walks.undo_shares.iter().map(count).collect();
        }
        let num_actions = walks.undo_counts.len().checked_div(walks.sum_moves.len()).unwrap_or(1);
        let counts = walks.undo_counts.chunks(num_actions.max(1));
        let counts = counts.map(|counts| counts.iter().map(|&count| f64::from(count)).sum::<f64>());
        // The shares of commuting moves add up to a sample but for rounding.
        let means =
            walks.sum_moves.iter().zip(counts).map(|(&sum, n)| sum as f32 / n.round() as f32);
        walks.mean_moves = means.collect();
        walks.rows = known.into_rows();
        walks
    }
}

/// Of a sample.
const SHARES: f64 = (1_u64 << 32) as f64;
/// The most that a count in 32 bits says; one more adds nothing to it, in parts as in the whole.
const MOST_COUNTED: f64 = (1 << 24) as f64;

impl Walks {
    /// What `parts` say together, each of walks that follow those of the part before: what one
    /// collection of them all says, bit for bit.
    ///
    /// # Errors
    /// If they are not of equally many actions, or `poll` fails.
    pub fn joined(parts: &[Self], poll: Poll<'_>) -> Result<Self> {
        let num_actions = |part: &Self| part.masks.len().checked_div(part.rows.len());
        let width = parts.iter().find_map(num_actions).unwrap_or(0);
        let looks_ahead = parts.iter().any(|part| !part.next_values.is_empty());
        let mut states = States::new(parts.iter().any(|part| !part.undo_shares.is_empty()));
        for part in parts {
            if states.commuting && part.undo_shares.len() != part.masks.len() {
                return Err(Error::invalid("parts", "all of commuting walks", "others"));
            }
            if num_actions(part).is_some_and(|other| other != width) {
                return Err(Error::invalid("parts", format!("{width} actions"), "others"));
            }
            if part.next_values.len() != if looks_ahead { part.rows.len() } else { 0 } {
                return Err(Error::invalid("parts", "next values of all or of none", "others"));
            }
            for row in 0..part.rows.len() {
                if row % SAMPLES_BETWEEN_POLLS == 0 {
                    poll()?;
                }
                let cells = row * width..(row + 1) * width;
                let state = states.find(part.rows.row(row), &part.masks[cells.clone()]);
                if states.commuting {
                    let shares = &mut states.walks.undo_shares[state * width..][..width];
                    shares
                        .iter_mut()
                        .zip(&part.undo_shares[cells])
                        .for_each(|(sum, more)| *sum += more);
                } else {
                    let counts = &mut states.walks.undo_counts[state * width..][..width];
                    for (count, more) in counts.iter_mut().zip(&part.undo_counts[cells]) {
                        *count = (f64::from(*count) + f64::from(*more)).min(MOST_COUNTED) as f32;
                    }
                }
                states.walks.sum_moves[state] += part.sum_moves[row];
                if let Some(&value) = part.next_values.get(row) {
                    states.walks.next_values.resize(states.walks.sum_moves.len(), value);
                }
            }
            states.walks.num_samples += part.num_samples;
        }
        Ok(states.finish())
    }
}

/// Adds up the samples of each state.
fn merge(parts: &[Samples], num_actions: usize, commuting: bool, poll: Poll<'_>) -> Result<Walks> {
    let mut states = States::new(commuting);
    for part in parts {
        for (sample, &moves) in part.moves.iter().enumerate() {
            if sample % SAMPLES_BETWEEN_POLLS == 0 {
                poll()?;
            }
            let seen = &part.masks[sample * num_actions..][..num_actions];
            let state = states.find(part.rows.row(sample), seen);
            let walks = &mut states.walks;
            // Every move since the goal is a sample.
            let num_undone = if commuting { moves as usize } else { 1 };
            let share = (SHARES / num_undone as f64) as u64;
            for &undo in &part.undo[sample + 1 - num_undone..=sample] {
                // Even where the environment's masks forbid it after the move that it undoes.
                walks.masks[state * num_actions + undo as usize] = true;
                match commuting {
                    true => walks.undo_shares[state * num_actions + undo as usize] += share,
                    false => walks.undo_counts[state * num_actions + undo as usize] += 1.0,
                }
            }
            walks.sum_moves[state] += u64::from(moves);
        }
        for (row, &value) in part.next_values.iter().enumerate() {
            let (state, _) = states.known.insert(part.known.row(row));
            states.walks.next_values.resize(states.walks.sum_moves.len(), 0.0);
            states.walks.next_values[state] = value;
        }
        states.walks.num_samples += part.undo.len();
    }
    Ok(states.finish())
}
