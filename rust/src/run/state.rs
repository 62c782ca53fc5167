//! A run as one commit, and back: what continues it besides the config, in whatever language.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{json, Value};

use super::commits::Commit;
use super::config::{Kind, RunConfig};
use super::curriculum::{Curriculum, Metrics};
use super::faults::{joined, shown, Failure};
use super::going::{Counters, Passed, Training};
use super::policy::{weights_of, Net, Saved};
use super::tensors::{by_name, Stored, StoredTensors};
use crate::nn::safetensors::Tensors;
use crate::train::{Learner, Moment};
use crate::Error;

/// What a run hands on although the config says it too.
const DIFFICULTY: &str = "env.difficulty";
const DIFF_MAX: &str = "algorithm.learning.diff_max";
const NUM_STEPS: &str = "algorithm.learning.num_steps";
const DIFF_METRIC: &str = "algorithm.learning.diff_metric";
/// What decides which tensors a run has.
const SHAPING: [&str; 3] = ["env", "policy", "algorithm.optimizer"];
/// Metadata of weights, in JSON.
const BEAM_VALUE_WEIGHT: &str = "twisterl.beam_value_weight";
/// Torch's own, as Python counts them.
const MOST_THREADS: usize = 16;

/// The numbers of a saved run.
#[derive(Deserialize)]
struct State {
    #[serde(flatten)]
    counters: Counters,
    difficulty: usize,
    best_metrics: Option<Metrics>,
    torch_threads: u64,
    #[serde(default)]
    started_from: Option<String>,
    #[serde(default)]
    num_iterations: Option<u64>,
    #[serde(default)]
    schedule_iterations: Option<u64>,
    #[serde(default)]
    curriculum: Option<Curriculum>,
}

/// A difference of two configs: the dotted path, what was and what is.
type Changes = Vec<(String, Value, Value)>;

/// The state dict of the policy, and what a beam needs besides.
pub(super) fn weights(run: &Training) -> crate::Result<Tensors> {
    let mut tensors = Tensors::default();
    let weights = weights_of(&run.learner)?;
    if let Some(weight) = run.beam_value_weight {
        let text = json!(weight).to_string();
        tensors.metadata.insert(BEAM_VALUE_WEIGHT.to_owned(), text);
    }
    for Saved { index, name, shape } in &run.net.saved {
        let (_, values) = &weights[*index];
        if let Some((copy, _)) = run.net.copy.as_ref().filter(|(_, of)| of == name) {
            tensors.push(copy, shape.clone(), values)?;
        }
        tensors.push(name, shape.clone(), values)?;
    }
    Ok(tensors)
}

/// The weight of values in a beam that a training has chosen, as [`weights`] keeps it.
///
/// # Errors
/// For one that no beam takes.
pub(super) fn beam_value_weight(weights: &Tensors, source: &str) -> Result<Option<f32>, Failure> {
    let Some(text) = weights.metadata.get(BEAM_VALUE_WEIGHT) else { return Ok(None) };
    match text.parse::<f32>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(Some(weight)),
        _ => {
            let problem = format!("expected a number that is not negative, got {text:?}");
            Err(Failure::Folder(format!("{source}: metadata {BEAM_VALUE_WEIGHT}: {problem}")))
        }
    }
}

