//! How long a run is planned to be, and what its schedules make of it.

use super::config::{RunConfig, Shape};
use super::faults::Failure;

const LENGTH: &str = "algorithm.training.lr_schedule.num_iterations";

/// What the learning rate is multiplied by after a share `done` of the schedule.
pub(super) fn factor(shape: Shape, last: f64, done: f64) -> f64 {
    match shape {
        Shape::Constant => 1.0,
        Shape::Linear => last + (1.0 - last) * (1.0 - done),
        Shape::Cosine => last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
    }
}

/// The share of the schedules that is over, 0 in the first iteration, at most 1.
///
/// # Errors
/// For a schedule of no length in a run whose length is not known.
pub(super) fn share_done(
    config: &RunConfig,
    planned: Option<u64>,
    iteration: u64,
) -> Result<f64, Failure> {
    Ok(match length(config, planned)? {
        None | Some(0) => 0.0,
        Some(length) => (iteration as f64 / length as f64).min(1.0),
    })
}

/// What to say of a run to iteration `end` that outlives its schedules.
pub(super) fn beyond(
    config: &RunConfig,
    planned: Option<u64>,
    end: u64,
) -> Result<Option<String>, Failure> {
    let Some(length) = length(config, planned)?.filter(|length| end > *length) else {
        return Ok(None);
    };
    let values: Vec<String> =
        last_values(config).iter().map(|(name, value)| format!("{name} stays {value}")).collect();
    Ok(Some(format!(
        "from iteration {length} on {}, for its schedule has {length} iterations; {LENGTH} can be \
         larger",
        values.join(" and ")
    )))
}

/// Iterations of the schedules; `None` if there are none.
pub(super) fn length(config: &RunConfig, planned: Option<u64>) -> Result<Option<u64>, Failure> {
    let scheduled = last_values(config);
    if scheduled.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = scheduled.iter().map(|(name, _)| *name).collect();
    match config.schedule.num_iterations.or(planned) {
        Some(length) => Ok(Some(length)),
        None => Err(Failure::config(
            "config",
            LENGTH,
            format!(
                "got null, so that {} would need the length of the run, which is not known; \
                 expected a count, or the length as learning.num_steps or --num_steps",
                names.join(" and ")
            ),
        )),
    }
}

/// The keys whose value a schedule changes, with what it is once the schedule is over.
fn last_values(config: &RunConfig) -> Vec<(&'static str, f64)> {
    let mut values = Vec::new();
    if config.schedule.kind != Shape::Constant {
        values.push(("optimizer.lr", config.optimizer.lr * config.schedule.final_ratio));
    }
    if let Some(last) = config.algorithm["training"]["ent_coef_final"].as_f64() {
        values.push(("training.ent_coef", last));
    }
    values
}

/// Whether a run of `iteration` iterations by now is saved.
pub(super) fn is_time_to_save(config: &RunConfig, iteration: u64) -> bool {
    let (frequency, every) = (config.logging.checkpoint_freq, config.logging.keep_every);
    (frequency > 0 && (iteration - 1).is_multiple_of(frequency))
        || (every > 0 && iteration.is_multiple_of(every))
}
