//! Evaluating and solving from Python.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::get_env::get_env;
use super::nn::PyPolicy;
use super::read;
use super::run::detached;
use super::starts::starts;
use super::strategy::{eval_config, Tries};
use crate::solve::{evaluate, solve, Episode, Starts};

/// `(success rate, mean reward)` of `policy` over `num_episodes` episodes from `reset()` of `py_env`,
/// two floats. `py_env` stays as it is and the interpreter lock is released.
///
/// Each episode is the best of `num_searches` tries: of the likeliest actions if `deterministic`,
/// else drawn by (`seed`, try, episode), or of a tree search of `num_mcts_searches` simulations a move
/// with exploration `C` and `max_expand_depth`, by `num_cores` threads. `options`: `strategy`
/// ("greedy", "sample", "value", "mcts" or "beam"), `root_selection`, `gamma`, `beam_width`,
/// `beam_value_weight`, `time_limit_s`, `node_limit`, `max_episode_steps`; docs/config.md has them.
///
/// Raises ValueError for what is out of range, TypeError for an option that is none.
#[pyfunction(name = "evaluate")]
#[pyo3(signature = (py_env, policy, num_episodes, deterministic, num_searches, num_mcts_searches=0,
                    seed=0, C=1.41, max_expand_depth=1, num_cores=32, **options))]
#[allow(clippy::too_many_arguments, non_snake_case)]
fn evaluate_py(
    py: Python<'_>,
    py_env: &Bound<'_, PyAny>,
    policy: &Bound<'_, PyPolicy>,
    #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
    deterministic: bool,
    #[pyo3(from_py_with = read::num_searches)] num_searches: usize,
    #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: u64,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    C: f32,
    #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
    #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<(f32, f32)> {
    let tries = Tries { deterministic, num_searches, num_cores };
    let config = eval_config(tries, num_mcts_searches, C, max_expand_depth, options)?;
    let starts = Starts::Reset(num_episodes);
    let env = get_env(py_env)?;
    let policy = policy.get().policy.clone();
    let episodes = detached(py, |poll| evaluate(&*env, &*policy, starts, &config, seed, poll))?;
    let mean = |value: fn(&Episode) -> f64| {
        (episodes.iter().map(value).sum::<f64>() / episodes.len() as f64) as f32
    };
    Ok((
        mean(|episode| f64::from(u8::from(episode.success))),
        mean(|episode| f64::from(episode.reward)),
    ))
}

/// The best try of every episode: a dictionary of `success` bool [N], `reward` float32 [N], `length`
/// int64 [N], `nodes` int64 [N] (states given to the policy) and, if `actions`, `actions`, a list of
/// int64 arrays.
///
/// Episodes begin by `start`, "reset" or "uniform", or in each row of `states` int64 [N, S], which
/// replace `num_episodes`. `env`, `policy`, `deterministic`, `num_searches`, `seed`, `num_cores`,
/// `num_mcts_searches`, `C`, `max_expand_depth` and `options` are those of `evaluate`, errors too.
#[pyfunction]
#[pyo3(signature = (env, policy, num_episodes=100, deterministic=false, num_searches=1, seed=0,
                    num_cores=32, start="reset", states=None, actions=false, num_mcts_searches=0,
                    C=1.41, max_expand_depth=1, **options))]
#[allow(clippy::too_many_arguments, non_snake_case)]
fn evaluate_episodes<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    policy: &Bound<'py, PyPolicy>,
    #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
    deterministic: bool,
    #[pyo3(from_py_with = read::num_searches)] num_searches: usize,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
    start: &str,
    states: Option<PyReadonlyArray2<'py, i64>>,
    actions: bool,
    #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: u64,
    C: f32,
    #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let tries = Tries { deterministic, num_searches, num_cores };
    let config = eval_config(tries, num_mcts_searches, C, max_expand_depth, options)?;
    let starts = starts(states, start, num_episodes)?;
    let env = get_env(env)?;
    let policy = policy.get().policy.clone();
    let episodes = detached(py, |poll| evaluate(&*env, &*policy, starts, &config, seed, poll))?;
    let result = PyDict::new(py);
    result.set_item("success", array(py, &episodes, |episode| episode.success))?;
    result.set_item("reward", array(py, &episodes, |episode| episode.reward))?;
    result.set_item("length", array(py, &episodes, |episode| episode.len() as i64))?;
    result.set_item("nodes", array(py, &episodes, |episode| episode.nodes as i64))?;
    if actions {
        let lists = episodes.into_iter().map(|episode| episode.actions.into_pyarray(py));
        result.set_item("actions", lists.collect::<Vec<_>>())?;
    }
    Ok(result)
}

fn array<'py, T: numpy::Element>(
    py: Python<'py>,
    episodes: &[Episode],
    value: fn(&Episode) -> T,
) -> Bound<'py, PyArray1<T>> {
    episodes.iter().map(value).collect::<Vec<T>>().into_pyarray(py)
}

/// `((success, reward), actions)` of the best try from the state that `py_env` is in: 1.0 or 0.0, the
/// sum of the rewards, and a list of integers, which is the tracked solution where there is one.
///
/// `policy`, `deterministic`, `num_searches`, `num_mcts_searches`, `C`, `max_expand_depth`, `seed`,
/// `num_cores` and `options` are those of `evaluate`, errors too. Other tries draw by other seeds.
#[pyfunction(name = "solve")]
#[pyo3(signature = (py_env, policy, deterministic=false, num_searches=1, num_mcts_searches=0, C=1.41,
                    max_expand_depth=1, seed=0, num_cores=32, **options))]
#[allow(clippy::too_many_arguments, non_snake_case)]
fn solve_py(
    py: Python<'_>,
    py_env: &Bound<'_, PyAny>,
    policy: &Bound<'_, PyPolicy>,
    deterministic: bool,
    #[pyo3(from_py_with = read::num_searches)] num_searches: usize,
    #[pyo3(from_py_with = read::num_mcts_searches)] num_mcts_searches: u64,
    C: f32,
    #[pyo3(from_py_with = read::max_expand_depth)] max_expand_depth: usize,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::num_cores)] num_cores: usize,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<((f32, f32), Vec<i64>)> {
    let tries = Tries { deterministic, num_searches, num_cores };
    let config = eval_config(tries, num_mcts_searches, C, max_expand_depth, options)?;
    let env = get_env(py_env)?;
    let policy = policy.get().policy.clone();
    let episode = detached(py, |poll| solve(&*env, &*policy, &config, seed, poll))?;
    Ok(((f32::from(u8::from(episode.success)), episode.reward), episode.actions))
}

/// Adds this module's names to the submodule `collector`.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(evaluate_py, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate_episodes, module)?)?;
    module.add_function(wrap_pyfunction!(solve_py, module)?)
}
