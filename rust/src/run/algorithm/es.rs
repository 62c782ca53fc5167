//! Evolution Strategies, the twin of `python/twisterl/rl/es.py`.

use super::{named, Algorithm, Found, Iteration};
use crate::clock::Stopwatch;
use crate::engine::pool::Poll;
use crate::es::{
    board_of, evaluate, Decline, Described, EsConfig, Evolving, Generation, Optimizer, Player,
    State,
};
use crate::nn::Block;
use crate::rl::env::Env;
use crate::run::config::{Evaluation, RunConfig, Shape};
use crate::run::faults::Failure;
use crate::run::policy::{weights_of, Net};
use crate::run::progress::Evaluated;
use crate::run::tensors::{by_name, Stored, StoredTensors};
use crate::solve::{EvalConfig, Strategy};
use crate::train::Learner;

pub(super) struct Es {
    config: EsConfig,
    /// Without the length of its schedule, which an iteration knows.
    optimizer: Optimizer,
    num_generations: u64,
    seed: u64,
    evolves: Evolves,
    /// `[P]` each.
    moments: [Vec<f32>; 2],
    /// What they were before the last iteration.
    before: Option<[Vec<f32>; 2]>,
}

/// What evolves.
enum Evolves {
    Nothing,
    /// A network of one layer of so many units, on a board that code is compiled for.
    Board {
        features: usize,
        hidden: usize,
    },
    Any(Described),
}

impl Es {
    pub(super) fn new(config: &RunConfig) -> Result<Self, Failure> {
        let mut settings = config.algorithm["collecting"].clone();
        settings["sigma"] = config.algorithm["training"]["sigma"].clone();
        let fault = |error: serde_json::Error| {
            Failure::config("config", "algorithm.collecting", error.to_string())
        };
        let optimizer = &config.optimizer;
        Ok(Self {
            config: serde_json::from_value(settings).map_err(fault)?,
            optimizer: Optimizer {
                rule: optimizer.rule,
                rate: optimizer.lr,
                decline: match config.schedule.kind {
                    Shape::Constant => Decline::Constant,
                    Shape::Linear => Decline::Linear,
                    Shape::Cosine => Decline::Cosine,
                },
                final_ratio: config.schedule.final_ratio,
                betas: optimizer.betas.into(),
                epsilon: optimizer.eps,
                weight_decay: optimizer.weight_decay,
                ..Optimizer::default()
            },
            num_generations: config.algorithm["training"]["num_generations"].as_u64().unwrap_or(1),
            seed: config.seed,
            evolves: Evolves::Nothing,
            moments: [Vec::new(), Vec::new()],
            before: None,
        })
    }

    /// The weights `[P]` of `learner` in the order in which they evolve.
    fn weights(&self, learner: &Learner) -> crate::Result<Vec<f32>> {
        let mut parts: Vec<Vec<f32>> =
            weights_of(learner)?.into_iter().map(|(_, values)| values).collect();
        if let Evolves::Board { features, hidden } = self.evolves {
            parts[0] = transposed(&parts[0], hidden, features);
            // The value's weight before the action's bias.
            parts.swap(3, 4);
        }
        Ok(parts.concat())
    }

    fn set_weights(&self, weights: &[f32], learner: &mut Learner) -> crate::Result<()> {
        let sizes: Vec<usize> =
            learner.parameters().map(|parameter| parameter.shape.iter().product()).collect();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        if let Evolves::Board { .. } = self.evolves {
            order.swap(3, 4);
        }
        let mut rest = weights;
        for index in order {
            let (values, after) = rest.split_at(sizes[index]);
            rest = after;
            match self.evolves {
                Evolves::Board { features, hidden } if index == 0 => {
                    learner.set(index, &transposed(values, features, hidden))?;
                }
                _ => learner.set(index, values)?,
            }
        }
        Ok(())
    }

    fn evolving<'a>(&'a self, env: &'a dyn Env) -> crate::Result<Evolving<'a>> {
        match &self.evolves {
            Evolves::Any(net) => Evolving::of(env, Some(net)),
            Evolves::Board { .. } => Evolving::of(env, None),
            Evolves::Nothing => {
                Err(crate::Error::invalid("env", "that of the run", env.spec().name.as_str()))
            }
        }
    }
}

