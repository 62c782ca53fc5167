//! What a search is asked for, and when it gives up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// More states would take gigabytes: a node of four actions takes 96 bytes, a state about 150.
const MOST_NODES_OF_A_TREE: usize = 1 << 22;
/// How many actions a root's search starts with, at most, where it narrows them down.
const MOST_CONSIDERED: usize = 16;

/// How a tree search chooses among the actions of its root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootSelection {
    /// The same rule as below the root (Silver et al. 2017, "Mastering the game of Go without
    /// human knowledge").
    #[default]
    Puct,
    /// Gumbel-top-k and sequential halving (Danihelka et al. 2022, "Policy improvement by planning
    /// with Gumbel").
    Gumbel,
}

/// What an episode that ran out of steps is worth at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    /// Its last reward, as if it had failed.
    #[default]
    Terminal,
    /// The value that the policy gives its last state.
    Bootstrap,
}

/// A Monte Carlo tree search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TreeConfig {
    /// Simulations of each move.
    #[serde(rename = "num_mcts_searches")]
    pub num_simulations: usize,
    /// Weight of the prior against the value, `C` of PUCT.
    #[serde(rename = "C")]
    pub exploration: f32,
    /// States that a simulation adds below the leaf it reaches, at least 1.
    pub max_expand_depth: usize,
    pub root_selection: RootSelection,
    /// Actions that the Gumbel root starts with.
    pub max_considered_actions: usize,
    /// Weight of the values against the prior with a Gumbel root, `c_scale` of its paper.
    pub value_weight: f32,
    /// Discount of the rewards below, in [0, 1].
    pub gamma: f32,
    /// What a state without steps is worth.
    pub truncation: Truncation,
    /// Keep the tree below the action played, if it led to what the tree expected; its visits
    /// count among the next move's simulations. Below a Gumbel root at least half of a move's
    /// simulations are new, since sequential halving goes by the visits of its own search.
    pub reuse: bool,
    /// Give a state that several ways of as many moves lead to one node.
    pub transpositions: bool,
}

impl Default for TreeConfig {
    fn default() -> Self {
        Self {
            num_simulations: 1000,
            exploration: 1.41,
            max_expand_depth: 1,
            root_selection: RootSelection::Puct,
            max_considered_actions: MOST_CONSIDERED,
            value_weight: 1.0,
            gamma: 1.0,
            truncation: Truncation::Terminal,
            reuse: true,
            transpositions: false,
        }
    }
}

/// Below a Gumbel root a tree may be kept until it holds the simulations of so many moves.
const KEPT_MOVES: usize = 4;

impl TreeConfig {
    /// States below a root, at most: of `num_simulations + 1` visits the first may be the root's
    /// own, or the one that reached a root kept from the last move, which then holds one of its
    /// states.
    pub(super) fn num_nodes(&self) -> usize {
        self.most_visits().saturating_mul(self.max_expand_depth) - 1
    }

    /// Visits of a root, at most.
    pub(super) fn most_visits(&self) -> usize {
        self.num_simulations.saturating_mul(self.kept_moves()).saturating_add(1)
    }

    /// Moves whose simulations a tree may hold.
    fn kept_moves(&self) -> usize {
        match self.root_selection {
            RootSelection::Gumbel if self.reuse => KEPT_MOVES,
            _ => 1,
        }
    }

    /// Simulations of a move, at most, for the memory that their states take.
    pub fn most_simulations(&self) -> usize {
        let visits = (MOST_NODES_OF_A_TREE + 1) / self.max_expand_depth.max(1);
        visits.saturating_sub(1) / self.kept_moves()
    }

    /// Simulations of a search whose root has had so many visits, its own evaluation included.
    pub(super) fn simulations_of(&self, visits: usize) -> usize {
        let missing = (self.num_simulations + 1).saturating_sub(visits);
        match self.root_selection {
            RootSelection::Puct => missing,
            RootSelection::Gumbel => missing.max(self.num_simulations.div_ceil(2)),
        }
    }

    /// Whether a search goes on from a state of the last one's tree that has had so many visits:
    /// not if they and the simulations that follow would need more states than `num_nodes`.
    pub(super) fn keeps(&self, visits: usize) -> bool {
        self.reuse && self.most_visits() >= visits + self.simulations_of(visits)
    }

    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        Error::check_counts([
            ("num_mcts_searches", self.num_simulations),
            ("max_expand_depth", self.max_expand_depth),
            ("max_considered_actions", self.max_considered_actions),
        ])?;
        if !(0.0..=1.0).contains(&self.gamma) {
            return Err(Error::invalid("gamma", "a number in [0, 1]", self.gamma));
        }
        if self.num_simulations > self.most_simulations() {
            let expected = format!(
                "at most {MOST_NODES_OF_A_TREE} states: max_expand_depth a simulation, \
                 {KEPT_MOVES} times that for a Gumbel root with reuse"
            );
            return Err(Error::invalid("num_mcts_searches", expected, self.num_nodes()));
        }
        for (name, weight) in [("C", self.exploration), ("value_weight", self.value_weight)] {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::invalid(name, "a number that is not negative", weight));
            }
        }
        Ok(())
    }
}

/// How a search that plays for training departs from its best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfPlay {
    /// Shape of the noise in the root's priors, positive.
    pub dirichlet_alpha: f32,
    /// Share of the noise, in [0, 1]; 0 is none.
    pub exploration_fraction: f32,
    /// Moves of an episode that are drawn, by visits or by Gumbel variables; after them the best
    /// one is played. `None`: all of them.
    pub temperature_moves: Option<usize>,
}

impl Default for SelfPlay {
    /// No noise; every move is drawn.
    fn default() -> Self {
        Self { dirichlet_alpha: 0.3, exploration_fraction: 0.0, temperature_moves: None }
    }
}

impl SelfPlay {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        let Self { dirichlet_alpha, exploration_fraction, .. } = *self;
        if !(dirichlet_alpha.is_finite() && dirichlet_alpha > 0.0) {
            return Err(Error::invalid("dirichlet_alpha", "a positive number", dirichlet_alpha));
        }
        if !(0.0..=1.0).contains(&exploration_fraction) {
            let expected = "a number in [0, 1]";
            return Err(Error::invalid("exploration_fraction", expected, exploration_fraction));
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

impl Budget {
    /// At most `node_limit` states and `time_limit_s` seconds, where there are such limits.
    ///
    /// # Errors
    /// If the seconds are not positive, or so many that no clock has them.
    pub fn new(time_limit_s: Option<f64>, node_limit: Option<u64>) -> Result<Self> {
        let seconds = |seconds: f64| match Duration::try_from_secs_f64(seconds) {
            Ok(time) if !time.is_zero() => Ok(time),
            _ => Err(Error::invalid("time_limit_s", "a positive number of seconds", seconds)),
        };
        if node_limit == Some(0) {
            return Err(Error::invalid("node_limit", "at least 1", 0));
        }
        Ok(Self { nodes: node_limit, time: time_limit_s.map(seconds).transpose()? })
    }
}
