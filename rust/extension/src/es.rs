//! Evolution Strategies from Python: conversions only.

use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use twisterl::es::{
    board_of, evaluate, Described, EsConfig, Evolving, Generation, Score, Settings, State,
};
use twisterl::nn::NetSpec;
use twisterl::python_interface::get_env::get_env;
use twisterl::rl::env::Env;
use twisterl::Error;

use crate::columns::{array, Ints};
use crate::detached::detached;
use crate::keywords::{function, one_of, Given};
use crate::read::Argument;

/// A description in JSON, and its twists.
type Net = (String, Vec<Vec<usize>>, Vec<Vec<usize>>);
/// Fitness, solved and steps, `[M]`.
type Scores<'py> =
    (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);
/// Both `[N]`.
type MovesAndRewards<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<f32>>);

/// What evolves in a call, by which settings and draws.
struct Evolution {
    env: Box<dyn Env>,
    net: Option<Described>,
    settings: Settings,
    state: State,
    seed: u64,
}

impl Evolution {
    /// The arguments of all calls.
    fn read(given: &Given<'_>) -> PyResult<Self> {
        let net = given.take("net")?.filter(|net| !net.is_none());
        let net = net.map(|net| net.extract::<Net>()).transpose()?;
        let described = |(spec, obs_perms, act_perms): Net| {
            NetSpec::parse(&spec).map(|spec| Described { spec, twists: (obs_perms, act_perms) })
        };
        let (weights, generation) = (given.get("weights")?, given.get("generation")?);
        Ok(Self {
            settings: Settings::parse(&given.get::<String>("settings")?)?,
            env: get_env(&given.required("env")?)?,
            net: net.map(described).transpose()?,
            state: State { generation, ..State::of(weights) },
            seed: given.get("seed")?,
        })
    }

    /// Those of calls that update.
    fn with_moments(given: &Given<'_>) -> PyResult<Self> {
        let read = Self::read(given)?;
        let (first, second) = (given.get("first")?, given.get("second")?);
        Ok(Self { state: State { first, second, ..read.state }, ..read })
    }

    /// What `es_generations` tells of the `played` ones.
    fn told<'py>(self, py: Python<'py>, played: &[Generation]) -> PyResult<Bound<'py, PyDict>> {
        let result = PyDict::new(py);
        result.set_item("fitness", array(py, played, |generation| generation.fitness))?;
        result.set_item("best_fitness", array(py, played, |generation| generation.best_fitness))?;
        result.set_item("success", array(py, played, |generation| generation.success))?;
        result.set_item("steps", array(py, played, |generation| generation.steps as f64))?;
        result.set_item("weights", self.state.weights.into_pyarray(py))?;
        result.set_item("first", self.state.first.into_pyarray(py))?;
        result.set_item("second", self.state.second.into_pyarray(py))?;
        Ok(result)
    }
}

function! {
/// Random weights float32 `[P]` of a policy with one layer of `hidden` units, named by `seed`.
///
/// Raises ValueError if no code is compiled for the board of `env` or for `hidden`.
    es_first_weights, "es_first_weights", "(env, hidden, seed)",
    |py, given| {
        let env = get_env(&given.required("env")?)?;
        let state = State::new(board_of(&*env)?, given.get("hidden")?, given.get("seed")?)?;
        Ok(state.weights.into_pyarray(py))
    } => Bound<'py, PyArray1<f32>>
}

/// The names of the parameters of `net`, a description in JSON, in the order of the weights that
/// `es_generations` takes with it. Raises ValueError if it is none.
#[pyfunction]
pub(crate) fn es_parameters(net: &str) -> PyResult<Vec<String>> {
    let parameters = NetSpec::parse(net)?.parameters();
    Ok(parameters.into_iter().map(|parameter| parameter.name).collect())
}

function! {
/// Plays `num_generations` from `generation` on with draws named by `seed`; `env` stays as it is and
/// the interpreter lock is released. `settings` is JSON as `twisterl.rl.ES` writes it.
///
/// A dictionary: `weights` and the moments of Adam, `first` and `second`, float32 `[P]`, come back
/// updated, with arrays of one number a generation: `fitness` (mean of an episode), `best_fitness`,
/// `success` and `steps`. Without `net` the environment is a board that code is compiled for; `net`, a
/// description in JSON and its twists, is any other network, which plays any environment. Raises
/// ValueError for what does not fit `env`.
    es_generations, "es_generations",
    "(env, weights, first, second, settings, seed, generation, num_generations, net=None)",
    |py, given| {
        let num_generations: usize = given.get("num_generations")?;
        let mut evolution = Evolution::with_moments(&given)?;
        let Evolution { env, net, settings, state, seed } = &mut evolution;
        let Settings { config, optimizer } = settings;
        let evolving = Evolving::of(&**env, net.as_ref())?;
        let played: Vec<Generation> = detached(py, |poll| {
            let played = |_| {
                let scores = evolving.step(state, config, optimizer, *seed, poll)?;
                Ok(Generation::of(&scores, config.num_episodes))
            };
            (0..num_generations).map(played).collect()
        })?;
        evolution.told(py, &played)
    } => Bound<'py, PyDict>
}

