//! What an action is made of, and how a batch of actions is kept.
//!
//! ```
//! use twisterl::spaces::{Act, ActSpace, Acts};
//! let space = ActSpace::Box { low: vec![-2.0, 0.0], high: vec![2.0, 1.0] };
//! let mut acts = Acts::of(&space);
//! acts.push(Act::Box(&[0.5, 1.0]));
//! assert_eq!((acts.len(), acts.row(0)), (1, Act::Box(&[0.5, 1.0])));
//! assert!(space.check_act("action", Act::Box(&[2.5, 1.0])).is_err());
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Most choices of an action, those of all its parts together, and most numbers of one.
pub const MOST_ACTIONS: usize = 1 << 24;

/// The actions of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActSpace {
    /// One of `0..n`.
    Discrete { n: usize },
    /// One of `0..nvec[d]` for each part `d`.
    MultiDiscrete { nvec: Vec<usize> },
    /// A number in `low[d]..=high[d]` for each dimension `d`.
    Box { low: Vec<f32>, high: Vec<f32> },
}

/// One action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act<'a> {
    Discrete(usize),
    /// A choice for each part.
    Multi(&'a [i64]),
    /// A number for each dimension.
    Box(&'a [f32]),
}

/// Actions of one space, row after row.
#[derive(Clone, Debug, PartialEq)]
pub enum Acts {
    Discrete(Vec<i64>),
    Multi { choices: Vec<i64>, width: usize },
    Box { numbers: Vec<f32>, width: usize },
}

impl ActSpace {
    /// What the kind of space is called, as in its description.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Discrete { .. } => "discrete",
            Self::MultiDiscrete { .. } => "multi_discrete",
            Self::Box { .. } => "box",
        }
    }

    /// Numbers of an action: 1, the parts, or the dimensions.
    pub fn width(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::MultiDiscrete { nvec } => nvec.len(),
            Self::Box { low, .. } => low.len(),
        }
    }

    /// What masks may forbid: the choices `A` of all parts, one after another; none of a box.
    pub fn num_choices(&self) -> usize {
        match self {
            Self::Discrete { n } => *n,
            Self::MultiDiscrete { nvec } => nvec.iter().sum(),
            Self::Box { .. } => 0,
        }
    }

    /// What a policy says for each observation: a logit for each choice, or a mean for each dimension.
    pub fn num_outputs(&self) -> usize {
        match self {
            Self::Box { low, .. } => low.len(),
            _ => self.num_choices(),
        }
    }

    /// Refuses a space of nothing, of too much, or whose bounds are none; `name` is what messages call it.
    pub fn check(&self, name: &str) -> Result<()> {
        let refused = |expected: String, got: String| Err(Error::invalid(name, expected, got));
        match self {
            Self::Discrete { n } if !(1..=MOST_ACTIONS).contains(n) => {
                refused(format!("an integer in 1..={MOST_ACTIONS}"), n.to_string())
            }
            Self::MultiDiscrete { nvec } => {
                let sum = nvec.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
                let fits = sum.is_some_and(|sum| (1..=MOST_ACTIONS).contains(&sum));
                match fits && nvec.iter().all(|&n| n > 0) {
                    true => Ok(()),
                    false => {
                        let expected = format!("nvec of positive integers, {MOST_ACTIONS} in all");
                        refused(expected, format!("{nvec:?}"))
                    }
                }
            }
            Self::Box { low, high } => {
                let is_finite = |bound: &f32| bound.is_finite();
                let rises = low.iter().zip(high).all(|(low, high)| low < high);
                let fits = low.len() == high.len() && (1..=MOST_ACTIONS).contains(&low.len());
                match fits && rises && low.iter().chain(high).all(is_finite) {
                    true => Ok(()),
                    false => refused(
                        "as many finite numbers in low as in high, each below".to_owned(),
                        format!("low {low:?} and high {high:?}"),
                    ),
                }
            }
            Self::Discrete { .. } => Ok(()),
        }
    }

    /// The number of actions, where there is a list of them; `who` needs one.
    ///
    /// # Errors
    /// If an action is of more than one choice.
    pub fn require_discrete(&self, who: &str) -> Result<usize> {
        match self {
            Self::Discrete { n } => Ok(*n),
            other => {
                let expected = format!("an environment with discrete actions (for {who})");
                Err(Error::invalid("env", expected, format!("one whose actions are {other}")))
            }
        }
    }

    /// Refuses what is no action of this space; `name` is what messages call it.
    pub fn check_act(&self, name: &str, act: Act<'_>) -> Result<()> {
        let fits = match (self, act) {
            (Self::Discrete { n }, Act::Discrete(action)) => action < *n,
            (Self::MultiDiscrete { nvec }, Act::Multi(choices)) => {
                let is_choice = |(&n, &choice): (&usize, &i64)| (0..n as i64).contains(&choice);
                nvec.len() == choices.len() && nvec.iter().zip(choices).all(is_choice)
            }
            (Self::Box { low, high }, Act::Box(numbers)) => {
                let mut bounds = low.iter().zip(high).zip(numbers);
                low.len() == numbers.len() && bounds.all(|((l, h), x)| (l..=h).contains(&x))
            }
            _ => false,
        };
        match fits {
            true => Ok(()),
            false => Err(Error::invalid(name, self.of_one(), act)),
        }
    }

    /// What one action is.
    fn of_one(&self) -> String {
        match self {
            Self::Discrete { n } => format!("an integer in 0..{n}"),
            Self::MultiDiscrete { nvec } => format!("integers below {nvec:?}"),
            Self::Box { low, high } => format!("numbers from {low:?} to {high:?}"),
        }
    }
}