/// Everything that [`restore`] needs to go on as if the run had never stopped.
pub(super) fn commit_of(run: &Training) -> Result<Commit, Failure> {
    let learner = &run.learner;
    let mut optimizer = run.passed.tensors.clone();
    let descended = run.net.saved.iter().enumerate().filter(|_| learner.step() > 0);
    for (place, Saved { index, shape, .. }) in descended {
        let mut values = vec![0.0; shape.iter().product()];
        for (name, moment) in kinds(&run.config) {
            learner.get_moment(moment, *index, &mut values)?;
            let stored = Stored::of(shape.clone(), &values);
            optimizer.insert(format!("optimizer.{place}.{name}"), stored);
        }
        let step = Stored::of(Vec::new(), &[learner.step() as f32]);
        optimizer.insert(format!("optimizer.{place}.step"), step);
    }
    let moments = run.algorithm.moments().into_iter();
    optimizer.extend(moments.map(|(name, stored)| (format!("optimizer.0.{name}"), stored)));
    let memory = run.algorithm.memory().into_iter();
    optimizer.extend(memory.map(|(name, stored)| (format!("memory.{name}"), stored)));
    let Counters { iteration, total_steps, elapsed_s, num_without_improvement } = run.counters;
    let adam = &run.config.optimizer;
    let numbers: Vec<usize> = (0..run.net.saved.len()).collect();
    let group = json!({
        "lr": adam.lr, "betas": adam.betas, "eps": adam.eps,
        "weight_decay": adam.weight_decay, "amsgrad": adam.amsgrad, "params": numbers,
    });
    let groups: Vec<Value> =
        Some(group).filter(|_| run.config.kind != Kind::Es).into_iter().collect();
    let state = json!({
        "iteration": iteration,
        "total_steps": total_steps,
        "elapsed_s": elapsed_s,
        "num_without_improvement": num_without_improvement,
        "started_from": run.started_from,
        "num_iterations": run.num_iterations,
        "schedule_iterations": run.schedule_iterations,
        "difficulty": run.env.get_difficulty(),
        "curriculum": run.curriculum,
        "best_metrics": run.best,
        "torch_threads": run.passed.torch_threads.unwrap_or_else(|| torch_threads(run)),
        "versions": {"twisterl": env!("CARGO_PKG_VERSION")},
        "config": run.config.whole(),
        "optimizer": {
            "scalars": {},
            "param_groups": groups,
        },
    });
    Ok(Commit { weights: weights(run)?, optimizer, state })
}

/// The moments that the optimizer has.
fn kinds(config: &RunConfig) -> impl Iterator<Item = (&'static str, Moment)> {
    Moment::NAMED.into_iter().take(if config.optimizer.amsgrad { 3 } else { 2 })
}

fn torch_threads(run: &Training) -> u64 {
    if run.config.kind == Kind::Es {
        return 1;
    }
    let cores = run.config.algorithm["collecting"]["num_cores"].as_u64().unwrap_or(1) as usize;
    crate::engine::pool::num_workers(cores.min(MOST_THREADS)) as u64
}

/// Puts the weights of a state dict into `learner`.
///
/// # Errors
/// With every tensor that is missing, foreign or of another shape; nothing is changed.
pub(super) fn load_weights(
    net: &Net,
    learner: &mut Learner,
    weights: &Tensors,
    source: &str,
) -> Result<(), Failure> {
    let mut problems = BTreeSet::new();
    let mut known = BTreeSet::new();
    let mut values = Vec::new();
    for parameter in &net.saved {
        let copy = net.copy.as_ref().filter(|(_, of)| *of == parameter.name);
        let names = [Some(&parameter.name), copy.map(|(copy, _)| copy)];
        let found: Vec<_> =
            names.into_iter().flatten().filter_map(|name| weights.get(name)).collect();
        known.extend(names.into_iter().flatten().cloned());
        match found.as_slice() {
            [] => {
                problems.insert(format!("{} is missing", parameter.name));
            }
            [(shape, _), ..] if *shape != parameter.shape => {
                let (name, expected) = (&parameter.name, &parameter.shape);
                problems.insert(format!("{name} has shape {shape:?}; expected {expected:?}"));
            }
            [one, other] if one != other => {
                let copy = copy.map(|(copy, _)| copy.as_str()).unwrap_or_default();
                let name = &parameter.name;
                problems
                    .insert(format!("{copy} and {name} are one weight but have different values"));
            }
            [(_, of), ..] => values.push((parameter.index, *of)),
        }
    }
    for tensor in weights.iter().filter(|tensor| !known.contains(&tensor.name)) {
        problems.insert(format!("{} is not part of the policy", tensor.name));
    }
    if !problems.is_empty() {
        let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        return Err(Failure::Folder(format!("{source}: does not fit the policy:{lines}")));
    }
    values.iter().try_for_each(|(index, values)| learner.set(*index, values))?;
    Ok(())
}

