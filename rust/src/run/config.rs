//! A run config: three classes by name, each with its section, checked before any work starts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::{json, Map, Value};

use super::faults::{joined, nearest, quoted, shown, unknown, Failure, Fault, Faults};
use super::{json, schema};
use crate::envs;
use crate::es::Rule;
use crate::rl::env::Env;
use crate::rl::start::Start;
use crate::search::TreeConfig;
use crate::solve::{Asked, BeamConfig, EvalConfig, Strategy, StrategyName};

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
const SECTIONS: [(&str, &str); 3] =
    [("env_cls", "env"), ("policy_cls", "policy"), ("algorithm_cls", "algorithm")];
/// Where Python has the classes of a section.
const PACKAGES: [&str; 3] = ["twisterl.envs.", "twisterl.nn.", "twisterl.rl."];
/// What a tree search goes by, which evaluations take over from AlphaZero's collection.
const TREE_RULES: [&str; 4] = ["C", "max_expand_depth", "root_selection", "gamma"];

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

/// An entry of `evals`.
#[derive(Clone, Debug)]
pub(super) struct Evaluation {
    pub(super) num_episodes: usize,
    pub(super) seed: u64,
    pub(super) start: Start,
    pub(super) freq: u64,
    pub(super) play: EvalConfig,
    /// Whether `play` is a beam whose weight of values nobody has said.
    pub(super) is_open: bool,
}

/// The section `learning`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Learning {
    pub(super) diff_threshold: f64,
    pub(super) threshold_min: Option<f64>,
    pub(super) diff_max: usize,
    pub(super) diff_step: usize,
    pub(super) warmup: usize,
    pub(super) final_diff_is_none: bool,
    pub(super) diff_metric: Option<String>,
    pub(super) num_steps: Option<u64>,
    pub(super) time_budget_s: Option<f64>,
    pub(super) patience: Option<u64>,
    #[serde(default)]
    pub(super) target_reward: Option<f64>,
}

/// The section `logging`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Logging {
    pub(super) checkpoint_freq: u64,
    pub(super) keep_last: usize,
    pub(super) keep_every: u64,
}

/// The section `training.lr_schedule`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Schedule {
    pub(super) kind: Shape,
    pub(super) num_iterations: Option<u64>,
    pub(super) final_ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    Constant,
    Linear,
    Cosine,
}

/// The section `optimizer`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Optimizer {
    pub(super) lr: f64,
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) weight_decay: f64,
    #[serde(default)]
    pub(super) amsgrad: bool,
    /// Of Evolution Strategies.
    #[serde(default)]
    pub(super) rule: Rule,
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

impl Evaluation {
    fn new(mut entry: Value) -> crate::Result<Self> {
        #[derive(Deserialize)]
        struct Episodes {
            num_episodes: usize,
            seed: u64,
            start: Start,
            freq: u64,
        }
        let fault = |error: serde_json::Error| crate::Error::invalid("entry", "an entry", error);
        let Episodes { num_episodes, seed, start, freq } =
            Episodes::deserialize(&entry).map_err(fault)?;
        if let Some(keys) = entry.as_object_mut() {
            keys.retain(|key, _| {
                !["num_episodes", "seed", "start", "freq"].contains(&key.as_str())
            });
        }
        let asked = Asked::deserialize(&entry).map_err(fault)?;
        let play = EvalConfig::try_from(asked)?;
        let is_open =
            asked.beam_value_weight.is_none() && matches!(play.strategy, Strategy::Beam(_));
        Ok(Self { num_episodes, seed, start, freq, play, is_open })
    }

    /// `play`, with this `weight` of values where the entry has left it open.
    pub(super) fn weighing(&self, play: EvalConfig, weight: Option<f32>) -> EvalConfig {
        match (play.strategy, weight) {
            (Strategy::Beam(beam), Some(value_weight)) if self.is_open => {
                EvalConfig { strategy: Strategy::Beam(BeamConfig { value_weight, ..beam }), ..play }
            }
            _ => play,
        }
    }
}

/// A class and its section, with every default and as it was given.
struct Part {
    class: String,
    section: Map<String, Value>,
    given: Value,
}

