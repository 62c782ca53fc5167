//! A config in its three parts, each a class with all keys of its section.

use serde_json::{json, Map, Value};

use super::disagreements::{disagreements, missing_metric};
use super::names::{keys, unsupported, SECTIONS};
use crate::envs;
use crate::run::faults::{nearest, shown, unknown, Fault};
use crate::run::{schema, warn};

/// Where Python has the classes of a section.
const PACKAGES: [&str; 3] = ["twisterl.envs.", "twisterl.nn.", "twisterl.rl."];
/// What a tree search goes by, which evaluations take over from AlphaZero's collection.
const TREE_RULES: [&str; 5] =
    ["C", "max_expand_depth", "root_selection", "gamma", "transpositions"];

/// A class and its section, with every default and as it was given.
pub(super) struct Part {
    pub(super) class: String,
    pub(super) section: Map<String, Value>,
    pub(super) given: Value,
}

/// The three parts of `given`, of use if there are no `faults`.
pub(super) fn checked(given: &Value, faults: &mut Vec<Fault>) -> Option<[Part; 3]> {
    let Some(members) = given.as_object() else {
        faults.push(Fault::new("", format!("got {}; expected a JSON object", shown(given))));
        return None;
    };
    let known = keys();
    let mut unread = Vec::new();
    for key in members.keys().filter(|key| !known.contains(&key.as_str()) && *key != "$schema") {
        match nearest(key, &known, 0.75) {
            Some(name) => {
                faults.push(Fault::new(key, format!("unknown key; did you mean {name}?")));
            }
            None => unread.push(key.as_str()),
        }
    }
    if !unread.is_empty() {
        warn(&format!(
            "config: {} is not read; the keys are {}",
            unread.join(", "),
            known.join(", ")
        ));
    }
    let parts = SECTIONS.iter().zip(PACKAGES).map(|(&(kind, name), package)| {
        let class = match members.get(kind) {
            None => Err("is missing".to_owned()),
            Some(Value::String(path)) => class_of(path, name, package),
            Some(other) => Err(format!("got {}; expected a valid string", shown(other))),
        };
        let empty = json!({});
        let given = members.get(name).unwrap_or(&empty);
        if !given.is_object() {
            let problem = format!("got {}; expected a valid object", shown(given));
            faults.push(Fault::new(name, problem));
        }
        match class {
            Ok(class) if given.is_object() => part(name, class, given, faults),
            Ok(_) => None,
            Err(problem) => {
                faults.push(Fault::new(kind, problem));
                None
            }
        }
    });
    let mut parts: Vec<Option<Part>> = parts.collect();
    Some([parts[0].take()?, parts[1].take()?, parts[2].take()?])
}

/// The short name of the class at the dotted `path`.
fn class_of(path: &str, section: &str, package: &str) -> Result<String, String> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let known = schema::names(section);
    let is_ours = known.contains(&name) && (path == name || path.starts_with(package));
    match is_ours {
        true if name == "PyEnv" => Err(unsupported(path, "an environment", &native())),
        true => Ok(name.to_owned()),
        false if !path.contains('.') => Err(unknown(path, &known, "class", "")),
        false => Err(unsupported(path, "a class", &known)),
    }
}

fn native() -> Vec<&'static str> {
    envs::ENVIRONMENTS.iter().chain(envs::TASKS).map(|entry| entry.class).collect()
}

fn part(section: &str, class: String, given: &Value, faults: &mut Vec<Fault>) -> Option<Part> {
    let described = schema::section(section, &class)?;
    let given = match section {
        "algorithm" => with_evals(given, &class),
        _ => given.clone(),
    };
    if section == "algorithm" {
        faults.extend(missing_metric(&given));
    }
    let before = faults.len();
    let completed = schema::completed(described, &given, section, faults);
    let Value::Object(mut completed) = completed else { return None };
    if faults.len() == before && section == "algorithm" {
        agree(&mut completed, &given, &class);
        faults.extend(disagreements(&completed, &given, &class));
    }
    Some(Part { class, section: completed, given })
}

/// `given`, an algorithm's section, with its evaluations and what their names say; `{}` is none.
fn with_evals(given: &Value, class: &str) -> Value {
    let mut given = given.clone();
    let by_default: Map<String, Value> =
        schema::default_evals(class).map(|name| (name.to_owned(), json!({}))).collect();
    let learning = given.get("learning").cloned().unwrap_or_else(|| json!({}));
    let evals = given.get("evals").cloned().unwrap_or(by_default.into());
    let (Value::Object(mut evals), true) = (evals, learning.is_object()) else { return given };
    if let Some(asked) = learning["diff_metric"].as_str() {
        if !evals.is_empty() && schema::evaluation(asked).is_some() {
            evals.entry(asked).or_insert_with(|| json!({}));
        }
    }
    for (name, entry) in &mut evals {
        if let (Some(Value::Object(whole)), Value::Object(own)) = (schema::evaluation(name), &entry)
        {
            let mut whole = whole.clone();
            whole.extend(own.clone());
            *entry = whole.into();
        }
    }
    given["evals"] = evals.into();
    given
}

/// Evaluations of AlphaZero search by the rules of its collection, where they do not name others.
fn agree(section: &mut Map<String, Value>, given: &Value, class: &str) {
    if class != "AZ" {
        return;
    }
    let rules = section["collecting"].clone();
    for (name, entry) in section["evals"].as_object_mut().into_iter().flatten() {
        for rule in TREE_RULES {
            if given["evals"][name].get(rule).is_none() {
                entry[rule] = rules[rule].clone();
            }
        }
    }
}
