//! What an environment is built from: named values, checked against what it declares.

use serde_json::{json, Map, Value};

use crate::error::{Error, Result};

/// A declared parameter.
///
/// Python's config models, the stubs and the pages of the keys are written from these declarations
/// by `python -m twisterl.listed`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    /// What it means, in a few words.
    pub about: &'static str,
}

/// What values a parameter takes, and which one if none is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// From `min` to `max`, both included.
    Integer {
        min: u32,
        max: u32,
        default: u32,
    },
    /// From `min` to `max`, both included.
    Number {
        min: f64,
        max: f64,
        default: f64,
    },
    Boolean {
        default: bool,
    },
    Choice {
        names: &'static [&'static str],
        default: &'static str,
    },
    /// A list of natural numbers, or null, which is the default.
    Numbers,
    /// A list of pairs of natural numbers, or null, which is the default.
    Pairs,
}

impl Parameter {
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, about }
    }

    pub const fn integer(
        name: &'static str,
        min: u32,
        max: u32,
        default: u32,
        about: &'static str,
    ) -> Self {
        Self::new(name, Kind::Integer { min, max, default }, about)
    }

    pub const fn boolean(name: &'static str, default: bool, about: &'static str) -> Self {
        Self::new(name, Kind::Boolean { default }, about)
    }

    fn default(&self) -> Value {
        match self.kind {
            Kind::Integer { default, .. } => default.into(),
            Kind::Number { default, .. } => default.into(),
            Kind::Boolean { default } => default.into(),
            Kind::Choice { default, .. } => default.into(),
            Kind::Numbers | Kind::Pairs => Value::Null,
        }
    }

    /// The declaration as a JSON value, as specs/envs have it, with the name and what it means.
    pub fn declaration(&self) -> Value {
        let mut declared = match self.kind {
            Kind::Integer { min, max, .. } => json!({"type": "int", "min": min, "max": max}),
            Kind::Number { min, max, .. } => json!({"type": "float", "min": min, "max": max}),
            Kind::Boolean { .. } => json!({"type": "bool"}),
            Kind::Choice { names, .. } => json!({"type": "choice", "names": names}),
            Kind::Numbers => json!({"type": "numbers"}),
            Kind::Pairs => json!({"type": "pairs"}),
        };
        declared["name"] = self.name.into();
        declared["default"] = self.default();
        declared["about"] = self.about.into();
        declared
    }

    fn accepts(&self, value: &Value) -> bool {
        let pair = |value: &Value| natural_numbers(value).is_some_and(|pair| pair.len() == 2);
        match self.kind {
            Kind::Integer { min, max, .. } => {
                value.as_u64().is_some_and(|n| (u64::from(min)..=u64::from(max)).contains(&n))
            }
            Kind::Number { min, max, .. } => {
                value.as_f64().is_some_and(|n| (min..=max).contains(&n))
            }
            Kind::Boolean { .. } => value.is_boolean(),
            Kind::Choice { names, .. } => value.as_str().is_some_and(|name| names.contains(&name)),
            Kind::Numbers => value.is_null() || natural_numbers(value).is_some(),
            Kind::Pairs => {
                value.is_null() || value.as_array().is_some_and(|pairs| pairs.iter().all(pair))
            }
        }
    }

    /// What [`Parameter::accepts`], in words.
    fn expected(&self) -> String {
        match self.kind {
            Kind::Integer { min, max, .. } => format!("an integer in {min}..={max}"),
            Kind::Number { min, max, .. } => format!("a number from {min} to {max}"),
            Kind::Boolean { .. } => "true or false".to_owned(),
            Kind::Choice { names, .. } => format!("one of {}", names.join(", ")),
            Kind::Numbers => "a list of natural numbers".to_owned(),
            Kind::Pairs => "a list of pairs of natural numbers".to_owned(),
        }
    }
}

fn natural_numbers(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
}

/// A value for every declared parameter.
///
/// Reading one that was not declared, or as another kind, is a bug of the environment: a panic.
#[derive(Clone, Debug)]
pub struct Parameters(Map<String, Value>);

