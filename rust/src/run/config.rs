//! A run config: three classes by name, each with its section, checked before any work starts.

mod disagreements;
mod names;
mod overrides;
mod parts;
mod sections;

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{json, Map, Value};

use super::faults::{joined, shown, Failure, Fault, Faults};
use super::{json, schema};
use crate::envs;
use crate::rl::env::Env;
use names::{members, unsupported, SECTIONS};
use overrides::overridden;
use parts::{checked, Part};
use sections::read;
pub(super) use sections::{Evaluation, Learning, Logging, Optimizer, Schedule, Shape};

/// The algorithms that this program trains by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ppo,
    Az,
    RandomWalk,
    Es,
}

/// Names of classes in configs.
const KINDS: [(&str, Kind); 4] =
    [("PPO", Kind::Ppo), ("AZ", Kind::Az), ("RandomWalk", Kind::RandomWalk), ("ES", Kind::Es)];

/// A run config that was checked, with every default.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// As it was given.
    pub(super) text: Vec<u8>,
    /// Short names of the classes.
    pub(super) classes: [String; 3],
    pub(super) env: Map<String, Value>,
    pub(super) policy: Map<String, Value>,
    pub(super) algorithm: Map<String, Value>,
    pub(super) kind: Kind,
    pub(super) seed: u64,
    pub(super) evals: BTreeMap<String, Evaluation>,
    pub(super) learning: Learning,
    pub(super) logging: Logging,
    pub(super) schedule: Schedule,
    pub(super) optimizer: Optimizer,
}

impl RunConfig {
    /// The config in the file at `path`, with `overrides`, dotted keys and values, put into it.
    ///
    /// # Errors
    /// With every fault of it.
    pub fn read(path: &Path, overrides: &[(String, Value)]) -> Result<Self, Failure> {
        let source = path.display().to_string();
        let content = json::read_bytes(path)?;
        let given = json::parse(&content, &source)?;
        if overrides.is_empty() {
            return Self::new(given, content, &source);
        }
        let given = overridden(given, overrides)?;
        let text = json::to_text(&given).into_bytes();
        Self::new(given, text, &source)
    }

