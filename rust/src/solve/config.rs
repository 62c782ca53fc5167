//! What is asked of an evaluation or a solution.

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::engine::capped;
use crate::engine::pool::DEFAULT_CORES;
use crate::error::{Error, Result};
use crate::nn::PlayPrecision;
use crate::search::{Budget, TreeConfig};

/// Two states for each of its width are made ready: gigabytes at this one.
const MOST_BEAM_WIDTH: usize = 10_000_000;
/// A tebibyte, which no machine that is meant has.
const MOST_TABLE_BYTES: u64 = 1 << 40;
/// Days of learning.
const MOST_PATTERN_BOARDS: usize = 1_000_000;

/// How a start is solved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Strategy {
    /// The policy's own actions, sampled or the likeliest.
    #[default]
    Policy,
    /// A tree search before every action. The way to a solved state inside the tree is played
    /// without further searches as long as it leads where the tree says.
    Mcts(TreeConfig),
    /// The action that leads to the state with the largest value; a solved one first.
    Value,
    /// The best states of every depth, this many.
    Beam(BeamConfig),
    /// So many states of every depth, the best by what the environment estimates of them from tables, without
    /// the policy.
    #[cfg(feature = "learning")]
    Patterns { width: usize },
    /// A shortest solution, proven, without the policy.
    Optimal,
}

impl Strategy {
    /// What it is called by an environment whose actions it cannot tell apart, if it searches.
    pub(super) fn searches(self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "learning")]
            Self::Patterns { .. } => None,
            Self::Policy | Self::Optimal => None,
            Self::Mcts(_) => Some("a tree search"),
            Self::Value => Some("looking ahead by values"),
            Self::Beam(_) => Some("a beam search"),
        }
    }

    /// Whether the actions are the policy's.
    pub fn needs_policy(self) -> bool {
        match self {
            Self::Policy | Self::Mcts(_) | Self::Value | Self::Beam(_) => true,
            #[cfg(feature = "learning")]
            Self::Patterns { .. } => false,
            Self::Optimal => false,
        }
    }
}

/// How episodes are played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvalConfig {
    pub strategy: Strategy,
    /// Take the likeliest action instead of sampling.
    pub deterministic: bool,
    /// Tries for each start; the best by (success, reward) counts.
    pub num_searches: usize,
    /// Capped at what the machine has.
    pub num_cores: usize,
    /// Of each start.
    pub budget: Budget,
    /// Memory for a table of the states around the only goal of the environment, 0 for none: a beam
    /// or a tree that touches it goes on by a shortest way.
    pub goal_table_bytes: u64,
    /// Memory for the pattern databases of [`Strategy::Patterns`], 64 MiB where it is `None`, and of
    /// [`Strategy::Optimal`], then as [`Solver::new`](crate::exact::Solver::new) has it; while they are made
    /// it may be some times as much.
    pub pattern_bytes: Option<u64>,
    /// States that [`Strategy::Patterns`] solves first, to learn what its tables do not say; 0 for none.
    pub pattern_boards: usize,
    /// Of the network's numbers.
    pub precision: PlayPrecision,
    /// Steps of an episode beyond which the environment is taken for one that never ends: an
    /// error. `None`: where it does not end by itself, as many as
    /// [`DEFAULT_MAX_EPISODE_STEPS`](crate::engine::DEFAULT_MAX_EPISODE_STEPS).
    pub max_episode_steps: Option<u32>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::Policy,
            deterministic: false,
            num_searches: 1,
            num_cores: DEFAULT_CORES,
            budget: Budget::default(),
            goal_table_bytes: 0,
            pattern_bytes: None,
            pattern_boards: 0,
            precision: PlayPrecision::F32,
            max_episode_steps: None,
        }
    }
}

/// A beam search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeamConfig {
    /// States kept at every depth, 1 to 10,000,000.
    #[serde(rename = "beam_width")]
    pub width: usize,
    /// What a state's value adds to the log-probability of the path to it. Not negative.
    #[serde(rename = "beam_value_weight")]
    pub value_weight: f32,
    /// Symmetries of the environment through which every state is seen, at most all; the means of
    /// what the network says count. 1: as it is.
    #[serde(rename = "beam_views")]
    pub views: usize,
}

impl Default for BeamConfig {
    /// By the policy alone.
    fn default() -> Self {
        Self { width: 64, value_weight: 0.0, views: 1 }
    }
}

impl BeamConfig {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        if !(1..=MOST_BEAM_WIDTH).contains(&self.width) {
            let expected = format!("an integer in 1..={MOST_BEAM_WIDTH}");
            return Err(Error::invalid("beam_width", expected, self.width));
        }
        Error::check_counts([("beam_views", self.views)])?;
        if !(self.value_weight.is_finite() && self.value_weight >= 0.0) {
            let expected = "a number that is not negative";
            return Err(Error::invalid("beam_value_weight", expected, self.value_weight));
        }
        Ok(())
    }
}

impl EvalConfig {
    /// Refuses a configuration that is out of range.
    pub fn check(&self) -> Result<()> {
        Error::check_counts([("num_searches", self.num_searches), ("num_cores", self.num_cores)])?;
        capped::check(self.max_episode_steps)?;
        clock::check(self.budget.time)?;
        for (name, bytes) in [
            ("goal_table_bytes", self.goal_table_bytes),
            ("pattern_bytes", self.pattern_bytes.unwrap_or_default()),
        ] {
            if bytes > MOST_TABLE_BYTES {
                let expected = format!("an integer in 0..={MOST_TABLE_BYTES}");
                return Err(Error::invalid(name, expected, bytes));
            }
        }
        if self.pattern_boards > MOST_PATTERN_BOARDS {
            let expected = format!("an integer in 0..={MOST_PATTERN_BOARDS}");
            return Err(Error::invalid("pattern_boards", expected, self.pattern_boards));
        }
        match self.strategy {
            Strategy::Policy | Strategy::Value | Strategy::Optimal => Ok(()),
            #[cfg(feature = "learning")]
            Strategy::Patterns { width } => BeamConfig { width, ..BeamConfig::default() }.check(),
            Strategy::Mcts(tree) => tree.check(),
            Strategy::Beam(beam) => beam.check(),
        }
    }
}
