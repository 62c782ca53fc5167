//! Breadth-first search from a state, where no action undoes another: the environments of a layer
//! are kept until the next one is made of them.

use std::collections::HashSet;

use super::meter::Meter;
use super::{out_of_reach, Answer};
use crate::error::Result;
use crate::rl::env::Env;

/// Whether `env` can be searched so alone.
pub(super) fn is_one_way(env: &dyn Env) -> bool {
    env.spec().inverse_actions.is_none() && env.state_key().is_some()
}

/// A shortest way from the state that `env` is in, among at most `most_states`.
///
/// # Errors
/// If there is none, the environment fails, or the meter does.
pub(super) fn shortest(env: &dyn Env, most_states: usize, meter: &mut Meter<'_>) -> Result<Answer> {
    let mut seen = HashSet::from([env.state_key()]);
    // The state before and the action that led here, the root first.
    let mut steps = vec![(0, 0)];
    let mut layer = vec![(0, env.try_clone()?)];
    let mut masks = vec![false; env.num_actions()];
    for depth in 1.. {
        let mut next = Vec::new();
        for (number, parent) in &layer {
            if !meter.count()? {
                return Ok(Answer::unproven(depth));
            }
            parent.try_masks(&mut masks)?;
            for (action, _) in masks.iter().enumerate().filter(|(_, &legal)| legal) {
                let mut child = parent.try_clone()?;
                child.try_step(action)?;
                if !seen.insert(child.state_key()) {
                    continue;
                }
                steps.push((*number, action));
                if child.try_status()?.success {
                    return Ok(Answer::found(back(&steps)));
                }
                if steps.len() >= most_states {
                    return Ok(Answer::unproven(depth));
                }
                next.push((steps.len() - 1, child));
            }
        }
        if next.is_empty() {
            break;
        }
        layer = next;
    }
    Err(out_of_reach(steps.len()))
}

/// The actions from the root to the last of `steps`.
fn back(steps: &[(usize, usize)]) -> Vec<usize> {
    let mut at = steps.len() - 1;
    let mut actions = Vec::new();
    while at != 0 {
        actions.push(steps[at].1);
        at = steps[at].0;
    }
    actions.reverse();
    actions
}