/// Puts `commit` of the run at `folder` into `run`.
///
/// What belongs to the run goes on as it was. What belongs to the config is as the config says now;
/// every key that differs is told. A difficulty, its bound or a length takes effect if it differs
/// from that of the run's config, or is one of the paths `given` again.
///
/// # Errors
/// For a run of another algorithm or policy, changing nothing.
pub(super) fn restore(
    run: &mut Training,
    folder: &Path,
    commit: &Commit,
    given: &[String],
) -> Result<(), Failure> {
    let place = folder.display().to_string();
    let Commit { weights, optimizer, state } = commit;
    let read = State::deserialize(state)
        .map_err(|error| Failure::config(format!("{place}: state.json"), "", error.to_string()))?;
    let beam_value_weight = beam_value_weight(weights, &place)?;
    let now = run.config.whole();
    let mut changes = Changes::new();
    differences(&state["config"], &now, "", &mut changes);
    if let Some((_, was, is)) = changes.iter().find(|(path, ..)| path == "algorithm_cls") {
        let (was, is) = (was.as_str().unwrap_or_default(), is.as_str().unwrap_or_default());
        let text = format!("{place}: algorithm_cls: the run is one of {was}; got {is}");
        return Err(Failure::Folder(text));
    }
    let shaped = |failure: Failure| {
        let is_shaping =
            |(path, ..): &&(String, Value, Value)| SHAPING.iter().any(|s| path.starts_with(s));
        let shaping: Changes = changes.iter().filter(is_shaping).cloned().collect();
        match failure {
            Failure::Folder(text) if !shaping.is_empty() => {
                Failure::Folder(format!("{text}\nchanged since it was saved:{}", told(&shaping)))
            }
            other => other,
        }
    };
    let step = require_moments(run, optimizer, &place).map_err(shaped)?;
    let memory = optimizer.iter().filter_map(|(name, stored)| {
        Some((name.strip_prefix("memory.")?.to_owned(), stored.clone()))
    });
    let memory = by_name(memory.collect());
    run.algorithm
        .remember(&memory, &*run.env)
        .map_err(|problem| Failure::Folder(format!("{place}: memory: {problem}")))?;
    load_weights(&run.net, &mut run.learner, weights, &place).map_err(shaped)?;
    for (place, Saved { index, .. }) in run.net.saved.iter().enumerate() {
        for (name, moment) in kinds(&run.config) {
            let stored = optimizer.get(&format!("optimizer.{place}.{name}"));
            if let Some(values) = stored.and_then(Stored::values::<f32>) {
                run.learner.set_moment(moment, *index, &values)?;
            }
        }
    }
    run.algorithm.set_moments(optimizer);
    run.learner.set_step(step);
    let is_ours = |name: &str| name.starts_with("optimizer.") || name.starts_with("memory.");
    let passed = optimizer.iter().filter(|(name, _)| !is_ours(name));
    let passed = passed.map(|(name, stored)| (name.clone(), stored.clone()));
    run.passed =
        Passed { tensors: by_name(passed.collect()), torch_threads: Some(read.torch_threads) };
    run.counters = read.counters;
    run.best = read.best_metrics;
    run.beam_value_weight = beam_value_weight;
    run.started_from = read.started_from;
    let is_said = |path: &str| {
        let is_given = |given: &String| path == given || path.starts_with(&format!("{given}."));
        changes.iter().any(|(changed, ..)| changed == path) || given.iter().any(is_given)
    };
    if !is_said(NUM_STEPS) {
        run.num_iterations = read.num_iterations;
    }
    if run.counters.iteration > 0 {
        run.schedule_iterations = read.schedule_iterations;
    }
    let learning = &run.config.learning;
    if !is_said(DIFFICULTY) {
        run.env.set_difficulty(read.difficulty);
        run.curriculum = read.curriculum.unwrap_or_default();
        run.curriculum.is_unbounded &= learning.final_diff_is_none;
        if is_said(DIFF_MAX) && read.difficulty > learning.diff_max {
            run.env.set_difficulty(learning.diff_max);
        }
    }
    if !changes.is_empty() {
        let text = told(&changes);
        super::warn(&format!("{place} goes on with another config than it had:{text}"));
    }
    let (is, was) = (run.env.get_difficulty(), read.difficulty);
    if is != was {
        super::warn(&format!("{place}: goes on at difficulty {is}; it had reached {was}"));
    }
    if let Some(metric) = run.config.learning.diff_metric.as_deref() {
        if run.best.is_some() && is_judged_otherwise(metric, &changes) {
            run.best = None;
            run.counters.num_without_improvement = 0;
            super::warn(&format!("{place}: its best is found anew, as {metric} judges now"));
        }
    }
    Ok(())
}

