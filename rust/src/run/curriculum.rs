//! How the difficulty rises with success.

use serde::{Deserialize, Serialize};

use super::config::Learning;
use crate::rl::env::Env;

/// Where a run's curriculum stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Curriculum {
    /// Whether the last evaluation raised the difficulty, which decides what the next one needs.
    pub(super) rising: bool,
    /// Whether no difficulty bounds the starts any more: any solvable state is one.
    pub(super) is_unbounded: bool,
}

impl Curriculum {
    /// Sets the difficulty of `env` after an evaluation with this `success`.
    pub(super) fn advance(&mut self, learning: &Learning, env: &mut dyn Env, success: f64) {
        if self.is_unbounded {
            return;
        }
        let before = env.get_difficulty();
        let (after, rising) = raised(learning, before, self.rising, success);
        self.rising = rising;
        if after.is_none() {
            // Where no uniform start can be drawn, the difficulty stays.
            self.is_unbounded = env.spec().has_uniform;
        }
        let after = after.unwrap_or(before.max(learning.diff_max));
        if after != before {
            env.set_difficulty(after);
        }
    }
}

/// The next difficulty, `None` for any solvable state, and whether it is rising.
fn raised(
    learning: &Learning,
    difficulty: usize,
    rising: bool,
    success: f64,
) -> (Option<usize>, bool) {
    let least = learning.threshold_min.filter(|_| rising).unwrap_or(learning.diff_threshold);
    if success < least {
        return (Some(difficulty), false);
    }
    let step = if difficulty > learning.warmup { learning.diff_step } else { 1 };
    let most = learning.diff_max;
    if difficulty + step <= most {
        return (Some(difficulty + step), true);
    }
    ((!learning.final_diff_is_none).then_some(difficulty.max(most)), true)
}

/// (difficulty, success, reward) of an evaluation; no difficulty is the hardest.
pub(super) type Metrics = (Option<usize>, f64, f64);

/// Whether `one` is better than `other`, and whether it is at least as good; of a task the reward
/// counts before the success.
pub(super) fn compared(one: &Metrics, other: &Metrics, is_task: bool) -> (bool, bool) {
    let rank = |&(difficulty, success, reward): &Metrics| {
        let (first, second) = if is_task { (reward, success) } else { (success, reward) };
        (difficulty.unwrap_or(usize::MAX), first, second)
    };
    let order = rank(one).partial_cmp(&rank(other));
    (order.is_some_and(|order| order.is_gt()), order.is_some_and(|order| order.is_ge()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_as_the_python_curriculum_does() {
        let learning: Learning = serde_json::from_value(serde_json::json!({
            "diff_threshold": 0.9, "threshold_min": 0.7, "diff_max": 9, "diff_step": 4, "warmup": 2,
            "final_diff_is_none": false,
        }))
        .unwrap();
        assert_eq!(raised(&learning, 2, false, 0.95), (Some(3), true));
        assert_eq!(raised(&learning, 7, true, 0.75), (Some(9), true));
        assert_eq!(raised(&learning, 7, false, 0.75), (Some(7), false));
        let unbounded = Learning { final_diff_is_none: true, ..learning };
        assert_eq!(raised(&unbounded, 9, true, 0.75), (None, true));
    }

    #[test]
    fn the_reward_of_a_task_counts_before_its_success() {
        let (one, other) = ((Some(3), 0.9, 5.0), (Some(3), 0.8, 6.0));
        assert_eq!(compared(&one, &other, false), (true, true));
        assert_eq!(compared(&one, &other, true), (false, false));
        assert_eq!(compared(&(None, 0.0, 0.0), &other, true), (true, true));
        assert_eq!(compared(&other, &other, true), (false, true));
    }
}
