//! How a decision becomes an action: drawn from the policy's outputs, and told to the environment.

use super::lockstep::{choose, mask_logits};
use super::rules::Choice;
use crate::error::Result;
use crate::nn::{normal_log_prob, parts, standard_normal, Head};
use crate::rl::vec_env::Move;
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, Acts};

/// Draws actions; one kind is compiled into the loop that plays.
pub(crate) trait Actor {
    /// An action for the outputs of an observation, where it is wanted, and its log-probability.
    ///
    /// Logits of choices that `mask` forbids become
    /// [`MASKED_LOGIT`](super::lockstep::MASKED_LOGIT); a final state may have no legal one.
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