/// A section of a completed config; its schema is what the type was written from.
fn read<T: DeserializeOwned>(section: &Value) -> Result<T, Failure> {
    serde_json::from_value(section.clone())
        .map_err(|error| Failure::config("config", "algorithm", error.to_string()))
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn unsupported(got: &str, what: &str, known: &[&str]) -> String {
    format!("got {}; expected {what} of the Rust program: {}", quoted(got), known.join(", "))
}

/// The three parts of `given`, of use if there are no `faults`.
fn checked(given: &Value, faults: &mut Vec<Fault>) -> Option<[Part; 3]> {
    let Some(members) = given.as_object() else {
        faults.push(Fault::new("", format!("got {}; expected a JSON object", shown(given))));
        return None;
    };
    let known: Vec<&str> = SECTIONS.iter().flat_map(|&(kind, name)| [kind, name]).collect();
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
        super::warn(&format!(
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

/// A `diff_metric` that is none of the evaluations.
fn missing_metric(given: &Value) -> Option<Fault> {
    let evals = given["evals"].as_object().filter(|evals| !evals.is_empty())?;
    let learning = given.get("learning").cloned().unwrap_or_else(|| json!({}));
    let learning = learning.as_object()?;
    let (asked, by) = match learning.get("diff_metric") {
        Some(asked) => (asked.as_str()?, ""),
        None => ("ppo_deterministic", " by default"),
    };
    let names: Vec<&str> = evals.keys().map(String::as_str).collect();
    let expected = format!("expected a key of evals ({}), or null", names.join(", "));
    let problem = format!("got {}{by}; {expected}", quoted(asked));
    let is_missing = !evals.contains_key(asked);
    is_missing.then(|| Fault::new("algorithm.learning.diff_metric", problem))
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

/// What no key shows alone.
fn disagreements(section: &Map<String, Value>, given: &Value, class: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (rate, other) = (&section["training"]["lr"], &section["optimizer"]["lr"]);
    let is_given = given.get("optimizer").is_some_and(|optimizer| optimizer.get("lr").is_some());
    if !rate.is_null() && is_given && rate != other {
        let problem = format!("got {rate}, and optimizer.lr is {other}; give one of them");
        faults.push(Fault::new("algorithm.training.lr", problem));
    }
    for (name, entry) in members(&section["evals"]) {
        faults.extend(impossible_tree(entry, &joined("algorithm.evals", name)));
    }
    match class {
        "AZ" => faults.extend(impossible_tree(&section["collecting"], "algorithm.collecting")),
        "ES" => faults.extend(not_greedy(section)),
        _ => {}
    }
    faults
}

/// What Evolution Strategies do not have: other than greedy play, and starts that no scramble bounds.
fn not_greedy(section: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, entry) in members(&section["evals"]) {
        let is_greedy = entry["strategy"].is_null() || entry["strategy"] == "greedy";
        for (key, expected, fits) in [
            ("deterministic", "true", entry["deterministic"] == true),
            ("num_mcts_searches", "0", entry["num_mcts_searches"] == 0),
            ("strategy", "greedy", is_greedy),
        ] {
            if !fits {
                let got = shown(&entry[key]);
                let problem = format!("got {got}; expected {expected}: ES plays greedily");
                faults.push(Fault::new(joined(&joined("algorithm.evals", name), key), problem));
            }
        }
    }
    if section["learning"]["final_diff_is_none"] == true {
        let problem = "got true; expected false: ES learns from scrambled states alone";
        faults.push(Fault::new("algorithm.learning.final_diff_is_none", problem));
    }
    faults
}

/// Simulations that the engine would refuse, but only when the search begins.
fn impossible_tree(search: &Value, path: &str) -> Vec<Fault> {
    #[derive(Deserialize)]
    struct Search {
        num_mcts_searches: usize,
        max_expand_depth: usize,
        root_selection: crate::search::RootSelection,
        #[serde(default = "yes")]
        reuse: bool,
        #[serde(default)]
        strategy: Option<StrategyName>,
    }
    fn yes() -> bool {
        true
    }
    let mut faults = Vec::new();
    let Ok(read) = Search::deserialize(search) else { return faults };
    let path = joined(path, "num_mcts_searches");
    if read.strategy == Some(StrategyName::Mcts) && read.num_mcts_searches == 0 {
        let problem = "got 0; expected at least 1 with the strategy \"mcts\"";
        faults.push(Fault::new(path.as_str(), problem));
    }
    let tree = TreeConfig {
        max_expand_depth: read.max_expand_depth,
        root_selection: read.root_selection,
        reuse: read.reuse,
        ..TreeConfig::default()
    };
    let most = tree.most_simulations();
    if read.num_mcts_searches > most {
        let selection = search["root_selection"].as_str().unwrap_or_default();
        let shape = format!("with {selection} and max_expand_depth {}", read.max_expand_depth);
        let got = read.num_mcts_searches;
        let problem = format!("got {got}; expected at most {most} {shape}, for memory");
        faults.push(Fault::new(path, problem));
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

/// `given` with the keys of a command line put into it; missing sections are made.
fn overridden(mut given: Value, overrides: &[(String, Value)]) -> Result<Value, Failure> {
    for (path, value) in overrides {
        let known: Vec<&str> = SECTIONS.iter().flat_map(|&(kind, name)| [kind, name]).collect();
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
