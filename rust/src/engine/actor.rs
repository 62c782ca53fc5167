//! How a decision becomes an action: drawn from the policy's outputs, and told to the environment.

use super::rules::Choice;
use crate::error::{Error, Result};
use crate::nn::{exp_sum, normal_log_prob, parts, standard_normal, Head};
use crate::rl::vec_env::Move;
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, Acts};

/// Logit of an action that is not legal.
pub const MASKED_LOGIT: f32 = -1e10;

/// Draws actions; one kind is compiled into the loop that plays.
pub(crate) trait Actor {
    /// An action for the outputs of an observation, where it is wanted, and its log-probability.
    ///
    /// Logits of choices that `mask` forbids become
    /// [`MASKED_LOGIT`]; a final state may have no legal one.
    fn decide(
        &mut self,
        mask: &[bool],
        is_final: bool,
        outputs: &mut [f32],
        rng: &mut Rng,
    ) -> Result<f32>;
    /// Takes the action that stands for one that is not wanted.
    fn skip(&mut self);
    /// The action, as it was drawn.
    fn act(&self) -> Act<'_>;
    /// Plays it.
    fn step(&mut self) -> Move;
    /// The actions of the moves that [`Actor::step`] has given since the last call.
    fn acts(&mut self) -> &Acts;
}

/// One of `0..A`.
pub(crate) struct DiscreteActor<'a> {
    pub(crate) choice: Choice,
    pub(crate) weights: &'a mut [f32],
    pub(crate) action: usize,
    pub(crate) none: Acts,
}

impl Actor for DiscreteActor<'_> {
    #[inline]
    fn decide(
        &mut self,
        mask: &[bool],
        is_final: bool,
        outputs: &mut [f32],
        rng: &mut Rng,
    ) -> Result<f32> {
        mask_logits(mask, is_final, outputs)?;
        let log_prob;
        (self.action, log_prob) = choose(outputs, self.choice, self.weights, rng);
        Ok(log_prob)
    }
    #[inline]
    fn skip(&mut self) {
        self.action = 0;
    }
    #[inline]
    fn act(&self) -> Act<'_> {
        Act::Discrete(self.action)
    }
    #[inline]
    fn step(&mut self) -> Move {
        Move::Step { action: self.action }
    }
    #[inline]
    fn acts(&mut self) -> &Acts {
        &self.none
    }
}

/// Actions of more than one choice, or of numbers.
pub(crate) struct RowActor<'a> {
    choice: Choice,
    head: Head,
    space: &'a ActSpace,
    weights: &'a mut [f32],
    /// The last that was drawn, and all that were since the environments moved,
    drawn: Acts,
    next: Acts,
    /// and those that they move by.
    now: Acts,
}

impl<'a> RowActor<'a> {
    pub(crate) fn new(
        choice: Choice,
        head: Head,
        space: &'a ActSpace,
        weights: &'a mut [f32],
    ) -> Self {
        let none = Acts::of(space);
        let [drawn, next, now] = [none.clone(), none.clone(), none];
        Self { choice, head, space, weights, drawn, next, now }
    }
}

impl Actor for RowActor<'_> {
    fn decide(
        &mut self,
        mask: &[bool],
        is_final: bool,
        outputs: &mut [f32],
        rng: &mut Rng,
    ) -> Result<f32> {
        self.drawn.clear();
        match (&self.head, &mut self.drawn) {
            (Head::Normal { log_std, squash }, Acts::Box { numbers, .. }) => {
                for (&mean, &log_std) in outputs.iter().zip(log_std) {
                    let noise = match self.choice {
                        Choice::Greedy => 0.0,
                        Choice::Sample => standard_normal(rng),
                    };
                    numbers.push(mean + log_std.exp() * noise);
                }
                Ok(normal_log_prob(outputs, log_std, *squash, numbers))
            }
            (Head::Product { nvec }, Acts::Multi { choices, .. }) => {
                let mut sum = 0.0;
                for part in parts(nvec) {
                    let logits = &mut outputs[part.clone()];
                    mask_logits(&mask[part.clone()], is_final, logits)?;
                    let weights = &mut self.weights[part];
                    let (action, log_prob) = choose(logits, self.choice, weights, rng);
                    choices.push(action as i64);
                    sum += log_prob;
                }
                Ok(sum)
            }
            (head, acts) => unreachable!("{head} does not draw {acts:?}"),
        }
    }
    fn skip(&mut self) {
        self.drawn.clear();
        match &mut self.drawn {
            Acts::Discrete(actions) => actions.push(0),
            Acts::Multi { choices, width } => choices.resize(*width, 0),
            Acts::Box { numbers, width } => numbers.resize(*width, 0.0),
        }
    }
    fn act(&self) -> Act<'_> {
        self.drawn.row(0)
    }
    fn step(&mut self) -> Move {
        self.head.bound(self.space, self.drawn.row(0), &mut self.next);
        Move::Act { row: self.next.len() - 1 }
    }
    fn acts(&mut self) -> &Acts {
        std::mem::swap(&mut self.now, &mut self.next);
        self.next.clear();
        &self.now
    }
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
    Err(no_action(None))
}

/// What is wrong with a state that cannot be played on and is no end; with its features, if given.
#[cold]
pub(crate) fn no_action(features: Option<&[i32]>) -> Error {
    let told = features.map(|row| format!(" with the features {row:?}")).unwrap_or_default();
    Error::Policy(format!("the state{told} is not final and its masks allow no action"))
}

/// An action and its log-probability under the softmax of `logits`.
#[inline]
fn choose(logits: &[f32], choice: Choice, weights: &mut [f32], rng: &mut Rng) -> (usize, f32) {
    let mut places = weights.iter_mut();
    let (max, sum) = exp_sum(logits.iter().copied(), |weight| {
        if let Some(place) = places.next() {
            *place = weight;
        }
    });
    let action = match choice {
        Choice::Greedy => logits.iter().position(|&logit| logit == max).unwrap_or(0),
        Choice::Sample => draw(weights, sum, rng),
    };
    (action, logits[action] - max - sum.ln())
}

/// The index at which the running sum of `weights` passes a uniform share of `sum`.
#[inline]
pub(crate) fn draw(weights: &[f32], sum: f32, rng: &mut Rng) -> usize {
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
