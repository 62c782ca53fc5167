//! How Python says by what means states are solved.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::choice::{not_one_of, ROOT_SELECTION};
use super::read::Argument;
use crate::error::Error;
use crate::search::{Budget, TreeConfig};
use crate::solve::{BeamConfig, EvalConfig, Strategy};

/// Used by a beam search that names no width.
const BEAM_WIDTH: usize = 64;

/// The arguments that every strategy has.
pub(super) struct Tries {
    pub deterministic: bool,
    pub num_searches: usize,
    pub num_cores: usize,
}

/// What `**options` of `evaluate`, `evaluate_episodes` and `solve` may hold.
#[derive(Default)]
struct Options {
    strategy: Option<String>,
    root_selection: Option<String>,
    gamma: Option<f32>,
    beam_width: Option<usize>,
    beam_value_weight: Option<f32>,
    time_limit_s: Option<f64>,
    node_limit: Option<usize>,
    max_episode_steps: Option<u32>,
}

impl Options {
    fn read(options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut read = Self::default();
        for (name, value) in options.into_iter().flat_map(|options| options.iter()) {
            let option = (name.extract::<&str>()?, value);
            match option.0 {
                "strategy" => read.strategy = read_option(&option)?,
                "root_selection" => read.root_selection = read_option(&option)?,
                "gamma" => read.gamma = read_option(&option)?,
                "beam_width" => read.beam_width = Argument::read("beam_width", &option.1)?,
                "beam_value_weight" => read.beam_value_weight = read_option(&option)?,
                "time_limit_s" => read.time_limit_s = read_option(&option)?,
                "node_limit" => read.node_limit = Argument::read("node_limit", &option.1)?,
                "max_episode_steps" => {
                    read.max_episode_steps = Argument::read("max_episode_steps", &option.1)?;
                }
                other => {
                    return Err(PyTypeError::new_err(format!(
                        "got an unexpected keyword argument {other:?}; expected strategy, \
                         root_selection, gamma, beam_width, beam_value_weight, time_limit_s, \
                         node_limit or max_episode_steps"
                    )))
                }
            }
        }
        Ok(read)
    }
}

/// A value that may be None; what Python says of one of another type, under the option's name.
fn read_option<'py, T>((name, value): &(&str, Bound<'py, PyAny>)) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    value.extract().map_err(|error: PyErr| {
        let py = value.py();
        PyErr::from_type(error.get_type(py), format!("{name}: {}", error.value(py)))
    })
}

/// When the work on a start ends.
pub(super) fn budget(time_limit_s: Option<f64>, node_limit: Option<usize>) -> PyResult<Budget> {
    let seconds = |seconds: f64| match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(Error::invalid("time_limit_s", "a positive number of seconds", seconds)),
    };
    let time = time_limit_s.map(seconds).transpose()?;
    Ok(Budget { nodes: node_limit.map(|most| most as u64), time })
}

/// The evaluation that the arguments describe: without a `strategy`, a tree search if
/// `num_mcts_searches` is not 0, else the policy's own actions.
pub(super) fn eval_config(
    tries: Tries,
    num_mcts_searches: u64,
    exploration: f32,
    max_expand_depth: usize,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<EvalConfig> {
    let options = Options::read(options)?;
    let searches = num_mcts_searches as usize;
    let strategy = match options.strategy.as_deref() {
        Some(strategy) => strategy,
        None if searches > 0 => "mcts",
        None if tries.deterministic => "greedy",
        None => "sample",
    };
    let root_selection =
        ROOT_SELECTION.read(options.root_selection.as_deref().unwrap_or("puct"))?;
    let tree = TreeConfig {
        num_simulations: searches,
        exploration,
        max_expand_depth,
        root_selection,
        gamma: options.gamma.unwrap_or(1.0),
        ..TreeConfig::default()
    };
    let beam = BeamConfig {
        width: options.beam_width.unwrap_or(BEAM_WIDTH),
        value_weight: options.beam_value_weight.unwrap_or(0.0),
    };
    // All that is given is checked, used or not; only a tree search needs simulations.
    TreeConfig { num_simulations: searches.max(1), ..tree }.check()?;
    beam.check()?;
    let (strategy, deterministic) = match strategy {
        "greedy" => (Strategy::Policy, true),
        "sample" => (Strategy::Policy, false),
        "mcts" => (Strategy::Mcts(tree), tries.deterministic),
        "value" => (Strategy::Value, true),
        "beam" => (Strategy::Beam(beam), true),
        other => {
            let known = "\"greedy\", \"sample\", \"value\", \"mcts\" or \"beam\"";
            return Err(not_one_of("strategy", known, other));
        }
    };
    Ok(EvalConfig {
        strategy,
        deterministic,
        num_searches: tries.num_searches,
        num_cores: tries.num_cores,
        budget: budget(options.time_limit_s, options.node_limit)?,
        max_episode_steps: options.max_episode_steps,
    })
}
