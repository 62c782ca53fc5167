//! The loop that plays: observe all lanes, evaluate them in one batch, choose, move.

use super::cache::{Cache, Found, Record};
use super::pool::Poll;
use crate::error::{Error, Result};
use crate::nn::{Policy, Scratch};
use crate::obs::SparseRows;
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;

/// Logit of an action that is not legal.
pub const MASKED_LOGIT: f32 = -1e10;

/// How an action is chosen from the masked logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The first of the largest.
    Greedy,
    /// Drawn from the softmax with one uniform number.
    Sample,
}

/// What is evaluated, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub choice: Choice,
    /// Evaluate each distinct observation once.
    pub cache: bool,
    /// Final states are evaluated too (their values and a nominal action).
    pub evaluate_final: bool,
}

/// One decision of one lane.
pub(crate) struct Visit<'a> {
    pub row: &'a [i32],
    pub mask: &'a [bool],
    /// Index of the permutation the state was seen through, -1 for none.
    pub twist: i32,
    /// `[A]`, [`MASKED_LOGIT`] where masked.
    pub logits: &'a [f32],
    /// Of the chosen action.
    pub log_prob: f32,
    pub value: f32,
    pub action: usize,
    pub status: Status,
}

/// Where episodes come from and where they go.
pub(crate) trait Episodes {
    /// Prepares the next episode in `lane`; `None` when there is none left.
    fn start(&mut self, lane: usize, envs: &mut dyn VecEnv, rng: &mut Rng) -> Result<Option<Move>>;
    /// A state was seen and an action chosen; at a final state the action is nominal.
    fn visit(&mut self, lane: usize, visit: &Visit<'_>) -> Result<()>;
    /// The episode in `lane` has ended.
    fn finish(&mut self, lane: usize, envs: &dyn VecEnv, status: Status) -> Result<()>;
}

/// Plays until `episodes` has no more; each lane draws only from its own stream.
pub(crate) fn play(
    envs: &mut dyn VecEnv,
    policy: &Policy,
    rules: Rules,
    episodes: &mut impl Episodes,
    poll: Poll<'_>,
) -> Result<()> {
    let num_lanes = envs.num_lanes();
    let mut rngs = vec![Rng::new(0); num_lanes];
    let mut moves = Vec::with_capacity(num_lanes);
    for (lane, rng) in rngs.iter_mut().enumerate() {
        if let Some(action) = episodes.start(lane, envs, rng)? {
            moves.push(LaneMove { lane, action });
        }
    }
    let num_actions = policy.num_actions();
    let mut next = Vec::with_capacity(num_lanes);
    let mut views = Views::default();
    let mut evaluator = Evaluator::new(policy, rules);
    let mut logits = vec![0.0; num_actions];
    let mut weights = vec![0.0; num_actions];
    while !moves.is_empty() {
        poll()?;
        views.clear();
        envs.advance(&moves, &mut rngs, &mut views)?;
        check(&views, moves.len(), num_actions)?;
        evaluator.evaluate(&moves, &views, &mut rngs)?;
        next.clear();
        for (i, &LaneMove { lane, .. }) in moves.iter().enumerate() {
            let status = views.status[i];
            let mask = &views.masks[i * num_actions..][..num_actions];
            let twist = evaluator.twists[i];
            let (mut action, mut log_prob, mut value) = (0, 0.0, 0.0);
            if let Some(output) = evaluator.output(i, &mut logits) {
                value = output;
                mask_logits(mask, status.is_final, &mut logits)?;
                (action, log_prob) = choose(&logits, rules.choice, &mut weights, &mut rngs[lane]);
            }
            let row = views.rows.row(i);
            episodes.visit(
                lane,
                &Visit { row, mask, twist, logits: &logits, log_prob, value, action, status },
            )?;
            let following = if status.is_final {
                episodes.finish(lane, envs, status)?;
                episodes.start(lane, envs, &mut rngs[lane])?
            } else {
                Some(Move::Step { action })
            };
            next.extend(following.map(|action| LaneMove { lane, action }));
        }
        std::mem::swap(&mut moves, &mut next);
    }
    Ok(())
}

/// Refuses a policy for another environment before anything is played.
pub(crate) fn check_fit(env: &dyn Env, policy: &Policy) -> Result<()> {
    let features: usize = env.obs_shape().iter().product();
    let counts = [
        ("policy: actions", env.num_actions(), policy.num_actions()),
        ("policy: features", features, policy.num_features()),
    ];
    for (name, expected, got) in counts {
        if expected != got {
            return Err(Error::invalid(name, format!("{expected} as the environment has"), got));
        }
    }
    Ok(())
}

fn check(views: &Views, expected: usize, num_actions: usize) -> Result<()> {
    let counts = (views.rows.len(), views.masks.len(), views.status.len());
    if counts != (expected, expected * num_actions, expected) {
        let expected = format!("{expected} observations and states and {num_actions} masks each");
        return Err(Error::invalid("advance", expected, format!("{counts:?}")));
    }
    if let Some(status) = views.status.iter().find(|status| !status.reward.is_finite()) {
        return Err(Error::invalid("reward", "a finite number", status.reward));
    }
    Ok(())
}

/// Writes [`MASKED_LOGIT`] where masked; a final state may have no legal action.
#[inline]
fn mask_logits(mask: &[bool], is_final: bool, logits: &mut [f32]) -> Result<()> {
    let mut any = false;
    for (logit, &legal) in logits.iter_mut().zip(mask) {
        *logit = if legal { *logit } else { MASKED_LOGIT };
        any |= legal;
    }
    if any || is_final {
        return Ok(());
    }
    Err(Error::Policy("the state is not final and its masks allow no action".to_string()))
}

/// An action and its log-probability under the softmax of `logits`.
#[inline]
fn choose(logits: &[f32], choice: Choice, weights: &mut [f32], rng: &mut Rng) -> (usize, f32) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (weight, &logit) in weights.iter_mut().zip(logits) {
        *weight = (logit - max).exp();
        sum += *weight;
    }
    let action = match choice {
        Choice::Greedy => logits.iter().position(|&logit| logit == max).unwrap_or(0),
        Choice::Sample => draw(weights, sum, rng),
    };
    (action, logits[action] - max - sum.ln())
}

