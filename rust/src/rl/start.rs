//! How episodes begin.

use serde::{Deserialize, Serialize};

/// Where episodes begin, as configs say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// In what the environment's reset makes of its difficulty.
    #[default]
    Reset,
    /// In any solvable state, whatever the difficulty.
    Uniform,
}

/// How difficult each episode is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifficultyDistribution {
    /// As difficult as the environment says.
    #[default]
    Fixed,
    /// Uniform from 1 to what the environment says; 0 if that is 0.
    Uniform,
    /// Any solvable state, whatever the environment says; a collection asks for it by its start.
    #[serde(skip)]
    Unbounded,
}

impl DifficultyDistribution {
    /// This one where episodes begin by a reset.
    pub fn from(self, start: Start) -> Self {
        match start {
            Start::Reset => self,
            Start::Uniform => Self::Unbounded,
        }
    }
}
