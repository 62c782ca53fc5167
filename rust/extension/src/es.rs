//! Evolution Strategies from Python: conversions only.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use twisterl::engine::pool::Poll;
use twisterl::envs::puzzle::Puzzle;
use twisterl::es::{
    evaluate, step, step_described, Described, EsConfig, Generation, Settings, State,
};
use twisterl::nn::NetSpec;
use twisterl::python_interface::get_env::get_env;
use twisterl::rl::env::Env;
use twisterl::Error;

use crate::detached::detached;
use crate::keywords::one_of;
use crate::read;

/// A description in JSON, and its twists.
type Net = (String, Vec<Vec<usize>>, Vec<Vec<usize>>);
/// Both `[N]`.
type MovesAndRewards<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<f32>>);

fn puzzle(env: &dyn Env) -> PyResult<&Puzzle> {
    let found = env.as_any().downcast_ref::<Puzzle>();
    Ok(found.ok_or_else(|| Error::invalid("env", "twisterl.envs.Puzzle", "another environment"))?)
}

/// Random weights float32 `[P]` of a policy with one layer of `hidden` units, named by `seed`.
///
/// Raises ValueError if no code is compiled for the board of `env` or for `hidden`.
#[pyfunction]
pub(crate) fn es_first_weights<'py>(
    env: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = read::hidden)] hidden: usize,
    #[pyo3(from_py_with = read::seed)] seed: u64,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let state = State::new(puzzle(&*get_env(env)?)?, hidden, seed)?;
    Ok(state.weights.into_pyarray(env.py()))
}

/// The names of the parameters of `net`, a description in JSON, in the order of the weights that
/// `es_generations` takes with it. Raises ValueError if it is none.
#[pyfunction]
pub(crate) fn es_parameters(net: &str) -> PyResult<Vec<String>> {
    let parameters = NetSpec::parse(net)?.parameters();
    Ok(parameters.into_iter().map(|parameter| parameter.name).collect())
}

/// Plays `num_generations` from `generation` on with draws named by `seed`; `env` stays as it is and
/// the interpreter lock is released. `settings` is JSON as `twisterl.rl.ES` writes it.
///
/// A dictionary: `weights` and the moments of Adam, `first` and `second`, float32 `[P]`, come back
/// updated, with arrays of one number a generation: `fitness` (mean of an episode), `best_fitness`,
/// `success` and `steps`. Without `net` the environment is a board that code is compiled for; `net`, a
/// description in JSON and its twists, is any other network, which plays any environment. Raises
/// ValueError for what does not fit `env`.
#[pyfunction]
#[pyo3(signature = (env, weights, first, second, settings, seed, generation, num_generations, net=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn es_generations<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    weights: PyReadonlyArray1<'py, f32>,
    first: PyReadonlyArray1<'py, f32>,
    second: PyReadonlyArray1<'py, f32>,
    settings: &str,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::generation)] generation: u64,
    #[pyo3(from_py_with = read::num_generations)] num_generations: usize,
    net: Option<Net>,
) -> PyResult<Bound<'py, PyDict>> {
    let Settings { config, optimizer } = Settings::parse(settings)?;
    let env = get_env(env)?;
    let net = net.map(|(spec, obs_perms, act_perms)| {
        let spec = NetSpec::parse(&spec)?;
        Ok::<_, Error>(Described { spec, twists: (obs_perms, act_perms) })
    });
    let net = net.transpose()?;
    let board = net.is_none().then(|| puzzle(&*env)).transpose()?;
    let floats = |array: &PyReadonlyArray1<'py, f32>| array.as_array().to_vec();
    let mut state = State {
        weights: floats(&weights),
        first: floats(&first),
        second: floats(&second),
        generation,
    };
    let play = |poll: Poll<'_>| -> twisterl::Result<Vec<Generation>> {
        let played = |_| {
            let scores = match (board, &net) {
                (Some(board), _) => step(board, &mut state, &config, &optimizer, seed, poll)?,
                (None, Some(net)) => {
                    step_described(&*env, net, &mut state, &config, &optimizer, seed, poll)?
                }
                (None, None) => return Err(Error::invalid("net", "a description", "None")),
            };
            Ok(Generation::of(&scores, config.num_episodes))
        };
        (0..num_generations).map(played).collect()
    };
    let played = detached(py, play)?;
    let column = |value: fn(&Generation) -> f64| {
        played.iter().map(value).collect::<Vec<f64>>().into_pyarray(py)
    };
    let result = PyDict::new(py);
    result.set_item("fitness", column(|generation| generation.fitness))?;
    result.set_item("best_fitness", column(|generation| generation.best_fitness))?;
    result.set_item("success", column(|generation| generation.success))?;
    result.set_item("steps", column(|generation| generation.steps as f64))?;
    result.set_item("weights", state.weights.into_pyarray(py))?;
    result.set_item("first", state.first.into_pyarray(py))?;
    result.set_item("second", state.second.into_pyarray(py))?;
    Ok(result)
}

/// `(moves, rewards)` int32 and float32 `[N]` of `num_episodes` episodes of `env` played with
/// `weights` float32 `[P]` by the player of `settings`; -1 moves if not solved. `start` is "reset" or
/// "uniform"; `seed` names the draws. Raises ValueError for what does not fit the board of `env`.
#[pyfunction]
pub(crate) fn es_evaluate<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    weights: PyReadonlyArray1<'py, f32>,
    settings: &str,
    #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
    start: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = read::seed)] seed: u64,
) -> PyResult<MovesAndRewards<'py>> {
    let config = EsConfig { num_episodes, ..Settings::parse(settings)?.config };
    let env = get_env(env)?;
    let env = puzzle(&*env)?;
    let weights = weights.as_array().to_vec();
    let start = one_of("start", start)?;
    let played = detached(py, |poll| evaluate(env, &weights, &config, start, seed, poll))?;
    let (moves, rewards): (Vec<i32>, Vec<f32>) =
        played.iter().map(|played| (played.moves, played.reward)).unzip();
    Ok((moves.into_pyarray(py), rewards.into_pyarray(py)))
}
