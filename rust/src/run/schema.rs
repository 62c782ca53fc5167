//! What a config may hold: the JSON schema that is written from Python's models, read here.
//!
//! So keys, defaults and ranges stand in one place, `specs/config.schema.json`.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::faults::{joined, shown, unknown, Fault};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../specs/config.schema.json");
    serde_json::from_str(text).expect("the schema is JSON")
});

/// The longest that a run can be planned, in iterations.
pub fn most_iterations() -> u64 {
    let length = &SCHEMA["$defs"]["Learning"]["properties"]["num_steps"];
    length["anyOf"][0]["maximum"].as_u64().expect("the schema bounds the length of a run")
}

/// The section `section` of the class `name`: "env_Puzzle", say; `None` if nobody described it.
pub(super) fn section(section: &str, name: &str) -> Option<&'static Value> {
    SCHEMA["$defs"].get(format!("{section}_{name}"))
}

/// Section, key and default of what the algorithm `name` takes for updates that torch alone computes.
pub(super) fn torch_only(name: &str) -> Vec<([&'static str; 2], &'static Value)> {
    let whole = section("algorithm", name).unwrap_or(&Value::Null);
    let mut found = Vec::new();
    for part in ["training", "optimizer"] {
        let target = whole["properties"][part]["$ref"].as_str().unwrap_or_default();
        let named = target.rsplit('/').next().unwrap_or_default();
        let keys = SCHEMA["$defs"][named]["properties"].as_object().into_iter().flatten();
        let asked = keys.filter(|(_, about)| about["torch_only"] == true);
        found.extend(asked.map(|(key, about)| ([part, key.as_str()], &about["default"])));
    }
    found
}

/// What an evaluation of this name means where its entry says nothing else.
pub(super) fn evaluation(name: &str) -> Option<&'static Value> {
    SCHEMA["evaluations"].get(name)
}

/// The evaluations of a config for the algorithm `name` that names none.
pub(super) fn default_evals(name: &str) -> impl Iterator<Item = &'static str> {
    let described = section("algorithm", name).unwrap_or(&Value::Null);
    described["default_evals"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The short names of the classes of a section.
pub(super) fn names(section: &str) -> Vec<&'static str> {
    let defined = SCHEMA["$defs"].as_object().into_iter().flat_map(Map::keys);
    defined.filter_map(|key| key.strip_prefix(section)?.strip_prefix('_')).collect()
}

/// `given` with the defaults of what it lacks, at every level; what does not fit is told.
pub(super) fn completed(
    schema: &Value,
    given: &Value,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Value {
    if let Some(target) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return completed(&SCHEMA["$defs"][target], given, path, faults);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return match given {
            Value::Null => Value::Null,
            given => completed(&choices[0], given, path, faults),
        };
    }
    let problem = match schema["type"].as_str() {
        Some("object") => match given.as_object() {
            Some(members) => return object(schema, members, path, faults),
            None => Some("expected a valid object".to_owned()),
        },
        Some("array") => match given.as_array() {
            Some(items) => return array(schema, items, path, faults),
            None if schema["prefixItems"].is_array() => Some("expected a valid tuple".to_owned()),
            None => Some("expected a valid list".to_owned()),
        },
        Some("integer") if !(given.is_u64() || given.is_i64()) => Some(a("integer")),
        Some("number") if !given.is_number() => Some(a("number")),
        Some("boolean") if !given.is_boolean() => Some(a("boolean")),
        Some("string") => match (given.as_str(), schema["enum"].as_array()) {
            (Some(text), Some(names)) if !names.iter().any(|name| name == text) => {
                Some(one_of(names))
            }
            (Some(_), _) => None,
            (None, Some(names)) => Some(one_of(names)),
            (None, None) => Some(a("string")),
        },
        _ => outside(schema, given),
    };
    if let Some(problem) = problem {
        faults.push(Fault::new(path, format!("got {}; {problem}", shown(given))));
    }
    match (schema["type"].as_str(), given.as_f64()) {
        (Some("number"), Some(number)) => number.into(),
        _ => given.clone(),
    }
}

fn a(kind: &str) -> String {
    format!("expected a valid {kind}")
}

