//! Keys of a command line, put into a config.

use serde_json::{json, Value};

use super::names::keys;
use crate::run::faults::{shown, Failure};

/// `given` with the keys of a command line put into it; missing sections are made.
pub(super) fn overridden(
    mut given: Value,
    overrides: &[(String, Value)],
) -> Result<Value, Failure> {
    for (path, value) in overrides {
        let known = keys();
        let path = match path.as_str() {
            "algorithm.training.lr" => "algorithm.optimizer.lr",
            path => path,
        };
        let refused = |problem: String| Failure::config("command line", path, problem);
        if !known.contains(&path.split('.').next().unwrap_or_default()) {
            return Err(refused(format!("unknown key; known: {}", known.join(", "))));
        }
        let mut target = &mut given;
        for key in path.split('.') {
            let text = shown(target);
            let Some(members) = target.as_object_mut() else {
                return Err(refused(format!("leads through {text}, which has no keys")));
            };
            target = members.entry(key).or_insert_with(|| json!({}));
        }
        *target = value.clone();
    }
    Ok(given)
}
