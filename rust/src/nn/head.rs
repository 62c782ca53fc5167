//! What the outputs of a policy say of actions: distributions, drawn from and judged.
//!
//! With the outputs `x` of an observation, masks aside:
//!
//! ```text
//! categorical   log p(a) = x_a - log sum_b exp(x_b)
//! product       the sum of that over the parts, each with its own outputs
//! normal        log p(a) = sum_d -(a_d - x_d)^2 / (2 s_d^2) - log s_d - log(2 pi) / 2
//! tanh-normal   u as of a normal; of tanh(u), log p = log p(u) - sum_d log(1 - tanh(u_d)^2)
//! ```
//!
//! What is drawn, kept and trained on is `a` or `u`. An environment gets it bounded, [`Head::bound`]:
//! a normal's is moved to the nearest bound, a tanh-normal's `tanh(u)` is stretched to them.
//!
//! ```
//! use twisterl::nn::Head;
//! use twisterl::spaces::{Act, Acts};
//! let head = Head::Normal { log_std: vec![0.0], squash: false };
//! let log_prob = head.log_prob(&[0.5], &[], Act::Box(&[0.5])).unwrap();
//! assert!((log_prob + 0.918_938_5).abs() < 1e-6);
//! ```

use serde::{Deserialize, Serialize};

use super::softmax::masked_log_softmax;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, Acts};

/// `log(2 pi) / 2`
pub(crate) const HALF_LOG_TAU: f32 = 0.918_938_5;
/// The mean of a function under a standard normal is taken by the trapezoidal rule, at multiples of this
/// step so many to each side: what is smooth is summed exactly but for the last digits.
const STEP: f32 = 0.25;
const STEPS: i32 = 20;

/// The distribution of actions that a policy's outputs stand for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "head", rename_all = "snake_case", deny_unknown_fields)]
pub enum Head {
    /// A logit for each action.
    #[default]
    Categorical,
    /// A logit for each choice of each part, part after part.
    Product { nvec: Vec<usize> },
    /// A mean for each dimension; the logarithms of the deviations are those of all observations.
    Normal { log_std: Vec<f32>, squash: bool },
}

impl Head {
    /// # Errors
    /// If `text` is no [`Head::to_json`].
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::invalid("head", "a head in JSON", error))
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// # Errors
    /// If it is not for `num_outputs`, or its numbers are not finite.
    pub fn check(&self, num_outputs: usize) -> Result<()> {
        let expected = match self {
            Self::Categorical => return Ok(()),
            Self::Product { nvec } => nvec.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)),
            Self::Normal { log_std, .. } => Some(log_std.len()),
        };
        if expected != Some(num_outputs) {
            let expected = format!("as many as {self} has");
            return Err(Error::invalid("Policy: outputs of action_net", expected, num_outputs));
        }
        match self {
            Self::Product { nvec } if nvec.contains(&0) => {
                Err(Error::invalid("Policy: nvec", "positive integers", format!("{nvec:?}")))
            }
            Self::Normal { log_std, .. } if !log_std.iter().all(|x| x.is_finite()) => {
                Err(Error::invalid("Policy: log_std", "finite numbers", format!("{log_std:?}")))
            }
            _ => Ok(()),
        }
    }

    /// What a policy with this head and `num_outputs` is for, and `acts` is not.
    ///
    /// # Errors
    /// If actions of `acts` are not what it draws.
    pub fn check_fit(&self, num_outputs: usize, acts: &ActSpace) -> Result<()> {
        let (expected, got) = match (self, acts) {
            (Self::Categorical, ActSpace::Discrete { n }) => (*n, num_outputs),
            (Self::Product { nvec }, ActSpace::MultiDiscrete { nvec: parts }) if nvec == parts => {
                (acts.num_outputs(), num_outputs)
            }
            (Self::Normal { log_std, .. }, ActSpace::Box { low, .. }) => {
                (low.len(), if log_std.len() == num_outputs { num_outputs } else { log_std.len() })
            }
            _ => {
                let expected = format!("{acts} as the environment has");
                return Err(Error::invalid("policy: actions", expected, self));
            }
        };
        match expected == got {
            true => Ok(()),
            false => {
                let expected = format!("{expected} as the environment has");
                Err(Error::invalid("policy: actions", expected, got))
            }
        }
    }

    /// Log-probability of `act` given the outputs of an observation `[A]` and its masks.
    ///
    /// # Errors
    /// If it is an action of another head, or one that the masks forbid all of.
    pub fn log_prob(&self, outputs: &[f32], masks: &[bool], act: Act<'_>) -> Result<f32> {
        match (self, act) {
            (Self::Categorical, Act::Discrete(action)) if action < outputs.len() => {
                categorical(outputs, masks, action)
            }
            (Self::Product { nvec }, Act::Multi(choices)) if choices.len() == nvec.len() => {
                let mut sum = 0.0;
                for (part, &choice) in parts(nvec).zip(choices) {
                    let action = usize::try_from(choice).unwrap_or(usize::MAX);
                    if action >= part.len() {
                        return Err(other(self, act));
                    }
                    sum += categorical(&outputs[part.clone()], &masks[part], action)?;
                }
                Ok(sum)
            }
            (Self::Normal { log_std, squash }, Act::Box(drawn)) if drawn.len() == log_std.len() => {
                Ok(normal_log_prob(outputs, log_std, *squash, drawn))
            }
            _ => Err(other(self, act)),
        }
    }

    /// Entropy given the outputs of an observation `[A]` and its masks; of a tanh-normal, that of
    /// `tanh(u)` by the trapezoidal rule.
    ///
    /// # Errors
    /// If the masks forbid all of a part.
    pub fn entropy(&self, outputs: &[f32], masks: &[bool]) -> Result<f32> {
        match self {
            Self::Categorical => categorical_entropy(outputs, masks),
            Self::Product { nvec } => parts(nvec)
                .map(|part| categorical_entropy(&outputs[part.clone()], &masks[part]))
                .sum(),
            Self::Normal { log_std, squash } => {
                let of = |(&mean, &log_std): (&f32, &f32)| {
                    let plain = log_std + 0.5 + HALF_LOG_TAU;
                    let std = log_std.exp();
                    let slope = |(z, weight): (f32, f32)| weight * log_slope(mean + std * z);
                    plain + if *squash { slope_nodes().map(slope).sum() } else { 0.0 }
                };
                Ok(outputs.iter().zip(log_std).map(of).sum())
            }
        }
    }

    /// Appends what an environment of actions `space` gets where `act` was drawn.
    ///
    /// # Panics
    /// If the two are of different kinds.
    pub fn bound(&self, space: &ActSpace, act: Act<'_>, bounded: &mut Acts) {
        let (Self::Normal { squash, .. }, ActSpace::Box { low, high }) = (self, space) else {
            return bounded.push(act);
        };
        let (Act::Box(drawn), Acts::Box { numbers, .. }) = (act, bounded) else {
            panic!("an action {act:?} of {space:?}");
        };
        numbers.extend(drawn.iter().zip(low.iter().zip(high)).map(|(&x, (&low, &high))| {
            let stretched = if *squash { low + (high - low) * (0.5 + 0.5 * x.tanh()) } else { x };
            stretched.clamp(low, high)
        }));
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Categorical => write!(f, "a categorical head"),
            Self::Product { nvec } => write!(f, "a head of choices {nvec:?}"),
            Self::Normal { log_std, squash } => {
                let kind = if *squash { "tanh-normal" } else { "normal" };
                write!(f, "a {kind} head of {} dimensions", log_std.len())
            }
        }
    }
}