impl Parameters {
    /// `given`, with the defaults of what is missing.
    ///
    /// # Errors
    /// If a name is not declared or a value not accepted.
    pub fn new(declared: &[Parameter], given: &Map<String, Value>) -> Result<Self> {
        let names = || declared.iter().map(|parameter| parameter.name).collect::<Vec<_>>();
        if let Some(name) = given.keys().find(|name| !names().contains(&name.as_str())) {
            return Err(Error::invalid(
                "parameter",
                format!("one of {}", names().join(", ")),
                name,
            ));
        }
        let mut values = Map::new();
        for parameter in declared {
            let value = given.get(parameter.name).cloned().unwrap_or_else(|| parameter.default());
            if !parameter.accepts(&value) {
                return Err(Error::invalid(parameter.name, parameter.expected(), value));
            }
            values.insert(parameter.name.to_owned(), value);
        }
        Ok(Self(values))
    }

    /// All of them by name.
    pub fn values(&self) -> &Map<String, Value> {
        &self.0
    }

    /// [`Parameters::values`], the difficulty as it is by now.
    pub fn at_difficulty(&self, difficulty: usize) -> Map<String, Value> {
        let mut values = self.0.clone();
        values.insert("difficulty".to_owned(), difficulty.into());
        values
    }

    pub fn integer(&self, name: &str) -> usize {
        self.0[name].as_u64().and_then(|n| usize::try_from(n).ok()).expect("an integer parameter")
    }

    pub fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().expect("a number parameter")
    }

    pub fn boolean(&self, name: &str) -> bool {
        self.0[name].as_bool().expect("a boolean parameter")
    }

    pub fn choice(&self, name: &str) -> &str {
        self.0[name].as_str().expect("a choice parameter")
    }

    /// `None` if it was not given.
    pub fn numbers(&self, name: &str) -> Option<Vec<usize>> {
        natural_numbers(&self.0[name])
    }

    /// `None` if it was not given.
    pub fn pairs(&self, name: &str) -> Option<Vec<(usize, usize)>> {
        let pair = |value: &Value| natural_numbers(value).map(|pair| (pair[0], pair[1]));
        self.0[name].as_array()?.iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: [Parameter; 6] = [
        Parameter::integer("side", 2, 16, 3, "cells"),
        Parameter::new("density", Kind::Number { min: 0.0, max: 0.5, default: 0.25 }, "a share"),
        Parameter::boolean("forbid", true, "whether"),
        Parameter::new("metric", Kind::Choice { names: &["a", "b"], default: "b" }, "which"),
        Parameter::new("cells", Kind::Numbers, "some"),
        Parameter::new("edges", Kind::Pairs, "some"),
    ];

    fn parse(given: Value) -> Result<Parameters> {
        Parameters::new(&DECLARED, given.as_object().unwrap())
    }

    #[test]
    fn what_is_missing_takes_its_default() {
        let parameters = parse(json!({"edges": [[0, 1], [1, 2]]})).unwrap();
        assert_eq!(parameters.integer("side"), 3);
        assert_eq!(parameters.number("density"), 0.25);
        assert!(parameters.boolean("forbid"));
        assert_eq!(parameters.choice("metric"), "b");
        assert_eq!(parameters.numbers("cells"), None);
        assert_eq!(parameters.pairs("edges"), Some(vec![(0, 1), (1, 2)]));
    }

    #[test]
    fn bad_values_are_named() {
        for (given, said) in [
            (json!({"side": 1}), "side: expected an integer in 2..=16, got 1"),
            (json!({"side": 3.0}), "side: expected an integer in 2..=16, got 3.0"),
            (json!({"density": 0.6}), "density: expected a number from 0 to 0.5, got 0.6"),
            (json!({"forbid": 1}), "forbid: expected true or false, got 1"),
            (json!({"metric": "c"}), "metric: expected one of a, b, got \"c\""),
            (json!({"cells": [-1]}), "cells: expected a list of natural numbers, got [-1]"),
            (json!({"edges": [[1]]}), "edges: expected a list of pairs of natural numbers"),
            (json!({"sides": 3}), "parameter: expected one of side, density, forbid"),
        ] {
            let error = parse(given).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
