//! What a policy's outputs say of the actions that were played, and gradients by those outputs.

use crate::error::{Error, Result};
use crate::nn::HeadSpec;
use crate::spaces::Act;

/// The distribution of one observation's actions.
pub(super) trait Judge<'a> {
    /// What follows is of a sample whose `illegal [A]` choices are masked.
    fn see_through(&mut self, illegal: Option<&'a [bool]>);

    fn log_prob(&self, act: Act<'_>) -> f32;

    fn entropy(&self) -> f32;

    /// Adds `by` times the log-probability of `act` to what is minimized.
    fn push_log_prob(&mut self, act: Act<'_>, by: f32);

    /// Adds `by` times the entropy to what is minimized.
    fn push_entropy(&mut self, by: f32);

    /// Completes the gradient.
    fn finish(self);
}

/// The actions of `N` samples, as a rollout holds them.
#[derive(Clone, Copy, Debug)]
pub enum Actions<'a> {
    /// `[N]`, or `[N, parts]` of actions of several parts.
    Choices(&'a [i64]),
    /// `[N, dimensions]`, as they were drawn.
    Numbers(&'a [f32]),
}

impl<'a> Actions<'a> {
    /// Refuses what are not the actions of `count` samples, drawn by `head` of `num_outputs`.
    pub(super) fn check(&self, head: &HeadSpec, num_outputs: usize, count: usize) -> Result<()> {
        let all = [num_outputs];
        let nvec = match (head, self) {
            (HeadSpec::Categorical, Self::Choices(_)) => &all[..],
            (HeadSpec::Product { nvec }, Self::Choices(_)) => nvec,
            (HeadSpec::Normal { dim, .. }, Self::Numbers(numbers)) => {
                super::lengths::check_len("actions", numbers.len(), count * dim)?;
                return match numbers.iter().find(|number| !number.is_finite()) {
                    Some(number) => Err(Error::invalid("actions", "finite numbers", number)),
                    None => Ok(()),
                };
            }
            (HeadSpec::Normal { .. }, Self::Choices(_)) => {
                return Err(Error::invalid("actions", "numbers", "choices"));
            }
            (_, Self::Numbers(_)) => return Err(Error::invalid("actions", "choices", "numbers")),
        };
        let Self::Choices(choices) = self else { return Ok(()) };
        super::lengths::check_len("actions", choices.len(), count * nvec.len())?;
        for (choice, &n) in choices.iter().zip(nvec.iter().cycle()) {
            if !(0..n as i64).contains(choice) {
                return Err(Error::invalid("actions", format!("in 0..{n}"), choice));
            }
        }
        Ok(())
    }

    /// The action of `sample`, of so many choices or numbers.
    #[inline]
    pub(super) fn row(&self, sample: usize, width: usize) -> Act<'a> {
        match self {
            Self::Choices(choices) if width == 1 => Act::Discrete(choices[sample] as usize),
            Self::Choices(choices) => Act::Multi(&choices[sample * width..][..width]),
            Self::Numbers(numbers) => Act::Box(&numbers[sample * width..][..width]),
        }
    }
}
