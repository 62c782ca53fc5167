//! Search guided by a policy: what it is asked and when it gives up.

use std::time::Duration;

use crate::error::{Error, Result};

/// How many actions a root's search starts with, at most, where it narrows them down.
const MOST_CONSIDERED: usize = 16;

/// How a tree search chooses among the actions of its root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootSelection {
    /// The same rule as below the root (Silver et al. 2017, "Mastering the game of Go without
    /// human knowledge").
    #[default]
    Puct,
    /// Gumbel-top-k and sequential halving (Danihelka et al. 2022, "Policy improvement by planning
    /// with Gumbel").
    Gumbel,
}

/// A Monte Carlo tree search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeConfig {
    /// Simulations of each move.
    pub num_simulations: usize,
    /// Weight of the prior against the value, `C` of PUCT.
    pub exploration: f32,
    /// States that a simulation adds below the leaf it reaches, at least 1.
    pub max_expand_depth: usize,
    pub root_selection: RootSelection,
    /// Actions that the Gumbel root starts with.
    pub max_considered_actions: usize,
    /// Discount of the rewards below, in [0, 1].
    pub gamma: f32,
}

impl Default for TreeConfig {
    fn default() -> Self {
        Self {
            num_simulations: 100,
            exploration: 1.41,
            max_expand_depth: 1,
            root_selection: RootSelection::Puct,
            max_considered_actions: MOST_CONSIDERED,
            gamma: 1.0,
        }
    }
}

impl TreeConfig {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("num_mcts_searches", self.num_simulations),
            ("max_expand_depth", self.max_expand_depth),
            ("max_considered_actions", self.max_considered_actions),
        ];
        for (name, count) in counts {
            if count == 0 {
                return Err(Error::invalid(name, "at least 1", 0));
            }
        }
        if !(0.0..=1.0).contains(&self.gamma) {
            return Err(Error::invalid("gamma", "a number in [0, 1]", self.gamma));
        }
        if !(self.exploration.is_finite() && self.exploration >= 0.0) {
            return Err(Error::invalid("C", "a number that is not negative", self.exploration));
        }
        Ok(())
    }
}

/// When the work on one start ends, though more might find something better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// States given to the policy.
    pub nodes: Option<u64>,
    pub time: Option<Duration>,
}
