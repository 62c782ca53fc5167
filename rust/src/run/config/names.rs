//! What a config calls its parts.

use serde_json::Value;

use crate::run::faults::quoted;

/// Of the classes, and of their sections.
pub(super) const SECTIONS: [(&str, &str); 3] =
    [("env_cls", "env"), ("policy_cls", "policy"), ("algorithm_cls", "algorithm")];

/// The keys of a config.
pub(super) fn keys() -> Vec<&'static str> {
    SECTIONS.iter().flat_map(|&(kind, name)| [kind, name]).collect()
}

pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub(super) fn unsupported(got: &str, what: &str, known: &[&str]) -> String {
    format!("got {}; expected {what} of the Rust program: {}", quoted(got), known.join(", "))
}
