//! What a policy says of one observation.

use super::{Policy, Scratch};
use crate::error::Result;
use crate::spaces::Rows;

/// Logits `[A]` and the value of the observation `row`, seen through `twist`, -1 for none.
///
/// # Errors
/// As [`Policy::forward_batch`].
pub fn outputs(
    policy: &dyn Policy,
    row: &[i32],
    twist: i32,
    scratch: &mut Scratch,
) -> Result<(Vec<f32>, f32)> {
    mean(policy, row, &[twist], scratch)
}

/// The means of [`outputs`] over all twists of the policy.
///
/// # Errors
/// As [`Policy::forward_batch`].
pub fn mean_outputs(
    policy: &dyn Policy,
    row: &[i32],
    scratch: &mut Scratch,
) -> Result<(Vec<f32>, f32)> {
    match policy.num_twists() as i32 {
        0 => outputs(policy, row, -1, scratch),
        count => mean(policy, row, &(0..count).collect::<Vec<_>>(), scratch),
    }
}

fn mean(
    policy: &dyn Policy,
    row: &[i32],
    twists: &[i32],
    scratch: &mut Scratch,
) -> Result<(Vec<f32>, f32)> {
    let (num_actions, mut rows) = (policy.num_actions(), Rows::default());
    twists.iter().for_each(|_| rows.push(row));
    let mut logits = vec![0.0; num_actions * twists.len()];
    let mut values = vec![0.0; twists.len()];
    policy.forward_batch(&rows, Some(twists), scratch, &mut logits, &mut values)?;
    let share = 1.0 / twists.len() as f32;
    let column = |action| logits[action..].iter().step_by(num_actions).map(|x| share * x).sum();
    Ok(((0..num_actions).map(column).collect(), values.iter().map(|value| share * value).sum()))
}
