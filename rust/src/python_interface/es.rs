//! Evolution Strategies from Python: conversions only.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Deserialize;

use super::env::get_env;
use super::read;
use super::run::detached;
use crate::collector::ppo::DifficultyDistribution;
use crate::engine::pool::Poll;
use crate::envs::puzzle::Puzzle;
use crate::error::Error;
use crate::es::{evaluate, step, Decline, EsConfig, Optimizer, Player, Rule, State};
use crate::rl::env::Env;

/// Both `[N]`.
type MovesAndRewards<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<f32>>);

/// The settings of a run as Python's `twisterl.rl.ES` writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    num_pairs: usize,
    num_episodes: usize,
    num_cores: usize,
    sigma: f64,
    difficulty_distribution: DifficultyDistribution,
    player: PlayerName,
    rule: RuleName,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decline: DeclineName,
    decline_generations: u64,
    final_ratio: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PlayerName {
    Policy,
    Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RuleName {
    Adam,
    Momentum,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DeclineName {
    Constant,
    Linear,
    Cosine,
}

impl Settings {
    fn parse(text: &str) -> PyResult<Self> {
        let fault = |error| Error::invalid("settings", "those of twisterl.rl.ES", error);
        Ok(serde_json::from_str(text).map_err(fault)?)
    }

    fn config(&self) -> EsConfig {
        EsConfig {
            num_pairs: self.num_pairs,
            num_episodes: self.num_episodes,
            sigma: self.sigma,
            uniform_difficulty: self.difficulty_distribution == DifficultyDistribution::Uniform,
            player: match self.player {
                PlayerName::Policy => Player::Policy,
                PlayerName::Value => Player::Value,
            },
            num_cores: self.num_cores,
        }
    }

    fn optimizer(&self) -> Optimizer {
        Optimizer {
            rule: match self.rule {
                RuleName::Adam => Rule::Adam,
                RuleName::Momentum => Rule::Momentum,
            },
            rate: self.lr,
            decline: match self.decline {
                DeclineName::Constant => Decline::Constant,
                DeclineName::Linear => Decline::Linear,
                DeclineName::Cosine => Decline::Cosine,
            },
            decline_generations: self.decline_generations,
            final_ratio: self.final_ratio,
            betas: self.betas,
            epsilon: self.eps,
            weight_decay: self.weight_decay,
        }
    }
}

fn puzzle(env: &dyn Env) -> PyResult<&Puzzle> {
    let found = env.as_any().downcast_ref::<Puzzle>();
    Ok(found.ok_or_else(|| Error::invalid("env", "twisterl.envs.Puzzle", "another environment"))?)
}

/// Random weights float32 `[P]` of a policy with one layer of `hidden` units, named by `seed`.
///
/// Raises ValueError if no code is compiled for the board of `env` or for `hidden`.
#[pyfunction]
pub(super) fn es_first_weights<'py>(
    env: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = read::hidden)] hidden: usize,
    #[pyo3(from_py_with = read::seed)] seed: u64,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let state = State::new(puzzle(&*get_env(env)?)?, hidden, seed)?;
    Ok(state.weights.into_pyarray(env.py()))
}

/// Plays `num_generations` from `generation` on with draws named by `seed`; `env` stays as it is and
/// the interpreter lock is released. `settings` is JSON as `twisterl.rl.ES` writes it.
///
/// A dictionary: `weights` and the moments of Adam, `first` and `second`, float32 `[P]`, come back
/// updated, with arrays of one number a generation: `fitness` (mean of an episode), `best_fitness`,
/// `success` and `steps`. Raises ValueError for what does not fit the board of `env`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub(super) fn es_generations<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    weights: PyReadonlyArray1<'py, f32>,
    first: PyReadonlyArray1<'py, f32>,
    second: PyReadonlyArray1<'py, f32>,
    settings: &str,
    #[pyo3(from_py_with = read::seed)] seed: u64,
    #[pyo3(from_py_with = read::generation)] generation: u64,
    #[pyo3(from_py_with = read::num_generations)] num_generations: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let settings = Settings::parse(settings)?;
    let (config, optimizer) = (settings.config(), settings.optimizer());
    let env = get_env(env)?;
    let env = puzzle(&*env)?;
    let floats = |array: &PyReadonlyArray1<'py, f32>| array.as_array().to_vec();
    let mut state = State {
        weights: floats(&weights),
        first: floats(&first),
        second: floats(&second),
        generation,
    };
    let play = |poll: Poll<'_>| -> crate::Result<Vec<[f64; 4]>> {
        (0..num_generations)
            .map(|_| {
                let scores = step(env, &mut state, &config, &optimizer, seed, poll)?;
                let episodes = (scores.len() * config.num_episodes) as f64;
                let total: f64 = scores.iter().map(|score| f64::from(score.fitness)).sum();
                let best = scores.iter().map(|score| score.fitness).fold(0.0, f32::max);
                let solved: usize = scores.iter().map(|score| score.solved).sum();
                let steps: usize = scores.iter().map(|score| score.steps).sum();
                let best = f64::from(best / config.num_episodes as f32);
                Ok([total / episodes, best, solved as f64 / episodes, steps as f64])
            })
            .collect()
    };
    let played = detached(py, play)?;
    let result = PyDict::new(py);
    for (column, name) in ["fitness", "best_fitness", "success", "steps"].into_iter().enumerate() {
        let values: Vec<f64> = played.iter().map(|generation| generation[column]).collect();
        result.set_item(name, values.into_pyarray(py))?;
    }
    result.set_item("weights", state.weights.into_pyarray(py))?;
    result.set_item("first", state.first.into_pyarray(py))?;
    result.set_item("second", state.second.into_pyarray(py))?;
    Ok(result)
}

/// `(moves, rewards)` int32 and float32 `[N]` of `num_episodes` episodes of `env` played with
/// `weights` float32 `[P]` by the player of `settings`; -1 moves if not solved. `start` is "reset" or
/// "uniform"; `seed` names the draws. Raises ValueError for what does not fit the board of `env`.
#[pyfunction]
pub(super) fn es_evaluate<'py>(
    py: Python<'py>,
    env: &Bound<'py, PyAny>,
    weights: PyReadonlyArray1<'py, f32>,
    settings: &str,
    #[pyo3(from_py_with = read::num_episodes)] num_episodes: usize,
    start: &str,
    #[pyo3(from_py_with = read::seed)] seed: u64,
) -> PyResult<MovesAndRewards<'py>> {
    let config = EsConfig { num_episodes, ..Settings::parse(settings)?.config() };
    let env = get_env(env)?;
    let env = puzzle(&*env)?;
    let weights = weights.as_array().to_vec();
    let uniform = start == "uniform";
    let played = detached(py, |poll| evaluate(env, &weights, &config, uniform, seed, poll))?;
    let (moves, rewards): (Vec<i32>, Vec<f32>) =
        played.iter().map(|played| (played.moves, played.reward)).unzip();
    Ok((moves.into_pyarray(py), rewards.into_pyarray(py)))
}
