//! What came of a start.

use crate::error::Result;
use crate::rl::env::Env;

/// The best try from one start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    pub success: bool,
    /// Sum of the rewards of all states, first and last included.
    pub reward: f32,
    /// The actions played, or what the environment says is its solution; none of those that are not
    /// discrete,
    pub actions: Vec<i64>,
    /// of which so many were played.
    pub others: u64,
    /// States that were given to the policy for this start, by all tries.
    pub nodes: u64,
    /// No fewer actions lead to the goal, as far as a table of the states around it proves; 0 where
    /// there is none.
    pub at_least: u64,
}

impl Episode {
    /// That of `actions` from the state of `root`; `None` if the last of them is not what solves it.
    pub(super) fn played(root: &dyn Env, actions: Vec<i64>) -> Result<Option<Self>> {
        let mut env = root.try_clone()?;
        let mut status = env.try_status()?;
        let mut reward = status.reward;
        for &action in &actions {
            if status.is_final {
                return Ok(None);
            }
            env.try_step(action as usize)?;
            status = env.try_status()?;
            reward += status.reward;
        }
        let actions = env.try_solution()?.unwrap_or(actions);
        Ok(status.success.then(|| Self { success: true, reward, actions, ..Self::default() }))
    }

    /// Number of actions.
    pub fn len(&self) -> u64 {
        self.actions.len() as u64 + self.others
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The share that succeeded and the mean reward.
    pub fn means(episodes: &[Self]) -> (f32, f32) {
        let mean = |value: fn(&Self) -> f64| {
            (episodes.iter().map(value).sum::<f64>() / episodes.len() as f64) as f32
        };
        (
            mean(|episode| f64::from(u8::from(episode.success))),
            mean(|episode| f64::from(episode.reward)),
        )
    }
}