impl Algorithm for Es {
    fn begin(&mut self, env: &dyn Env, net: &Net, learner: &mut Learner) -> Result<(), Failure> {
        let first = one_layer(net).and_then(|(features, hidden)| {
            let state = State::new(board_of(env).ok()?, hidden, self.seed).ok()?;
            Some((Evolves::Board { features, hidden }, state.weights))
        });
        match first {
            Some((board, weights)) => {
                self.evolves = board;
                self.set_weights(&weights, learner)?;
            }
            None => {
                let (spec, twists) = (net.spec.clone(), net.twists.clone());
                self.evolves = Evolves::Any(Described { spec, twists });
            }
        }
        let count = self.weights(learner)?.len();
        self.moments = [vec![0.0; count], vec![0.0; count]];
        Ok(())
    }

    fn iterate(&mut self, of: Iteration<'_>, poll: Poll<'_>) -> crate::Result<Found> {
        let watch = Stopwatch::start();
        let [first, second] = self.moments.clone();
        let generation = of.iteration * self.num_generations;
        let mut state = State { weights: self.weights(of.learner)?, first, second, generation };
        let decline_generations = of.schedule_length.unwrap_or(1) * self.num_generations;
        let optimizer = Optimizer { decline_generations, ..self.optimizer };
        let evolving = self.evolving(of.env)?;
        let (mut num_steps, mut last) = (0, None);
        for _ in 0..self.num_generations {
            let scores =
                evolving.step(&mut state, &self.config, &optimizer, of.seed, &mut *poll)?;
            let played = Generation::of(&scores, self.config.num_episodes);
            num_steps += played.steps;
            last = Some(played);
        }
        let collect = watch.seconds();
        self.set_weights(&state.weights, of.learner)?;
        self.before = Some(std::mem::replace(&mut self.moments, [state.first, state.second]));
        let losses = last.map_or([0.0; 3], |last| [last.fitness, last.best_fitness, last.success]);
        Ok(Found {
            losses: named(["fitness", "best_fitness", "success"], &losses),
            num_steps,
            times: vec![
                ("collect", collect),
                ("data_to_torch", 0.0),
                ("train", watch.seconds() - collect),
            ],
        })
    }

    fn playing(&self, entry: &Evaluation) -> EvalConfig {
        match self.config.player {
            Player::Policy => entry.play,
            Player::Value => EvalConfig { strategy: Strategy::Value, ..entry.play },
        }
    }

    fn evaluate(
        &self,
        env: &dyn Env,
        learner: &Learner,
        entry: &Evaluation,
        poll: Poll<'_>,
    ) -> crate::Result<Option<Evaluated>> {
        let (Evolves::Board { .. }, Ok(board)) = (&self.evolves, board_of(env)) else {
            return Ok(None);
        };
        let config = EsConfig { num_episodes: entry.num_episodes, ..self.config };
        let weights = self.weights(learner)?;
        let played = evaluate(board, &weights, &config, entry.start, entry.seed, poll)?;
        Ok(Some(Evaluated::of_played(&played)))
    }

    fn moments(&self) -> StoredTensors {
        let stored = |values: &Vec<f32>| Stored::of(vec![values.len()], values);
        let names = ["first", "second"].map(str::to_owned);
        by_name(names.into_iter().zip(self.moments.iter().map(stored)).collect())
    }

    fn set_moments(&mut self, stored: &StoredTensors) {
        for (name, moments) in ["first", "second"].iter().zip(&mut self.moments) {
            let found = stored.get(&format!("optimizer.0.{name}"));
            if let Some(values) = found.and_then(Stored::values::<f32>) {
                *moments = values;
            }
        }
    }

    fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            self.moments = before;
        }
    }
}

/// Features and units of a network of one layer without twists.
fn one_layer(net: &Net) -> Option<(usize, usize)> {
    let (spec, linear) = (&net.spec, |block: &Block| matches!(block, Block::Linear { .. }));
    match (spec.encoder.as_slice(), spec.action.as_slice(), spec.value.as_slice()) {
        ([Block::Bag { name, features, out }, Block::Relu], [action], [value])
            if name == "embeddings" && linear(action) && linear(value) =>
        {
            net.twists.0.is_empty().then_some((*features, *out))
        }
        _ => None,
    }
}

/// A matrix of these rows and columns, columns first.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let places = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
    places.map(|(row, column)| matrix[row * columns + column]).collect()
}
