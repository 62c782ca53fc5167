//! What the lanes of a [`VecEnv`] are told and what is seen of them.

use crate::spaces::Rows;

pub use super::env::VecEnv;
pub use super::lanes::Lanes;

/// What a state is worth and whether the episode ends there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    /// Reward of being in this state.
    pub reward: f32,
    pub is_final: bool,
    pub success: bool,
    /// Final only because the steps are used up: there is a future, it was cut off.
    pub truncated: bool,
}

/// What a lane does before it is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Starts an episode of this difficulty.
    Reset {
        difficulty: usize,
    },
    /// Starts an episode in a uniformly random state.
    ResetUniform,
    Step {
        action: usize,
    },
    /// Plays row `row` of the actions that come with the moves, where they are not discrete.
    Act {
        row: usize,
    },
    /// Becomes a copy of the lane `parent`, which does not move in the same call, and steps.
    StepFrom {
        parent: usize,
        action: usize,
    },
    /// Nothing: the lane was just loaded.
    Observe,
}

/// A lane and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneMove {
    pub lane: usize,
    pub made: Move,
}

/// What is seen of the lanes that moved, in the order of their moves.
#[derive(Debug, Default)]
pub struct Views {
    pub rows: Rows,
    /// `[B, A]`
    pub masks: Vec<bool>,
    /// `[B]`
    pub status: Vec<Status>,
}

impl Views {
    pub fn clear(&mut self) {
        self.rows.clear();
        self.masks.clear();
        self.status.clear();
    }
}
