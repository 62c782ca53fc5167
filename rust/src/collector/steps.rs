//! The episode that is being played: what is recorded of each of its states.

use super::table::ColumnRef;
use crate::engine::lockstep::Visit;
use crate::spaces::Rows;

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
    actions: Vec<i64>,
    pub(super) advantages: Vec<f32>,
    pub(super) returns: Vec<f32>,
}

impl Steps {
    pub(super) fn len(&self) -> usize {
        self.actions.len()
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
        self.actions.push(visit.action as i64);
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.masks.clear();
        self.twists.clear();
        self.choice.clear();
        self.log_probs.clear();
        self.values.clear();
        self.rewards.clear();
        self.actions.clear();
    }

    /// The columns of an episode whose states are judged; `choice` is what [`Steps::choice`] is called.
    ///
    /// - "obs": observations before any permutation;
    /// - "masks" `[N, A]`, true where legal;
    /// - "twists", index of the permutation that the policy saw the state through, -1 for none;
    /// - `choice` `[N, A]`: "logits", [`MASKED_LOGIT`](crate::collector::ppo::MASKED_LOGIT) where
    ///   masked, or "visits", all 0 at an episode's last state;
    /// - "log_probs" of the actions, "values" of the states, "rewards" of being in them;
    /// - "actions", nominal at an episode's last state;
    /// - "advantages", "returns".
    pub(super) fn columns(
        &self,
        choice: &'static str,
    ) -> impl Iterator<Item = (&'static str, ColumnRef<'_>)> {
        let num_actions = self.masks.len().checked_div(self.len()).unwrap_or(0);
        [
            ("obs", ColumnRef::Rows(&self.rows)),
            ("masks", ColumnRef::Bool(&self.masks, num_actions)),
            ("twists", ColumnRef::I64(&self.twists, 1)),
            (choice, ColumnRef::F32(&self.choice, num_actions)),
            ("log_probs", ColumnRef::F32(&self.log_probs, 1)),
            ("values", ColumnRef::F32(&self.values, 1)),
            ("rewards", ColumnRef::F32(&self.rewards, 1)),
            ("actions", ColumnRef::I64(&self.actions, 1)),
            ("advantages", ColumnRef::F32(&self.advantages, 1)),
            ("returns", ColumnRef::F32(&self.returns, 1)),
        ]
        .into_iter()
    }
}