fn one_of(names: &[Value]) -> String {
    let names: Vec<String> =
        names.iter().map(|name| format!("'{}'", name.as_str().unwrap_or_default())).collect();
    match names.split_last() {
        Some((last, [])) => format!("expected {last}"),
        Some((last, rest)) => format!("expected {} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The bound that a number is beyond, in words.
fn outside(schema: &Value, given: &Value) -> Option<String> {
    let number = given.as_f64()?;
    let bound = |key: &str, words: &str, fits: fn(f64, f64) -> bool| {
        let bound = &schema[key];
        let is_beyond = match (whole(given), whole(bound)) {
            (Some(given), Some(bound)) => match key {
                "minimum" => given < bound,
                "maximum" => given > bound,
                _ => !fits(given as f64, bound as f64),
            },
            _ => !fits(number, bound.as_f64()?),
        };
        is_beyond.then(|| format!("expected {words} {}", plain(bound)))
    };
    bound("maximum", "less than or equal to", |got, most| got <= most)
        .or_else(|| bound("exclusiveMaximum", "less than", |got, end| got < end))
        .or_else(|| bound("minimum", "greater than or equal to", |got, least| got >= least))
        .or_else(|| bound("exclusiveMinimum", "greater than", |got, end| got > end))
}

/// A number that is whole, exactly.
fn whole(number: &Value) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// A bound as messages write it: without an exponent.
fn plain(bound: &Value) -> String {
    match bound.as_f64() {
        Some(number) if bound.is_f64() && number < 1e16 => number.to_string(),
        _ => bound.to_string(),
    }
}

fn array(schema: &Value, items: &[Value], path: &str, faults: &mut Vec<Fault>) -> Value {
    let count = |key: &str| schema[key].as_u64().map(|count| count as usize);
    let each = schema["prefixItems"].as_array();
    let kind = if each.is_some() { "Tuple" } else { "List" };
    let mut wrong = |bound: usize, words: &str| {
        let got = shown(&items.into());
        let text = format!("{kind} should have at {words} {bound} items after validation");
        faults.push(Fault::new(path, format!("got {got}: {text}, not {}", items.len())));
    };
    match (count("minItems"), count("maxItems")) {
        (_, Some(most)) if items.len() > most => wrong(most, "most"),
        (Some(least), _) if items.len() < least => match each {
            Some(_) => (items.len()..least)
                .for_each(|i| faults.push(Fault::new(format!("{path}[{i}]"), "is missing"))),
            None => wrong(least, "least"),
        },
        _ => {
            let item = |(i, given)| {
                let schema = each.map_or(&schema["items"], |each| &each[i]);
                completed(schema, given, &format!("{path}[{i}]"), faults)
            };
            return items.iter().enumerate().map(item).collect::<Vec<_>>().into();
        }
    }
    items.into()
}

fn object(
    schema: &Value,
    given: &Map<String, Value>,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Value {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let patterns = schema["patternProperties"].as_object();
    let is_open = schema["additionalProperties"] == true;
    let mut whole = Map::new();
    for (key, value) in given {
        let here = joined(path, key);
        match (properties.get(key), patterns.and_then(|patterns| patterns.iter().next())) {
            (Some(schema), _) => {
                whole.insert(key.clone(), completed(schema, value, &here, faults));
            }
            (None, Some((pattern, schema))) => {
                if !is_name(key) {
                    let problem = format!("String should match pattern '{pattern}'");
                    let got = shown(&key.as_str().into());
                    faults.push(Fault::new(here.as_str(), format!("got {got}: {problem}")));
                }
                whole.insert(key.clone(), completed(schema, value, &here, faults));
            }
            (None, None) if is_open => {
                whole.insert(key.clone(), value.clone());
            }
            (None, None) => {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                faults.push(Fault::new(here, unknown(key, &known, "key", path)));
            }
        }
    }
    for (key, schema) in properties.iter().filter(|(key, _)| !given.contains_key(*key)) {
        let value = match (schema.get("default"), schema.get("$ref")) {
            (Some(default), _) => default.clone(),
            (None, Some(_)) => completed(schema, &empty.clone().into(), &joined(path, key), faults),
            (None, None) if schema["type"] == "object" => empty.clone().into(),
            (None, None) => {
                faults.push(Fault::new(joined(path, key), "is missing"));
                Value::Null
            }
        };
        whole.insert(key.clone(), value);
    }
    whole.into()
}

/// What the pattern of the names of evaluations says, the only one that there is.
fn is_name(key: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || "_ .+-".contains(letter);
    (1..=64).contains(&key.chars().count()) && key.chars().all(fits)
}
