//! The episode that is being played: what is recorded of each of its states.

use super::table::ColumnRef;
use crate::engine::lockstep::Visit;
use crate::spaces::{ActSpace, Acts, Rows};

/// The visited states of one episode, and what each is worth once it has ended.
#[derive(Default)]
pub(super) struct Steps {
    rows: Rows,
    masks: Vec<bool>,
    twists: Vec<i64>,
    /// What an action is drawn by `[steps, A]`: logits, or the shares of a search's visits.
    choice: Vec<f32>,
    log_probs: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) rewards: Vec<f32>,
    /// `[steps, S]`
    states: Vec<f32>,
    actions: Acts,
    pub(super) advantages: Vec<f32>,
    pub(super) returns: Vec<f32>,
}

impl Steps {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub(super) fn push(&mut self, visit: &Visit<'_>) {
        self.rows.push(visit.row);
        self.masks.extend_from_slice(visit.mask);
        self.twists.push(i64::from(visit.twist));
        self.choice.extend_from_slice(visit.logits);
        self.log_probs.push(visit.log_prob);
        self.values.push(visit.value);
        self.rewards.push(visit.status.reward);
        if !visit.state.is_empty() {
            self.states.extend_from_slice(visit.state);
        }
        self.actions.push(visit.act);
    }

    /// Forgets all states and keeps the memory; actions to come are of `space`.
    pub(super) fn begin(&mut self, space: &ActSpace) {
        self.actions.clear();
        if !self.actions.is_of(space) {
            self.actions = Acts::of(space);
        }
        self.rows.clear();
        self.masks.clear();
        self.twists.clear();
        self.choice.clear();
        self.log_probs.clear();
        self.values.clear();
        self.rewards.clear();
        self.states.clear();
    }

    /// The columns of an episode whose states are judged; `choice` is what [`Steps::choice`] is called.
    ///
    /// - "obs": observations before any permutation;
    /// - "masks" `[N, A]`, true where legal; `[N, 0]` where actions are numbers;
    /// - "twists", index of the permutation that the policy saw the state through, -1 for none;
    /// - `choice` `[N, A]`: "logits", [`MASKED_LOGIT`](crate::collector::ppo::MASKED_LOGIT) where
    ///   masked, or "visits", all 0 at an episode's last state;
    /// - "log_probs" of the actions, "values" of the states, "rewards" of being in them;
    /// - "states" `[N, S]`, what the policy remembered before each; `[N, 0]` for one without memory;
    /// - "actions" as they were drawn, nominal at an episode's last state: 64-bit integers, `[N, parts]` of
    ///   them, or 32-bit floats `[N, dimensions]`;
    /// - "advantages", "returns".
    pub(super) fn columns(
        &self,
        choice: &'static str,
    ) -> impl Iterator<Item = (&'static str, ColumnRef<'_>)> {
        let width = |cells: usize| cells.checked_div(self.len()).unwrap_or(0);
        let actions = match &self.actions {
            Acts::Discrete(actions) => ColumnRef::I64(actions, 1),
            Acts::Multi { choices, width } => ColumnRef::I64(choices, *width),
            Acts::Box { numbers, width } => ColumnRef::F32(numbers, *width),
        };
        [
            ("obs", ColumnRef::Rows(&self.rows)),
            ("masks", ColumnRef::Bool(&self.masks, width(self.masks.len()))),
            ("twists", ColumnRef::I64(&self.twists, 1)),
            (choice, ColumnRef::F32(&self.choice, width(self.choice.len()))),
            ("log_probs", ColumnRef::F32(&self.log_probs, 1)),
            ("values", ColumnRef::F32(&self.values, 1)),
            ("rewards", ColumnRef::F32(&self.rewards, 1)),
            ("states", ColumnRef::F32(&self.states, width(self.states.len()))),
            ("actions", actions),
            ("advantages", ColumnRef::F32(&self.advantages, 1)),
            ("returns", ColumnRef::F32(&self.returns, 1)),
        ]
        .into_iter()
    }
}
