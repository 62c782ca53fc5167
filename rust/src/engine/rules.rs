//! How lanes are played: what is evaluated, and how an action is chosen.

use crate::rl::env::Status;

/// How an action is chosen from the masked logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The first of the largest.
    Greedy,
    /// Drawn from the softmax with one uniform number.
    Sample,
}

/// What is evaluated, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlayRules {
    pub choice: Choice,
    /// Evaluate each distinct observation once.
    pub cache: bool,
    /// Final states are evaluated too (their values and a nominal action).
    pub evaluate_final: bool,
}

impl PlayRules {
    /// Whether a state is evaluated.
    #[inline]
    pub(crate) fn wants(self, status: Status) -> bool {
        self.evaluate_final || !status.is_final
    }
}