function! {
/// `(fitness, solved, steps)` float32, int64 and int64 `[2 * count]` of the members of the `count` pairs
/// from number `first` on: what they reach in the whole generation.
///
/// `env`, `weights`, `settings`, `seed`, `generation` and `net` are those of `es_generations`. Raises
/// ValueError too if there are no such pairs.
    es_scores, "es_scores",
    "(env, weights, settings, seed, generation, first, count, net=None)",
    |py, given| {
        let (first, count): (u64, usize) = (given.get("first")?, given.get("count")?);
        let Evolution { env, net, settings, state, seed } = Evolution::read(&given)?;
        let evolving = Evolving::of(&*env, net.as_ref())?;
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let pairs = first..first.saturating_add(count);
        let scores =
            detached(py, |poll| evolving.scores(&state, &settings.config, pairs, seed, poll))?;
        let fitness = array(py, &scores, |score| score.fitness);
        let solved = array(py, &scores, |score| score.solved as i64);
        Ok((fitness, solved, array(py, &scores, |score| score.steps as i64)))
    } => Scores<'py>
}

function! {
/// Ends a generation whose members reached `scores`, which `es_scores` tells of all its pairs.
///
/// `env`, `weights`, `first`, `second`, `settings`, `seed`, `generation`, `net` and the result are those of
/// `es_generations` for one generation. Raises ValueError too for scores that are not of all members.
    es_update, "es_update",
    "(env, weights, first, second, settings, seed, generation, scores, net=None)",
    |py, given| {
        let [fitness, solved, steps]: [Bound<'_, PyAny>; 3] = given.extract("scores")?;
        let fitness: Vec<f32> = Argument::read("scores", &fitness)?;
        let counts = |array| Ints::read("scores", &array)?.bind(py).to_vec().map_err(PyErr::from);
        let (solved, steps) = (counts(solved)?, counts(steps)?);
        if solved.len() != fitness.len() || steps.len() != fitness.len() {
            return Err(Error::invalid("scores", "three arrays of one length", "others").into());
        }
        let count = |count: i64| count.max(0) as usize;
        let members = fitness.into_iter().zip(solved).zip(steps);
        let scores: Vec<Score> = members
            .map(|((fitness, solved), steps)| {
                Score { fitness, solved: count(solved), steps: count(steps) }
            })
            .collect();
        let mut evolution = Evolution::with_moments(&given)?;
        let Evolution { env, net, settings, state, seed } = &mut evolution;
        let Settings { config, optimizer } = settings;
        let evolving = Evolving::of(&**env, net.as_ref())?;
        detached(py, |_| evolving.update(state, config, optimizer, &scores, *seed))?;
        let played = Generation::of(&scores, config.num_episodes);
        evolution.told(py, &[played])
    } => Bound<'py, PyDict>
}

function! {
/// `(moves, rewards)` int32 and float32 `[N]` of `num_episodes` episodes of `env` played with
/// `weights` float32 `[P]` by the player of `settings`; -1 moves if not solved. `start` is "reset" or
/// "uniform"; `seed` names the draws. Raises ValueError for what does not fit the board of `env`.
    es_evaluate, "es_evaluate", "(env, weights, settings, num_episodes, start, seed)",
    |py, given| {
        let settings = Settings::parse(&given.get::<String>("settings")?)?;
        let config = EsConfig { num_episodes: given.get("num_episodes")?, ..settings.config };
        let env = get_env(&given.required("env")?)?;
        let (board, weights) = (board_of(&*env)?, given.get::<Vec<f32>>("weights")?);
        let (start, seed) = (one_of("start", &given.required("start")?)?, given.get("seed")?);
        let played = detached(py, |poll| evaluate(board, &weights, &config, start, seed, poll))?;
        let moves = array(py, &played, |played| played.moves);
        Ok((moves, array(py, &played, |played| played.reward)))
    } => MovesAndRewards<'py>
}