/// Whether `changes` make what `metric` finds no match for what was found before.
fn is_judged_otherwise(metric: &str, changes: &Changes) -> bool {
    let entry = format!("algorithm.evals.{metric}.");
    changes.iter().any(|(path, ..)| {
        path == DIFF_METRIC || path.strip_prefix(&entry).is_some_and(|key| key != "freq")
    })
}

/// The steps that Adam has made; refuses what is not the optimizer's.
fn require_moments(run: &Training, tensors: &StoredTensors, place: &str) -> Result<u64, Failure> {
    let mut problems = Vec::new();
    let mut steps = BTreeSet::new();
    let saved: Vec<&String> = tensors.keys().filter(|n| n.starts_with("optimizer.")).collect();
    let mut expected = BTreeSet::new();
    let own = run.algorithm.moments();
    let scalar: &[usize] = &[];
    for (place, parameter) in run.net.saved.iter().enumerate() {
        let prefix = format!("optimizer.{place}.");
        if !saved.iter().any(|name| name.starts_with(&prefix)) {
            continue;
        }
        let moments: Vec<(&str, &[usize])> = match own.is_empty() {
            true => kinds(&run.config)
                .map(|(name, _)| (name, parameter.shape.as_slice()))
                .chain([("step", scalar)])
                .collect(),
            false => own.iter().map(|(name, of)| (name.as_str(), of.shape.as_slice())).collect(),
        };
        for (name, shape) in moments {
            let name = format!("{prefix}{name}");
            match tensors.get(&name) {
                None => problems.push(format!("{name} is missing")),
                Some(stored) if stored.kind != "F32" || stored.shape != shape => {
                    let (kind, got) = (&stored.kind, &stored.shape);
                    problems.push(format!("{name} is {kind} {got:?}; expected F32 {shape:?}"));
                }
                Some(stored) if name.ends_with(".step") => {
                    steps.extend(
                        stored.values::<f32>().unwrap_or_default().first().map(|step| *step as u64),
                    );
                }
                Some(stored) => {
                    let values = stored.values::<f32>().unwrap_or_default();
                    if values.iter().any(|value| !value.is_finite()) {
                        problems.push(format!("{name} has values that are NaN or infinite"));
                    }
                }
            }
            expected.insert(name);
        }
    }
    let foreign = saved.into_iter().filter(|name| !expected.contains(*name));
    problems.extend(foreign.map(|name| format!("{name} is not part of the optimizer")));
    if steps.len() > 1 {
        problems.push("its weights have made different numbers of steps".to_owned());
    }
    if problems.is_empty() {
        return Ok(steps.first().copied().unwrap_or(0));
    }
    let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Err(Failure::Folder(format!("{place}: does not fit the optimizer:{lines}")))
}

/// Where two configs differ; whole sections that one lacks apart.
fn differences(one: &Value, other: &Value, path: &str, found: &mut Changes) {
    let (Value::Object(a), Value::Object(b)) = (one, other) else {
        let equal = match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        };
        if !equal {
            found.push((path.to_owned(), one.clone(), other.clone()));
        }
        return;
    };
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        if !path.is_empty() || (a.contains_key(key) && b.contains_key(key)) {
            differences(&one[key], &other[key], &joined(path, key), found);
        }
    }
}

/// One line for each difference.
fn told(changes: &Changes) -> String {
    let line = |(path, was, is): &(String, Value, Value)| {
        format!("\n  {path}: {} -> {}", shown(was), shown(is))
    };
    changes.iter().map(line).collect()
}

/// Refuses weights that are not finite, named `place`.
pub(super) fn require_finite(learner: &Learner, place: &str) -> Result<(), Failure> {
    for (parameter, values) in weights_of(learner).map_err(|error: Error| Failure::from(error))? {
        let bad = values.iter().filter(|value| !value.is_finite()).count();
        if bad > 0 {
            let (name, count) = (&parameter.name, values.len());
            return Err(Failure::Diverged(format!(
                "{place}: tensor {name} has {bad} of {count} values that are NaN or infinite; \
                 expected finite ones; the weights are those of the iteration before"
            )));
        }
    }
    Ok(())
}
