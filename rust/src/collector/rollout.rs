//! What collected episodes look like: flat arrays, episode after episode.

use crate::engine::lockstep::Visit;
use crate::obs::SparseRows;

/// `N` visited states of `E` episodes with `A` actions, in the order of episodes.
///
/// The last state of every episode is included; its action is nominal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollout {
    /// Observations before any permutation, `[N]`.
    pub rows: SparseRows,
    /// `[N, A]`, true where legal.
    pub masks: Vec<bool>,
    /// Permutation through which the policy saw the state, `[N]`, -1 for none.
    pub twists: Vec<i64>,
    /// `[N, A]`, [`crate::collector::ppo::MASKED_LOGIT`] where masked.
    pub logits: Vec<f32>,
    /// Log-probability of the action taken, `[N]`.
    pub log_probs: Vec<f32>,
    /// Value that the policy gave the state, `[N]`.
    pub values: Vec<f32>,
    /// Reward of being in the state, `[N]`.
    pub rewards: Vec<f32>,
    /// `[N]`
    pub actions: Vec<i64>,
    /// `[N]`
    pub advantages: Vec<f32>,
    /// `[N]`
    pub returns: Vec<f32>,
    /// First row of every episode, then `N`: `[E + 1]`.
    pub episode_starts: Vec<i64>,
}

impl Rollout {
    /// Number of rows `N`.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    pub(crate) fn push(&mut self, visit: &Visit<'_>) {
        self.rows.push(visit.row);
        self.masks.extend_from_slice(visit.mask);
        self.twists.push(i64::from(visit.twist));
        self.logits.extend_from_slice(visit.logits);
        self.log_probs.push(visit.log_prob);
        self.values.push(visit.value);
        self.rewards.push(visit.status.reward);
        self.actions.push(visit.action as i64);
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.masks.clear();
        self.twists.clear();
        self.logits.clear();
        self.log_probs.clear();
        self.values.clear();
        self.rewards.clear();
        self.actions.clear();
        self.advantages.clear();
        self.returns.clear();
        self.episode_starts.clear();
    }

    /// Appends `other` as one episode.
    pub(crate) fn append(&mut self, other: &Rollout) {
        self.episode_starts.push(self.len() as i64);
        self.rows.extend_from(&other.rows);
        self.masks.extend_from_slice(&other.masks);
        self.twists.extend_from_slice(&other.twists);
        self.logits.extend_from_slice(&other.logits);
        self.log_probs.extend_from_slice(&other.log_probs);
        self.values.extend_from_slice(&other.values);
        self.rewards.extend_from_slice(&other.rewards);
        self.actions.extend_from_slice(&other.actions);
        self.advantages.extend_from_slice(&other.advantages);
        self.returns.extend_from_slice(&other.returns);
    }
}
