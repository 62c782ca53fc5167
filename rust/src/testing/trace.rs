//! Random play that every language repeats: digests to compare, records to see what differs.
//!
//! Lane `i` of a [`Workload`] draws one word a move from the stream (`seed`, 0, `i`). The word
//! starts an episode where there is none, else it chooses an action, one in eight of all actions
//! and the others of the legal ones. docs/parity.md has the rules for other languages.
//!
//! ```
//! use twisterl::envs::puzzle::Puzzle;
//! use twisterl::testing::trace::{digests, Workload};
//! let env = Puzzle::new(3, 3, 20, 2, 40).unwrap();
//! let workload = Workload { seed: 1, first_lane: 0, lanes: 128, steps: 32, uniform: true };
//! assert_eq!(digests(&env, &workload, 64).unwrap().len(), 2);
//! ```

use std::ops::Range;

use crate::error::Result;
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::Acts;

/// Lanes that are played together, always from a multiple of it on.
const GROUP: usize = 64;
/// Names the stream of the weights of a record's numbers.
const WEIGHTS_SEED: u64 = 0x7061_7269_7479;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
/// Position of the first mask in a record, after the move, the reward and the flags.
const HEAD: usize = 3;

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    pub seed: u64,
    pub first_lane: usize,
    pub lanes: usize,
    /// Moves of each lane, starts of episodes included.
    pub steps: usize,
    /// Whether a quarter of the episodes start in a uniformly random state.
    pub uniform: bool,
}

/// A move of a lane and what is seen after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// `"reset 7"` (the difficulty), `"uniform"` or `"step 2"` (the action).
    pub made: String,
    pub status: Status,
    /// `[A]`
    pub masks: Vec<bool>,
    /// The active features.
    pub observation: Vec<i32>,
}

/// Joins `word` to what `digest` stands for; the order matters.
#[inline]
pub fn join(digest: u64, word: u64) -> u64 {
    (digest ^ word).rotate_left(23).wrapping_mul(MULTIPLIER)
}

/// One digest for every `block` lanes, of all their records.
///
/// # Errors
/// If the environment fails.
pub fn digests(env: &dyn Env, workload: &Workload, block: usize) -> Result<Vec<u64>> {
    let weights = Weights::new(env);
    let mut found = vec![0; workload.lanes];
    play(env, workload, &mut |lane, start, seen| {
        let digest: &mut u64 = &mut found[lane - workload.first_lane];
        *digest = join(*digest, weights.sum(start, seen));
    })?;
    let fold = |lanes: &[u64]| lanes.iter().copied().fold(0, join);
    Ok(found.chunks(block.max(1)).map(fold).collect())
}

/// Every record of the first lane.
///
/// # Errors
/// If the environment fails.
pub fn records(env: &dyn Env, workload: &Workload) -> Result<Vec<Record>> {
    let mut found = Vec::with_capacity(workload.steps);
    play(env, &Workload { lanes: 1, ..*workload }, &mut |_, made, seen| {
        let made = match made {
            Move::Reset { difficulty } => format!("reset {difficulty}"),
            Move::Step { action } => format!("step {action}"),
            _ => "uniform".to_string(),
        };
        let (masks, observation) = (seen.masks.to_vec(), seen.row.to_vec());
        found.push(Record { made, status: seen.status, masks, observation });
    })?;
    Ok(found)
}

/// What a lane shows after its move.
struct Seen<'a> {
    row: &'a [i32],
    masks: &'a [bool],
    status: Status,
}

/// What each number of a record is multiplied by: move, reward, flags, masks `[A]`, features.
struct Weights {
    words: Vec<u64>,
    num_actions: usize,
}

impl Weights {
    fn new(env: &dyn Env) -> Self {
        let num_actions = env.num_actions();
        let most_features: usize = env.obs_shape().iter().product();
        let mut rng = Rng::new(WEIGHTS_SEED);
        let count = HEAD + num_actions + most_features;
        Self { words: (0..count).map(|_| rng.next_u64()).collect(), num_actions }
    }

    #[inline]
    fn sum(&self, made: Move, seen: &Seen<'_>) -> u64 {
        let Status { reward, is_final, success, truncated } = seen.status;
        let [is_final, success, truncated] = [is_final, success, truncated].map(u64::from);
        let made = match made {
            Move::Reset { difficulty } => 2 * difficulty as u64,
            Move::Step { action } => 2 * action as u64 + 1,
            _ => 0,
        };
        let head = [made, reward.to_bits().into(), is_final | success << 1 | truncated << 2];
        let head =
            head.into_iter().zip(&self.words).map(|(word, weight)| word.wrapping_mul(*weight));
        let masks = seen.masks.iter().zip(&self.words[HEAD..]);
        let masks = masks.map(|(&mask, weight)| if mask { *weight } else { 0 });
        let features = seen.row.iter().zip(&self.words[HEAD + self.num_actions..]);
        let features =
            features.map(|(&k, weight)| (k as u64).wrapping_add(1).wrapping_mul(*weight));
        head.chain(masks).chain(features).fold(0, u64::wrapping_add)
    }
}