impl Act<'_> {
    /// The action, where it is one of a list.
    #[inline]
    pub fn discrete(&self) -> Option<usize> {
        match self {
            Self::Discrete(action) => Some(*action),
            _ => None,
        }
    }
}

impl std::fmt::Display for ActSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.of_one())
    }
}

impl std::fmt::Display for Act<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Discrete(action) => write!(f, "{action}"),
            Self::Multi(choices) => write!(f, "{choices:?}"),
            Self::Box(numbers) => write!(f, "{numbers:?}"),
        }
    }
}

impl Default for Acts {
    /// None, and discrete.
    fn default() -> Self {
        Self::Discrete(Vec::new())
    }
}

impl Acts {
    /// No actions of `space`.
    pub fn of(space: &ActSpace) -> Self {
        let width = space.width();
        match space {
            ActSpace::Discrete { .. } => Self::default(),
            ActSpace::MultiDiscrete { .. } => Self::Multi { choices: Vec::new(), width },
            ActSpace::Box { .. } => Self::Box { numbers: Vec::new(), width },
        }
    }

    /// Whether actions of `space` are kept so.
    pub fn is_of(&self, space: &ActSpace) -> bool {
        match (self, space) {
            (Self::Discrete(_), ActSpace::Discrete { .. }) => true,
            (Self::Multi { width, .. }, ActSpace::MultiDiscrete { nvec }) => *width == nvec.len(),
            (Self::Box { width, .. }, ActSpace::Box { low, .. }) => *width == low.len(),
            _ => false,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(actions) => actions.len(),
            Self::Multi { choices, width } => choices.len() / width,
            Self::Box { numbers, width } => numbers.len() / width,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The action of row `row`.
    #[inline]
    pub fn row(&self, row: usize) -> Act<'_> {
        match self {
            Self::Discrete(actions) => Act::Discrete(actions[row] as usize),
            Self::Multi { choices, width } => Act::Multi(&choices[row * width..][..*width]),
            Self::Box { numbers, width } => Act::Box(&numbers[row * width..][..*width]),
        }
    }

    /// Appends `act`, of the same space as all others.
    ///
    /// # Panics
    /// If it is of another kind.
    #[inline]
    pub fn push(&mut self, act: Act<'_>) {
        match (self, act) {
            (Self::Discrete(actions), Act::Discrete(action)) => actions.push(action as i64),
            (Self::Multi { choices, .. }, Act::Multi(act)) => choices.extend_from_slice(act),
            (Self::Box { numbers, .. }, Act::Box(act)) => numbers.extend_from_slice(act),
            (acts, act) => panic!("an action {act:?} among {acts:?}"),
        }
    }

    /// Removes all actions and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        match self {
            Self::Discrete(actions) => actions.clear(),
            Self::Multi { choices, .. } => choices.clear(),
            Self::Box { numbers, .. } => numbers.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaces() -> [ActSpace; 3] {
        [
            ActSpace::Discrete { n: 3 },
            ActSpace::MultiDiscrete { nvec: vec![2, 5] },
            ActSpace::Box { low: vec![-1.0, 0.0, -3.0], high: vec![1.0, 2.0, 3.0] },
        ]
    }

    #[test]
    fn sizes_of_each() {
        let sizes = |space: &ActSpace| (space.width(), space.num_choices(), space.num_outputs());
        assert_eq!(spaces().each_ref().map(sizes), [(1, 3, 3), (2, 7, 7), (3, 0, 3)]);
    }

    #[test]
    fn a_space_is_json() {
        for space in spaces() {
            space.check("act_space").unwrap();
            let text = serde_json::to_string(&space).unwrap();
            assert!(text.contains(&format!("\"type\":\"{}\"", space.kind())), "{text}");
            assert_eq!(serde_json::from_str::<ActSpace>(&text).unwrap(), space);
        }
    }

    #[test]
    fn a_space_of_nothing_is_refused() {
        let of = |low: &[f32], high: &[f32]| ActSpace::Box { low: low.into(), high: high.into() };
        for space in [
            ActSpace::Discrete { n: 0 },
            ActSpace::Discrete { n: MOST_ACTIONS + 1 },
            ActSpace::MultiDiscrete { nvec: vec![] },
            ActSpace::MultiDiscrete { nvec: vec![2, 0] },
            ActSpace::MultiDiscrete { nvec: vec![usize::MAX, 2] },
            of(&[], &[]),
            of(&[0.0], &[0.0]),
            of(&[0.0], &[1.0, 1.0]),
            of(&[0.0], &[f32::INFINITY]),
            of(&[f32::NAN], &[1.0]),
        ] {
            let told = space.check("act_space() of Env").unwrap_err().to_string();
            assert!(told.starts_with("act_space() of Env: expected "), "{told}");
        }
    }

    #[test]
    fn rows_come_back_as_they_went_in() {
        for (space, act) in spaces().iter().zip([
            Act::Discrete(2),
            Act::Multi(&[1, 4]),
            Act::Box(&[-1.0, 2.0, 0.5]),
        ]) {
            space.check_act("action", act).unwrap();
            let mut acts = Acts::of(space);
            (0..3).for_each(|_| acts.push(act));
            assert_eq!((acts.len(), acts.row(2)), (3, act));
            acts.clear();
            assert!(acts.is_empty() && acts == Acts::of(space));
        }
    }

    #[test]
    fn what_is_no_action_is_refused() {
        let [discrete, multi, box_] = spaces();
        for (space, act) in [
            (&discrete, Act::Discrete(3)),
            (&discrete, Act::Box(&[1.0])),
            (&multi, Act::Multi(&[1, 5])),
            (&multi, Act::Multi(&[-1, 0])),
            (&multi, Act::Multi(&[1])),
            (&box_, Act::Box(&[0.0, 0.0, f32::NAN])),
            (&box_, Act::Box(&[0.0, 2.5, 0.0])),
            (&box_, Act::Box(&[0.0, 0.0])),
        ] {
            assert!(space.check_act("action", act).is_err(), "{space} {act}");
        }
        assert_eq!(discrete.require_discrete("a search").unwrap(), 3);
        let told = multi.require_discrete("a search").unwrap_err().to_string();
        assert!(told.contains("discrete actions (for a search)"), "{told}");
    }
}
