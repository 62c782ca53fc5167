//! Evolution Strategies from Python: conversions only.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use twisterl::engine::pool::Poll;
use twisterl::envs::puzzle::Puzzle;
use twisterl::es::{evaluate, Described, EsConfig, Evolving, Generation, Score, Settings, State};
use twisterl::nn::NetSpec;
use twisterl::python_interface::get_env::get_env;
use twisterl::rl::env::Env;
use twisterl::Error;

use crate::detached::detached;
use crate::keywords::one_of;
use crate::read;

/// A description in JSON, and its twists.
type Net = (String, Vec<Vec<usize>>, Vec<Vec<usize>>);
/// Fitness, solved and steps, `[M]`.
type Scores<'py> =
    (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);
type ReadScores<'py> =
    (PyReadonlyArray1<'py, f32>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);
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
    let net = net.map(described).transpose()?;
    let evolving = evolving(&*env, net.as_ref())?;
    let mut state = state(weights, first, second, generation);
    let play = |poll: Poll<'_>| -> twisterl::Result<Vec<Generation>> {
        let played = |_| {
            let scores = evolving.step(&mut state, &config, &optimizer, seed, poll)?;
            Ok(Generation::of(&scores, config.num_episodes))
        };
        (0..num_generations).map(played).collect()
    };
    let played = detached(py, play)?;
    generations(py, &played, state)
}

fn described((spec, obs_perms, act_perms): Net) -> PyResult<Described> {
    Ok(Described { spec: NetSpec::parse(&spec)?, twists: (obs_perms, act_perms) })
}

fn evolving<'a>(env: &'a dyn Env, net: Option<&'a Described>) -> PyResult<Evolving<'a>> {
    match net {
        Some(net) => Ok(Evolving::Described(env, net)),
        None => Ok(Evolving::Board(puzzle(env)?)),
    }
}

fn state(
    weights: PyReadonlyArray1<'_, f32>,
    first: PyReadonlyArray1<'_, f32>,
    second: PyReadonlyArray1<'_, f32>,
    generation: u64,
) -> State {
    let [weights, first, second] = [weights, first, second].map(|a| a.as_array().to_vec());
    State { weights, first, second, generation }
}

/// What `es_generations` tells of the `played` ones, which left `state`.
fn generations<'py>(
    py: Python<'py>,
    played: &[Generation],
    state: State,
) -> PyResult<Bound<'py, PyDict>> {
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

/// `(fitness, solved, steps)` float32, int64 and int64 `[2 * count]` of the members of the `count` pairs
/// from number `first` on: what they reach in the whole generation.
///
/// `env`, `weights`, `settings`, `seed`, `generation` and `net` are those of `es_generations`. Raises
/// ValueError too if there are no such pairs.
#[pyfunction]
#[pyo3(signature = (env, weights, settings, seed, generation, first, count, net=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn es_scores<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    weights: PyReadonlyArray1<'py, f32>,
    settings: &str,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::generation)] generation: u64,
    #[pyo3(from_py_with = read::first)] first: u64,
    #[pyo3(from_py_with = read::count)] count: usize,
    net: Option<Net>,
) -> PyResult<Scores<'py>> {
    let Settings { config, .. } = Settings::parse(settings)?;
    let env = get_env(env)?;
    let net = net.map(described).transpose()?;
    let evolving = evolving(&*env, net.as_ref())?;
    let state = State { generation, ..State::of(weights.as_array().to_vec()) };
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let pairs = first..first.saturating_add(count);
    let scores = detached(py, |poll| evolving.scores(&state, &config, pairs, seed, poll))?;
    let fitness: Vec<f32> = scores.iter().map(|score| score.fitness).collect();
    let integers = |value: fn(&Score) -> usize| {
        scores.iter().map(|score| value(score) as i64).collect::<Vec<i64>>().into_pyarray(py)
    };
    Ok((fitness.into_pyarray(py), integers(|score| score.solved), integers(|score| score.steps)))
}

/// Ends a generation whose members reached `scores`, which `es_scores` tells of all its pairs.
///
/// `env`, `weights`, `first`, `second`, `settings`, `seed`, `generation`, `net` and the result are those of
/// `es_generations` for one generation. Raises ValueError too for scores that are not of all members.
#[pyfunction]
#[pyo3(signature = (env, weights, first, second, settings, seed, generation, scores, net=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn es_update<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    weights: PyReadonlyArray1<'py, f32>,
    first: PyReadonlyArray1<'py, f32>,
    second: PyReadonlyArray1<'py, f32>,
    settings: &str,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::generation)] generation: u64,
    scores: ReadScores<'py>,
    net: Option<Net>,
) -> PyResult<Bound<'py, PyDict>> {
    let Settings { config, optimizer } = Settings::parse(settings)?;
    let env = get_env(env)?;
    let net = net.map(described).transpose()?;
    let evolving = evolving(&*env, net.as_ref())?;
    let mut state = state(weights, first, second, generation);
    let (fitness, solved, steps) = scores;
    let counts = |array: &PyReadonlyArray1<'_, i64>| -> Vec<usize> {
        array.as_array().iter().map(|&count| count.max(0) as usize).collect()
    };
    let (fitness, solved, steps) = (fitness.as_array().to_vec(), counts(&solved), counts(&steps));
    if solved.len() != fitness.len() || steps.len() != fitness.len() {
        return Err(Error::invalid("scores", "three arrays of one length", "others").into());
    }
    let members = fitness.into_iter().zip(solved).zip(steps);
    let scores: Vec<Score> =
        members.map(|((fitness, solved), steps)| Score { fitness, solved, steps }).collect();
    detached(py, |_| evolving.update(&mut state, &config, &optimizer, &scores, seed))?;
    generations(py, &[Generation::of(&scores, config.num_episodes)], state)
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