type Sink<'a> = &'a mut dyn FnMut(usize, Move, &Seen<'_>);

fn play(env: &dyn Env, workload: &Workload, sink: Sink<'_>) -> Result<()> {
    let end = workload.first_lane + workload.lanes;
    let mut first = workload.first_lane;
    while first < end {
        let next = (first / GROUP + 1) * GROUP;
        play_group(env, workload, first..next.min(end), sink)?;
        first = next;
    }
    Ok(())
}

/// The ways in which the engine moves environments: groups of lanes take turns.
enum Way {
    Lanes(Box<dyn VecEnv>),
    /// Each move goes from one of a lane's two slots to the other.
    Nodes(Box<dyn VecEnv>),
    Single(Vec<Box<dyn Env>>),
}

fn play_group(
    env: &dyn Env,
    workload: &Workload,
    group: Range<usize>,
    sink: Sink<'_>,
) -> Result<()> {
    let (size, num_actions) = (group.len(), env.num_actions());
    let mut way = match group.start / GROUP % 3 {
        0 => Way::Lanes(env.lanes(size)?),
        1 => Way::Nodes(env.nodes(2 * size)?),
        _ => Way::Single((0..size).map(|_| env.try_clone()).collect::<Result<_>>()?),
    };
    let mut words: Vec<Rng> =
        group.clone().map(|lane| Rng::stream(workload.seed, 0, lane as u64)).collect();
    let mut starts = vec![Rng::new(0); 2 * size];
    let mut moves = Vec::with_capacity(size);
    let mut views = Views::default();
    for step in 0..workload.steps {
        moves.clear();
        for (lane, words) in words.iter_mut().enumerate() {
            let word = words.next_u64();
            [starts[lane], starts[size + lane]] = [(); 2].map(|()| Rng::new(word >> 1));
            let going = step > 0 && !views.status[lane].is_final;
            moves.push(match going {
                true => choose(word, &views.masks[lane * num_actions..][..num_actions]),
                false if workload.uniform && word & 3 == 3 => Move::ResetUniform,
                false => Move::Reset { difficulty: 1 + scaled(word, env.get_difficulty()) },
            });
        }
        views.clear();
        way.advance(&moves, &mut starts, step, &mut views)?;
        for (lane, &made) in moves.iter().enumerate() {
            let masks = &views.masks[lane * num_actions..][..num_actions];
            let seen = Seen { row: views.rows.row(lane), masks, status: views.status[lane] };
            sink(group.start + lane, made, &seen);
        }
    }
    Ok(())
}

/// A number in `0..bound` from the upper half of `word`.
#[inline]
fn scaled(word: u64, bound: usize) -> usize {
    (((word >> 32) * bound as u64) >> 32) as usize
}

#[inline]
fn choose(word: u64, masks: &[bool]) -> Move {
    let legal = masks.iter().filter(|&&mask| mask).count();
    let action = if word & 7 == 0 || legal == 0 {
        scaled(word, masks.len())
    } else {
        let mut allowed = (0..masks.len()).filter(|&action| masks[action]);
        allowed.nth(scaled(word, legal)).unwrap_or(0)
    };
    Move::Step { action }
}

impl Way {
    /// Makes `moves[i]` in lane `i`; starts draw from `starts[i]`.
    fn advance(
        &mut self,
        moves: &[Move],
        starts: &mut [Rng],
        step: usize,
        views: &mut Views,
    ) -> Result<()> {
        match self {
            Way::Lanes(envs) => {
                let to_lane = |(lane, &made)| LaneMove { lane, made };
                let moves: Vec<LaneMove> = moves.iter().enumerate().map(to_lane).collect();
                envs.advance(&moves, &Acts::default(), starts, views)
            }
            Way::Nodes(envs) => {
                let size = moves.len();
                let (from, to) = if step.is_multiple_of(2) { (0, size) } else { (size, 0) };
                let to_slot = |(lane, &made): (usize, &Move)| LaneMove {
                    lane: to + lane,
                    made: match made {
                        Move::Step { action } => Move::StepFrom { parent: from + lane, action },
                        start => start,
                    },
                };
                let moves: Vec<LaneMove> = moves.iter().enumerate().map(to_slot).collect();
                envs.advance(&moves, &Acts::default(), starts, views)
            }
            Way::Single(envs) => {
                for ((env, made), rng) in envs.iter_mut().zip(moves).zip(starts) {
                    advance_one(&mut **env, *made, rng, views)?;
                }
                Ok(())
            }
        }
    }
}

/// By the methods that an environment must have, where the lanes use the others.
fn advance_one(env: &mut dyn Env, made: Move, rng: &mut Rng, views: &mut Views) -> Result<()> {
    match made {
        Move::Reset { difficulty } => {
            let usual = env.get_difficulty();
            env.set_difficulty(difficulty);
            env.try_reset(rng)?;
            env.set_difficulty(usual);
        }
        Move::Step { action } => env.step(action),
        _ => env.try_reset_uniform(rng)?,
    }
    views.rows.push_with(|indices| indices.extend(env.observe().into_iter().map(|k| k as i32)));
    views.masks.extend(env.masks());
    let truncated = env.try_status()?.truncated;
    let (reward, is_final, success) = (env.reward(), env.is_final(), env.success());
    views.status.push(Status { reward, is_final, success, truncated });
    Ok(())
}
