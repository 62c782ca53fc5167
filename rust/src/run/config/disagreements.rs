//! What no key of a config shows alone.

use serde::Deserialize;
use serde_json::{json, Map, Value};

use super::names::members;
use crate::run::faults::{joined, quoted, shown, Fault};
use crate::search::{RootSelection, TreeConfig};
use crate::solve::StrategyName;

/// A `diff_metric` that is none of the evaluations.
pub(super) fn missing_metric(given: &Value) -> Option<Fault> {
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

/// Those of a completed algorithm.
pub(super) fn disagreements(
    section: &Map<String, Value>,
    given: &Value,
    class: &str,
) -> Vec<Fault> {
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
        "RandomWalk" => faults.extend(no_parities(section)),
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

/// What walks without descent need, and have no use for.
fn no_parities(section: &Map<String, Value>) -> Vec<Fault> {
    let training = &section["training"];
    if training["fit"] != "parity" {
        return Vec::new();
    }
    let mut faults = Vec::new();
    if section["collecting"]["commuting"] != true {
        let problem = "got parity; expected gradient, for collecting.commuting is false";
        faults.push(Fault::new("algorithm.training.fit", problem));
    }
    if !training["bellman_from"].is_null() {
        let problem = "expected null, for training.fit is parity";
        faults.push(Fault::new("algorithm.training.bellman_from", problem));
    }
    faults
}

/// Simulations that the engine would refuse, but only when the search begins.
fn impossible_tree(search: &Value, path: &str) -> Vec<Fault> {
    #[derive(Deserialize)]
    struct Search {
        num_mcts_searches: usize,
        max_expand_depth: usize,
        root_selection: RootSelection,
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
