//! Evaluating and solving from Python.

use std::sync::Arc;

use numpy::{IntoPyArray, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde::{Deserialize, Serialize};
use twisterl::collector::Span;
use twisterl::engine::preparing::preparing;
use twisterl::engine::try_out;
use twisterl::nn::Policy;
use twisterl::python_interface::error::wrong_type;
use twisterl::python_interface::get_env::get_env;
use twisterl::rl::start::Start;
use twisterl::solve::{
    choose_beam_weight, evaluate, evaluate_alone, solve, solve_alone, Asked, Episode, EvalConfig,
    Starts, Strategy,
};

use crate::columns::array;
use crate::detached::detached;
use crate::keywords::{function, Given};
use crate::run::Seed;

/// `(success rate, mean reward)`.
type Means = (f32, f32);

/// Which episodes are evaluated, and what is told of them.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Episodes {
    num_episodes: usize,
    start: Start,
    actions: bool,
}

impl Default for Episodes {
    fn default() -> Self {
        Self { num_episodes: 100, start: Start::Reset, actions: false }
    }
}

function! {
/// `(success rate, mean reward)` of `policy` over `num_episodes` episodes from `reset()` of `py_env`,
/// two floats. `py_env` stays as it is and the interpreter lock is released.
///
/// Each episode is the best of `num_searches` tries: of the likeliest actions if `deterministic`,
/// else drawn by (`seed`, try, episode), or of a tree search of `num_mcts_searches` simulations a move
/// with exploration `C` and `max_expand_depth`, by `num_cores` threads. `options`: `strategy`
/// ("greedy", "sample", "value", "mcts", "beam", "patterns" or "optimal"), `root_selection`, `gamma`,
/// `transpositions`, `beam_width`, `beam_value_weight`, `beam_views`, `goal_table_bytes`, `pattern_bytes`,
/// `pattern_boards`, `precision`, `time_limit_s`, `node_limit`, `max_episode_steps`; docs/config.md has them.
///
/// Raises ValueError for what is out of range, TypeError for an option that is none.
    evaluate_py, "evaluate",
    "(py_env, policy, num_episodes, deterministic, num_searches, num_mcts_searches=0, seed=0, C=1.41, max_expand_depth=1, num_cores=32, **options)",
    |py, given| {
        let (env, policy) = (given.required("py_env")?, given.policy_of_many()?);
        let (Seed { seed }, Episodes { num_episodes, .. }) = (given.read()?, given.read()?);
        let config = EvalConfig::try_from(given.rest::<Asked>()?)?;
        let starts = Starts::of(Start::Reset, num_episodes)?;
        let env = get_env(&env)?;
        let episodes = detached(py, |poll| evaluate(&*env, &*policy, starts, &config, seed, poll))?;
        Ok(Episode::means(&episodes))
    } => Means
}

/// `(what, share)` of the work that a search prepares itself by, in any thread of the process: a string and
/// a float from 0 to 1, or None.
#[pyfunction(name = "preparing")]
pub(crate) fn preparing_py() -> Option<(&'static str, f64)> {
    let now = preparing()?;
    Some((now.what, now.done as f64 / now.total.max(1) as f64))
}

/// Resets a lane of `env`, which stays as it is, and moves it by the first action that is legal, as
/// collecting does.
///
/// Raises TypeError or ValueError for an answer that is none, and what the environment raises.
#[pyfunction(name = "try_out")]
pub(crate) fn try_out_py(py: Python<'_>, env: &Bound<'_, PyAny>) -> PyResult<()> {
    let env = get_env(env)?;
    detached(py, |_| try_out(&*env))
}

function! {
/// The best try of every episode: a dictionary of `success` bool [N], `reward` float32 [N], `length`
/// int64 [N], `nodes` int64 [N] (states given to the policy) and, if `actions`, `actions`, a list of
/// int64 arrays; with `goal_table_bytes` or by "optimal" also `at_least` int64 [N], no fewer actions being
/// enough. By "patterns" and "optimal" `policy` may be None.
///
/// Episodes begin by `start`, "reset" or "uniform", or in each row of `states` int64 [N, S], which
/// replace `num_episodes`; of all these, the `count` from number `first` on are played, which end as
/// they do among all. `env`, `policy`, `deterministic`, `num_searches`, `seed`, `num_cores`,
/// `num_mcts_searches`, `C`, `max_expand_depth` and `options` are those of `evaluate`, errors too.
    evaluate_episodes, "evaluate_episodes",
    "(env, policy, num_episodes=100, deterministic=False, num_searches=1, seed=0, num_cores=32, start=\"reset\", states=None, actions=False, first=0, count=None, num_mcts_searches=0, C=1.41, max_expand_depth=1, **options)",
    |py, given| {
        let (env, policy) =
            (given.required("env")?, given.policy_or_none(Given::policy_of_many)?);
        let states = given.take("states")?;
        let (Seed { seed }, Episodes { num_episodes, start, actions }) =
            (given.read()?, given.read()?);
        let span: Span = given.read()?;
        let config = EvalConfig::try_from(given.rest::<Asked>()?)?;
        let mut starts = starts(states.as_ref(), start, num_episodes)?;
        if !starts.is_empty() {
            let range = span.of(starts.len() as u64)?;
            starts = starts.part(range.start as usize, (range.end - range.start) as usize)?;
        }
        let player = player(policy.as_ref(), &config, py)?;
        let env = get_env(&env)?;
        let episodes = detached(py, |poll| match player {
            Some(policy) => evaluate(&*env, policy, starts, &config, seed, poll),
            None => evaluate_alone(&*env, starts, &config, seed, poll),
        })?;
        let result = PyDict::new(py);
        result.set_item("success", array(py, &episodes, |episode| episode.success))?;
        result.set_item("reward", array(py, &episodes, |episode| episode.reward))?;
        result.set_item("length", array(py, &episodes, |episode| episode.len() as i64))?;
        result.set_item("nodes", array(py, &episodes, |episode| episode.nodes as i64))?;
        if config.goal_table_bytes > 0 || config.strategy == Strategy::Optimal {
            result.set_item("at_least", array(py, &episodes, |episode| episode.at_least as i64))?;
        }
        if actions {
            let lists = episodes.into_iter().map(|episode| episode.actions.into_pyarray(py));
            result.set_item("actions", lists.collect::<Vec<_>>())?;
        }
        Ok(result)
    } => Bound<'py, PyDict>
}

