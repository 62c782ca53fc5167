//! Where episodes begin, as Python says it.

use numpy::PyReadonlyArray2;
use pyo3::prelude::*;

use super::choice::not_one_of;
use crate::collector::ppo::DifficultyDistribution;
use crate::solve::Starts;

/// What the `start` of a collection makes of the difficulties.
pub(super) fn started(start: &str, difficulties: &mut DifficultyDistribution) -> PyResult<()> {
    match start {
        "reset" => {}
        "uniform" => *difficulties = DifficultyDistribution::Unbounded,
        other => return Err(not_one_of("start", "\"reset\" or \"uniform\"", other)),
    }
    Ok(())
}

/// What `start`, `num_episodes` and the `states` that replace them mean.
pub(super) fn starts(
    states: Option<PyReadonlyArray2<'_, i64>>,
    start: &str,
    num_episodes: usize,
) -> PyResult<Starts> {
    match (states, start) {
        (Some(states), _) => {
            let rows = states.as_array().outer_iter().map(|row| row.to_vec()).collect();
            Ok(Starts::States(rows))
        }
        (None, "reset") => Ok(Starts::Reset(num_episodes)),
        (None, "uniform") => Ok(Starts::Uniform(num_episodes)),
        (None, other) => Err(not_one_of("start", "\"reset\" or \"uniform\"", other)),
    }
}