/// Where the outputs of each part are.
pub(crate) fn parts(nvec: &[usize]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    nvec.iter().scan(0, |first, &n| {
        let part = *first..*first + n;
        *first += n;
        Some(part)
    })
}

fn other(head: &Head, act: Act<'_>) -> Error {
    Error::invalid("action", format!("one of {head}"), act)
}

fn categorical(logits: &[f32], masks: &[bool], action: usize) -> Result<f32> {
    let mut log_probs = vec![0.0; logits.len()];
    masked_log_softmax(logits, masks, &mut log_probs)?;
    Ok(log_probs[action])
}

fn categorical_entropy(logits: &[f32], masks: &[bool]) -> Result<f32> {
    let mut log_probs = vec![0.0; logits.len()];
    masked_log_softmax(logits, masks, &mut log_probs)?;
    let legal = log_probs.iter().filter(|log_prob| log_prob.is_finite());
    Ok(-legal.map(|log_prob| log_prob.exp() * log_prob).sum::<f32>())
}

/// Box and Muller, "A note on the generation of random normal deviates": two words a number.
pub(crate) fn standard_normal(rng: &mut Rng) -> f32 {
    let mut unit = || (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
    let (radius, angle) = (1.0 - unit(), std::f64::consts::TAU * unit());
    ((-2.0 * radius.ln()).sqrt() * angle.cos()) as f32
}

pub(crate) fn normal_log_prob(means: &[f32], log_std: &[f32], squash: bool, drawn: &[f32]) -> f32 {
    let of = |(&mean, (&log_std, &x)): (&f32, (&f32, &f32))| {
        let z = (x - mean) * (-log_std).exp();
        let plain = -0.5 * z * z - log_std - HALF_LOG_TAU;
        plain - if squash { log_slope(x) } else { 0.0 }
    };
    means.iter().zip(log_std.iter().zip(drawn)).map(of).sum()
}

/// Where a function is looked at for its mean under a standard normal, and what each place weighs.
pub(crate) fn slope_nodes() -> impl Iterator<Item = (f32, f32)> {
    (-STEPS..=STEPS).map(|step| {
        let z = STEP * step as f32;
        (z, STEP * (-0.5 * z * z - HALF_LOG_TAU).exp())
    })
}

/// `log(1 - tanh(u)^2) = 2 (log 2 - |u| - log(1 + exp(-2 |u|)))`
pub(crate) fn log_slope(u: f32) -> f32 {
    let u = u.abs();
    2.0 * (std::f32::consts::LN_2 - u - (-2.0 * u).exp().ln_1p())
}