/// Which boards a weight is tried on.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Boards {
    num_episodes: usize,
    start: Start,
}

impl Default for Boards {
    fn default() -> Self {
        Self { num_episodes: 64, start: Start::Reset }
    }
}

function! {
/// The `beam_value_weight` by which `policy` solves the most of `num_episodes` boards, at most 64, and
/// those by the fewest moves, a float; the smallest of equals.
///
/// Boards of `env`, which stays as it is, begin by `start` and are drawn by `seed`, but are those of no
/// collection or evaluation. The beam is that of `options` ("beam_width", "beam_views", ..), which are
/// those of `evaluate`; it is at most 64 wide and has no limit of time. `num_cores` changes nothing.
///
/// Raises ValueError for what is out of range or no beam, TypeError for an option that is none.
    choose_beam_weight_py, "choose_beam_weight",
    "(env, policy, num_episodes=64, seed=0, num_cores=32, start=\"reset\", **options)",
    |py, given| {
        let (env, policy) = (given.required("env")?, given.policy()?);
        let (Seed { seed }, Boards { num_episodes, start }) = (given.read()?, given.read()?);
        let config = EvalConfig::try_from(given.rest::<Asked>()?)?;
        let env = get_env(&env)?;
        let boards = (start, num_episodes);
        detached(py, |poll| choose_beam_weight(&*env, &*policy, boards, &config, seed, poll))
    } => f32
}

function! {
/// `((success, reward), actions)` of the best try from the state that `py_env` is in: 1.0 or 0.0, the
/// sum of the rewards, and a list of integers, which is the tracked solution where there is one.
///
/// `policy`, `deterministic`, `num_searches`, `num_mcts_searches`, `C`, `max_expand_depth`, `seed`,
/// `num_cores` and `options` are those of `evaluate`, errors too. Other tries draw by other seeds.
    solve_py, "solve",
    "(py_env, policy, deterministic=False, num_searches=1, num_mcts_searches=0, C=1.41, max_expand_depth=1, seed=0, num_cores=32, **options)",
    |py, given| {
        let (env, policy) = (given.required("py_env")?, given.policy_or_none(Given::policy)?);
        let Seed { seed } = given.read()?;
        let config = EvalConfig::try_from(given.rest::<Asked>()?)?;
        let player = player(policy.as_ref(), &config, py)?;
        let env = get_env(&env)?;
        let episode = detached(py, |poll| match player {
            Some(policy) => solve(&*env, policy, &config, seed, poll),
            None => solve_alone(&*env, &config, seed, poll),
        })?;
        Ok(((f32::from(u8::from(episode.success)), episode.reward), episode.actions))
    } => (Means, Vec<i64>)
}

/// `policy`, where the strategy needs one.
fn player<'a>(
    policy: Option<&'a Arc<dyn Policy>>,
    config: &EvalConfig,
    py: Python<'_>,
) -> PyResult<Option<&'a dyn Policy>> {
    if policy.is_none() && config.strategy.needs_policy() {
        let none = py.None().into_bound(py);
        return Err(wrong_type("policy", "a policy of the engine, of to_rust()", &none));
    }
    Ok(policy.map(|policy| &**policy))
}

/// What `start`, `num_episodes` and the int64 `[N, S]` `states` that replace them mean.
pub(crate) fn starts(
    states: Option<&Bound<'_, PyAny>>,
    start: Start,
    num_episodes: usize,
) -> PyResult<Starts> {
    match states.filter(|states| !states.is_none()) {
        Some(states) => {
            let states: PyReadonlyArray2<'_, i64> = states.extract()?;
            Ok(Starts::States(states.as_array().outer_iter().map(|row| row.to_vec()).collect()))
        }
        None => Ok(Starts::of(start, num_episodes)?),
    }
}