    /// The config in `text`, JSON.
    ///
    /// # Errors
    /// With every fault of it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::new(json::parse(text.as_bytes(), "config")?, text.as_bytes().to_vec(), "config")
    }

    fn new(given: Value, text: Vec<u8>, source: &str) -> Result<Self, Failure> {
        let mut faults = Vec::new();
        let checked = checked(&given, &mut faults);
        match checked {
            Some([env, policy, algorithm]) if faults.is_empty() => {
                Self::typed(text, [env, policy, algorithm], source)
            }
            _ => Err(Faults { source: source.to_owned(), faults }.into()),
        }
    }

    /// The sections as the engine takes them.
    fn typed(text: Vec<u8>, parts: [Part; 3], source: &str) -> Result<Self, Failure> {
        let [env, policy, algorithm] = parts;
        let mut faults = Vec::new();
        let Some(&(_, kind)) = KINDS.iter().find(|(name, _)| *name == algorithm.class) else {
            let problem = unsupported(&algorithm.class, "an algorithm", &KINDS.map(|(n, _)| n));
            return Err(Failure::config(source, "algorithm_cls", problem));
        };
        let of = &algorithm.section;
        faults.extend(lacking(&algorithm, &policy));
        let evals: BTreeMap<String, Evaluation> = members(&of["evals"])
            .filter_map(|(name, entry)| match Evaluation::new(entry.clone()) {
                Ok(evaluation) => Some((name.clone(), evaluation)),
                Err(error) => {
                    let path = joined("algorithm.evals", name);
                    faults.push(Fault::new(path, error.to_string()));
                    None
                }
            })
            .collect();
        if !faults.is_empty() {
            return Err(Faults { source: source.to_owned(), faults }.into());
        }
        let mut section = of.clone();
        if let Some(collecting) = section["collecting"].as_object_mut() {
            collecting.remove("workers");
        }
        let training = section["training"].as_object_mut();
        let alias = training.and_then(|training| training.remove("lr")).unwrap_or_default();
        if !alias.is_null() {
            section["optimizer"]["lr"] = alias;
        }
        let is_task = envs::TASKS.iter().any(|entry| entry.class == env.class);
        let truncation = section["collecting"].get_mut("truncation");
        if let Some(truncation) = truncation.filter(|_| is_task) {
            if algorithm.given["collecting"]["truncation"].is_null() {
                // What is cut off has a future there.
                *truncation = "bootstrap".into();
            }
        }
        if evals.is_empty() {
            section["learning"]["diff_metric"] = Value::Null;
        }
        let optimizer = read(&section["optimizer"])?;
        // What was left out is not written, as Python does not: another optimizer has other keys.
        let given = &algorithm.given["optimizer"];
        let keys = section["optimizer"].as_object_mut();
        keys.into_iter()
            .for_each(|keys| keys.retain(|key, _| key == "lr" || !given[key].is_null()));
        section.insert("device".to_owned(), "cpu".into());
        section.insert("policy".to_owned(), kept_policy(&section["policy"]));
        let mut arguments = policy.section;
        arguments.remove("device");
        Ok(Self {
            text,
            classes: [env.class, policy.class, algorithm.class],
            env: env.section,
            policy: arguments,
            kind,
            seed: read(&section["seed"])?,
            evals,
            learning: read(&section["learning"])?,
            logging: read(&section["logging"])?,
            schedule: read(&section["training"]["lr_schedule"])?,
            optimizer,
            algorithm: section,
        })
    }

    /// A new environment of the config.
    ///
    /// # Errors
    /// If its parameters do not fit each other.
    pub fn make_env(&self) -> Result<Box<dyn Env>, Failure> {
        envs::find(&self.classes[0])
            .and_then(|entry| entry.make(&self.env))
            .map_err(|error| Failure::config("config", "env", error.to_string()))
    }

    /// The whole config, classes by their short names, as commits keep it.
    pub(super) fn whole(&self) -> Value {
        let sections = [&self.env, &self.policy, &self.algorithm];
        let mut whole = Map::new();
        for (((kind, name), class), section) in SECTIONS.iter().zip(&self.classes).zip(sections) {
            whole.insert((*kind).to_owned(), class.as_str().into());
            whole.insert((*name).to_owned(), section.clone().into());
        }
        whole.into()
    }

    /// The section `collecting`, `training` or another one of the algorithm's, as `T`.
    pub(super) fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        read(&self.algorithm[name])
    }

    /// The config with all defaults of its algorithm, and the rest as it was given.
    pub fn resolved(&self) -> Value {
        let mut resolved = serde_json::from_slice(&self.text).unwrap_or_else(|_| self.whole());
        resolved["algorithm"] = self.algorithm.clone().into();
        resolved
    }
}

/// What the config asks for that this program lacks.
fn lacking(algorithm: &Part, policy: &Part) -> Vec<Fault> {
    let mut faults = Vec::new();
    let of = &algorithm.section;
    // Evolution Strategies have no engine to choose.
    if of.get("engine").is_some_and(|engine| engine == "torch") {
        let problem = "got \"torch\"; expected auto or rust: this program is without torch";
        faults.push(Fault::new("algorithm.engine", problem));
    }
    for (key, default) in schema::torch_only(&algorithm.class) {
        let got = &of[key[0]][key[1]];
        if got != default && !got.is_null() {
            let problem = format!(
                "got {}; expected {}: this program is without torch, which alone has it",
                shown(got),
                shown(default)
            );
            faults.push(Fault::new(format!("algorithm.{}.{}", key[0], key[1]), problem));
        }
    }
    if !of["collecting"]["workers"].is_null() {
        let problem = "expected null: this program plays on one machine";
        faults.push(Fault::new("algorithm.collecting.workers", problem));
    }
    let device = [&of["device"], &policy.section["device"]];
    match device.into_iter().find(|device| !device.is_null()) {
        Some(device) if device != "cpu" => {
            let problem = format!("got {}; expected cpu or null", shown(device));
            faults.push(Fault::new("algorithm.device", problem));
        }
        _ => {}
    }
    faults
}

/// The key `policy` of an algorithm, which is kept and not read, with the defaults of 0.5.
fn kept_policy(given: &Value) -> Value {
    let mut whole = json!({
        "embedding_size": 512, "common_layers": [256], "policy_layers": [], "value_layers": [],
    });
    if let (Some(whole), Some(given)) = (whole.as_object_mut(), given.as_object()) {
        whole.extend(given.clone());
    }
    whole
}
