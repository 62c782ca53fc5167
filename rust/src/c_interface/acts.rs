//! Actions and their spaces as numbers, as they cross to another library.

use crate::error::{Error, Result};
use crate::spaces::{Act, ActSpace, Acts};

const DISCRETE: u32 = 0;
const PARTS: u32 = 1;
const NUMBERS: u32 = 2;

/// The kind of `space` and its numbers.
pub(super) fn told(space: &ActSpace) -> (u32, Vec<f64>) {
    match space {
        ActSpace::Discrete { n } => (DISCRETE, vec![*n as f64]),
        ActSpace::MultiDiscrete { nvec } => (PARTS, nvec.iter().map(|&n| n as f64).collect()),
        ActSpace::Box { low, high } => {
            (NUMBERS, low.iter().chain(high).map(|&bound| bound.into()).collect())
        }
    }
}

/// The space that [`told`] gave; `class` is what messages call its environment.
pub(super) fn space(class: &str, kind: u32, numbers: &[f64]) -> Result<ActSpace> {
    let bounds = |bounds: &[f64]| bounds.iter().map(|&bound| bound as f32).collect();
    let (low, high) = numbers.split_at(numbers.len() / 2);
    match (kind, numbers) {
        (DISCRETE, &[n]) => Ok(ActSpace::Discrete { n: n as usize }),
        (PARTS, nvec) => {
            Ok(ActSpace::MultiDiscrete { nvec: nvec.iter().map(|&n| n as usize).collect() })
        }
        (NUMBERS, _) if low.len() == high.len() => {
            Ok(ActSpace::Box { low: bounds(low), high: bounds(high) })
        }
        _ => {
            let name = format!("act_space of {class}");
            Err(Error::invalid(name, "kind 0, 1 or 2 and its numbers", format!("{kind}")))
        }
    }
}

/// The numbers of `act`.
pub(super) fn numbers(act: Act<'_>) -> Vec<f64> {
    match act {
        Act::Discrete(action) => vec![action as f64],
        Act::Multi(choices) => choices.iter().map(|&choice| choice as f64).collect(),
        Act::Box(numbers) => numbers.iter().map(|&number| number.into()).collect(),
    }
}

/// The one action of `space` with these [`numbers`].
pub(super) fn read(space: &ActSpace, numbers: &[f64]) -> Result<Acts> {
    let mut acts = Acts::of(space);
    if numbers.len() != space.width() {
        let expected = format!("{} numbers", space.width());
        return Err(Error::invalid("action", expected, numbers.len()));
    }
    match &mut acts {
        Acts::Discrete(to) | Acts::Multi { choices: to, .. } => {
            to.extend(numbers.iter().map(|&choice| choice as i64));
        }
        Acts::Box { numbers: to, .. } => to.extend(numbers.iter().map(|&number| number as f32)),
    }
    space.check_act("action", acts.row(0))?;
    Ok(acts)
}
