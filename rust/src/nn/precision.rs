//! In what numbers a network computes where it only plays.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Numbers of the hidden layers; outputs are f32 in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlayPrecision {
    /// As it was trained.
    #[default]
    F32,
    /// Weights of 8 bits with a scale for each output, activations of 7 with one for each row;
    /// sums of binary features in 16 bits. The hidden layers have the same bits on every processor.
    Int8,
}

impl PlayPrecision {
    /// The one of this name.
    pub fn of(name: &str) -> Result<Self> {
        let all = [Self::F32, Self::Int8];
        let found = all.into_iter().find(|precision| precision.name() == name);
        found.ok_or_else(|| Error::invalid("precision", "f32 or int8", name))
    }

    /// What it is called in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}
