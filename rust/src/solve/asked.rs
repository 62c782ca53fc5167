//! How a config or a caller says by what means states are solved: by name, all in one place.

use serde::{Deserialize, Serialize};

use super::config::{BeamConfig, EvalConfig, Strategy};
use crate::error::{Error, Result};
use crate::nn::PlayPrecision;
use crate::search::{Budget, RootSelection, TreeConfig};

/// What the strategies are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrategyName {
    /// The policy's likeliest actions.
    Greedy,
    /// The policy's actions, drawn.
    Sample,
    Value,
    Mcts,
    Beam,
    /// A beam by the environment's own estimates.
    #[cfg(feature = "learning")]
    Patterns,
    /// A proven shortest solution.
    Optimal,
}

/// An entry of a config's `evals`, but for the episodes that it names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// `None`: a tree search if there are simulations, else the policy's own actions.
    pub strategy: Option<StrategyName>,
    pub deterministic: bool,
    pub num_searches: usize,
    pub num_cores: usize,
    /// Simulations of each move of a tree search; 0 is none.
    pub num_mcts_searches: usize,
    #[serde(rename = "C")]
    pub exploration: f32,
    pub max_expand_depth: usize,
    pub root_selection: RootSelection,
    pub gamma: f32,
    pub transpositions: bool,
    pub beam_width: usize,
    /// `None`: what the training has chosen, as a caller puts it in; 0 where it has chosen none.
    pub beam_value_weight: Option<f32>,
    pub beam_views: usize,
    pub time_limit_s: Option<f64>,
    pub node_limit: Option<u64>,
    pub goal_table_bytes: u64,
    pub pattern_bytes: Option<u64>,
    pub pattern_boards: usize,
    pub precision: PlayPrecision,
    pub max_episode_steps: Option<u32>,
}

impl Default for Asked {
    fn default() -> Self {
        let (eval, tree, beam) =
            (EvalConfig::default(), TreeConfig::default(), BeamConfig::default());
        Self {
            strategy: None,
            deterministic: eval.deterministic,
            num_searches: eval.num_searches,
            num_cores: eval.num_cores,
            num_mcts_searches: 0,
            exploration: tree.exploration,
            max_expand_depth: tree.max_expand_depth,
            root_selection: tree.root_selection,
            gamma: tree.gamma,
            transpositions: tree.transpositions,
            beam_width: beam.width,
            beam_value_weight: None,
            beam_views: beam.views,
            time_limit_s: None,
            node_limit: None,
            goal_table_bytes: eval.goal_table_bytes,
            pattern_bytes: eval.pattern_bytes,
            pattern_boards: eval.pattern_boards,
            precision: eval.precision,
            max_episode_steps: eval.max_episode_steps,
        }
    }
}

impl Asked {
    fn strategy(&self) -> StrategyName {
        match self.strategy {
            Some(strategy) => strategy,
            None if self.num_mcts_searches > 0 => StrategyName::Mcts,
            None if self.deterministic => StrategyName::Greedy,
            None => StrategyName::Sample,
        }
    }
}

impl TryFrom<Asked> for EvalConfig {
    type Error = Error;

    /// All that is given is checked, used or not; only a tree search needs simulations.
    fn try_from(asked: Asked) -> Result<Self> {
        let tree = TreeConfig {
            num_simulations: asked.num_mcts_searches,
            exploration: asked.exploration,
            max_expand_depth: asked.max_expand_depth,
            root_selection: asked.root_selection,
            gamma: asked.gamma,
            transpositions: asked.transpositions,
            ..TreeConfig::default()
        };
        let beam = BeamConfig {
            width: asked.beam_width,
            value_weight: asked.beam_value_weight.unwrap_or(BeamConfig::default().value_weight),
            views: asked.beam_views,
        };
        TreeConfig { num_simulations: tree.num_simulations.max(1), ..tree }.check()?;
        beam.check()?;
        let (strategy, deterministic) = match asked.strategy() {
            StrategyName::Greedy => (Strategy::Policy, true),
            StrategyName::Sample => (Strategy::Policy, false),
            StrategyName::Mcts => (Strategy::Mcts(tree), asked.deterministic),
            StrategyName::Value => (Strategy::Value, true),
            StrategyName::Beam => (Strategy::Beam(beam), true),
            #[cfg(feature = "learning")]
            StrategyName::Patterns => (Strategy::Patterns { width: beam.width }, true),
            StrategyName::Optimal => (Strategy::Optimal, true),
        };
        let config = Self {
            strategy,
            deterministic,
            num_searches: asked.num_searches,
            num_cores: asked.num_cores,
            budget: Budget::new(asked.time_limit_s, asked.node_limit)?,
            goal_table_bytes: asked.goal_table_bytes,
            pattern_bytes: asked.pattern_bytes,
            pattern_boards: asked.pattern_boards,
            precision: asked.precision,
            max_episode_steps: asked.max_episode_steps,
        };
        config.check()?;
        Ok(config)
    }
}