/// The index at which the running sum of `weights` passes a uniform share of `sum`.
#[inline]
fn draw(weights: &[f32], sum: f32, rng: &mut Rng) -> usize {
    let mut left = rng.unit() * sum;
    let mut last = 0;
    for (index, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            if left < weight {
                return index;
            }
            left -= weight;
            last = index;
        }
    }
    last
}

/// Where the output of a view is.
#[derive(Clone, Copy)]
enum Place {
    /// Not evaluated.
    None,
    /// Row of this step's batch.
    Batch(u32),
    Cached(Record),
}

/// Network outputs for the views of a step, through the cache or not.
struct Evaluator<'a> {
    policy: &'a Policy,
    rules: Rules,
    scratch: Scratch,
    cache: Cache,
    /// What the network is asked in this step, and the record each answer goes to.
    batch: SparseRows,
    batch_twists: Vec<i32>,
    batch_logits: Vec<f32>,
    batch_values: Vec<f32>,
    records: Vec<Option<Record>>,
    twists: Vec<i32>,
    places: Vec<Place>,
}

impl<'a> Evaluator<'a> {
    fn new(policy: &'a Policy, rules: Rules) -> Self {
        Self {
            policy,
            rules,
            scratch: Scratch::default(),
            cache: Cache::new(policy.num_actions() + 1),
            batch: SparseRows::default(),
            batch_twists: Vec::new(),
            batch_logits: Vec::new(),
            batch_values: Vec::new(),
            records: Vec::new(),
            twists: Vec::new(),
            places: Vec::new(),
        }
    }

    fn evaluate(&mut self, moves: &[LaneMove], views: &Views, rngs: &mut [Rng]) -> Result<()> {
        self.batch.clear();
        self.batch_twists.clear();
        self.records.clear();
        self.twists.clear();
        self.places.clear();
        let num_twists = self.policy.num_twists() as u32;
        for (i, LaneMove { lane, .. }) in moves.iter().enumerate() {
            let wanted = self.rules.evaluate_final || !views.status[i].is_final;
            let twist = match wanted && num_twists > 0 {
                true => rngs[*lane].below(num_twists) as i32,
                false => -1,
            };
            let place = match wanted {
                true => self.place(views.rows.row(i), twist),
                false => Place::None,
            };
            self.twists.push(twist);
            self.places.push(place);
        }
        self.run_network()
    }

    #[inline]
    fn place(&mut self, row: &[i32], twist: i32) -> Place {
        let found = match self.rules.cache {
            true => self.cache.find(row, twist),
            false => Found::Full,
        };
        let record = match found {
            Found::Known(record) => return Place::Cached(record),
            Found::New(record) => Some(record),
            Found::Full => None,
        };
        self.batch.push(row);
        self.batch_twists.push(twist);
        self.records.push(record);
        record.map_or(Place::Batch(self.records.len() as u32 - 1), Place::Cached)
    }

    fn run_network(&mut self) -> Result<()> {
        let (rows, num_actions) = (self.batch.len(), self.policy.num_actions());
        if rows == 0 {
            return Ok(());
        }
        self.batch_logits.resize(rows * num_actions, 0.0);
        self.batch_values.resize(rows, 0.0);
        let twists = (self.policy.num_twists() > 0).then_some(&self.batch_twists[..]);
        self.policy.forward_batch(
            &self.batch,
            twists,
            &mut self.scratch,
            &mut self.batch_logits,
            &mut self.batch_values,
        )?;
        if self.rules.cache {
            self.keep();
        }
        Ok(())
    }

    fn keep(&mut self) {
        let outputs = self.batch_logits.chunks_exact(self.policy.num_actions());
        let outputs = outputs.zip(&self.batch_values);
        for (record, (logits, &value)) in self.records.iter().zip(outputs) {
            if let Some(record) = *record {
                self.cache.fill(record, logits.iter().copied().chain([value]));
            }
        }
    }

    /// Writes the raw logits of view `i` and returns its value, if it was evaluated.
    #[inline]
    fn output(&self, i: usize, logits: &mut [f32]) -> Option<f32> {
        match self.places[i] {
            Place::None => None,
            Place::Batch(row) => {
                let row = row as usize;
                logits.copy_from_slice(&self.batch_logits[row * logits.len()..][..logits.len()]);
                Some(self.batch_values[row])
            }
            Place::Cached(record) => {
                let mut output = self.cache.output(record);
                logits.iter_mut().zip(&mut output).for_each(|(logit, number)| *logit = number);
                output.next()
            }
        }
    }
}
