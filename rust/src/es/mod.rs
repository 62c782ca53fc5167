//! Evolution Strategies: Salimans et al. 2017, "Evolution Strategies as a Scalable Alternative to
//! Reinforcement Learning", algorithm 2.
//!
//! A generation of `2 * num_pairs` members plays the same episodes; members `2 p` and `2 p + 1`
//! are the weights plus and minus `sigma` times the noise of pair `p`. With `u` the centred ranks
//! of the fitness,
//!
//! ```text
//! gradient = 1 / (2 num_pairs sigma) * sum over pairs (u[2 p] - u[2 p + 1]) noise[p]
//! ```
//!
//! The sum is one of whole numbers and exact, every draw has a named stream, and the fitness of a
//! member is summed in the order of the episodes: the result is the same for any number of
//! threads, and in Mojo, bit for bit.
//!
//! On some boards of the sliding puzzle a network of one layer is played by code of its own, that of
//! Mojo ([`Evolving::Board`]); any other network on any other environment by the engine
//! ([`Evolving::Described`]).

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::engine::pool::{num_workers, run, Poll, DEFAULT_CORES};
use crate::envs::puzzle::Puzzle;
use crate::error::{Error, Result};
use crate::nn::CpuLevel;
use crate::rl::env::{draw_difficulty, Env};
use crate::rl::start::{DifficultyDistribution, Start};
use crate::rng::Rng;

mod block;
mod board;
mod described;
mod episodes;
mod network;
mod noise;
mod update;
mod vectors;

use block::{to_blocks, Block, LANES};
use board::{Board, Starts, Tables, NUM_ACTIONS};
pub use described::Described;
use episodes::{Pair, Play, Sums};
pub use episodes::{Player, Score};
use network::Layout;
pub use noise::Noise;
pub use update::{Decline, Optimizer, Rule, Update};
use vectors::run_at;

/// Keeps the stream of the first weights apart from all others.
const WEIGHTS_TAG: u64 = 0x0077_6569_6768_7473;
/// Keeps the streams of evaluation apart from those of training with the same seed.
const EVALUATION_TAG: u64 = 0x6576_616C_7561_7465;

/// The sections `collecting` and `training` of a config.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EsConfig {
    /// Half the population.
    pub num_pairs: usize,
    /// Episodes that every member plays.
    pub num_episodes: usize,
    /// Standard deviation of the noise.
    pub sigma: f64,
    pub difficulty_distribution: DifficultyDistribution,
    pub player: Player,
    /// Capped at what the machine has.
    pub num_cores: usize,
}

impl Default for EsConfig {
    fn default() -> Self {
        Self {
            num_pairs: 64,
            num_episodes: 64,
            sigma: 0.05,
            difficulty_distribution: DifficultyDistribution::Fixed,
            player: Player::Policy,
            num_cores: DEFAULT_CORES,
        }
    }
}

/// All settings of a run, in one object of JSON.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    #[serde(flatten)]
    pub config: EsConfig,
    #[serde(flatten)]
    pub optimizer: Optimizer,
}

impl Settings {
    /// Reads JSON.
    ///
    /// # Errors
    /// Naming what is none of the settings, or of another type.
    pub fn parse(text: &str) -> Result<Self> {
        let fault = |error| Error::invalid("settings", "those of twisterl.rl.ES", error);
        serde_json::from_str(text).map_err(fault)
    }
}

/// What evolves, `[P]` each, in the order embedding `[F, H]`, its bias
/// `[H]`, action weight `[A, H]`, value weight `[H]`, action bias `[A]`, value bias.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub weights: Vec<f32>,
    /// First moments.
    pub first: Vec<f32>,
    /// Second moments.
    pub second: Vec<f32>,
    /// Generations played so far.
    pub generation: u64,
}

/// Calls what is compiled for the puzzle with the [`episodes::Play`] that is compiled for the network too:
/// those of `mojo/train_puzzle.mojo`.
macro_rules! specialized {
    ($env:expr, $hidden:expr, $call:ident($($argument:expr),*)) => {
        specialized!(@sides $env, $hidden, $call($($argument),*), 2 3 4 5)
    };
    (@sides $env:expr, $hidden:expr, $call:ident $arguments:tt, $($side:literal)*) => {
        match (($env.width(), $env.height()), $hidden) {
            $(
                (($side, $side), 32) => specialized!(@width $side, 2, $call $arguments),
                (($side, $side), 64) => specialized!(@width $side, 4, $call $arguments),
                (($side, $side), 128) => specialized!(@width $side, 8, $call $arguments),
                (($side, $side), hidden) => Err(Error::invalid(
                    "policy.embedding_size",
                    "32, 64 or 128 (what is compiled)",
                    hidden,
                )),
            )*
            ((width, height), _) => Err(Error::invalid(
                "env",
                "a board of 2x2, 3x3, 4x4 or 5x5 (what is compiled)",
                format!("{width}x{height}"),
            )),
        }
    };
    (@width $side:literal, $chunks:literal, $call:ident($($argument:expr),*)) => {
        $call::<{ $side * $side }>(episodes::play::<{ $side * $side }, $chunks>, $($argument),*)
    };
}

impl State {
    /// No generation yet: weights and biases uniform within 1 / sqrt(inputs), named by `seed`, of
    /// one layer of `hidden` units.
    ///
    /// # Errors
    /// If no code is compiled for the board or for `hidden`.
    pub fn new(env: &Puzzle, hidden: usize, seed: u64) -> Result<Self> {
        specialized!(env, hidden, is_compiled())?;
        let features = num_features(env);
        let mut rng = Rng::stream(seed ^ WEIGHTS_TAG, 0, 0);
        let weight = |index: usize| {
            let inputs = if index < (features + 1) * hidden { features } else { hidden };
            (2.0 * rng.unit() - 1.0) * (1.0 / (inputs as f64).sqrt()) as f32
        };
        Ok(Self::of((0..Layout { features, hidden }.size()).map(weight).collect()))
    }

    /// These weights, before any generation.
    pub fn of(weights: Vec<f32>) -> Self {
        let zeros = vec![0.0; weights.len()];
        Self { weights, first: zeros.clone(), second: zeros, generation: 0 }
    }
}

fn is_compiled<const CELLS: usize>(_: Play<CELLS>) -> Result<()> {
    Ok(())
}

fn num_features(env: &Puzzle) -> usize {
    (env.width() * env.height()).pow(2)
}

/// What plays and how: a board that code is compiled for, or any network on any environment.
#[derive(Clone, Copy)]
pub enum Evolving<'a> {
    Board(&'a Puzzle),
    Described(&'a dyn Env, &'a Described),
}

/// The board that `env` is.
///
/// # Errors
/// If it is no sliding puzzle.
pub fn board_of(env: &dyn Env) -> Result<&Puzzle> {
    let found = env.as_any().downcast_ref::<Puzzle>();
    found.ok_or_else(|| Error::invalid("env", "twisterl.envs.Puzzle", "another environment"))
}

impl<'a> Evolving<'a> {
    /// What plays `net`; without one, the board that `env` is.
    ///
    /// # Errors
    /// As [`board_of`].
    pub fn of(env: &'a dyn Env, net: Option<&'a Described>) -> Result<Self> {
        match net {
            Some(net) => Ok(Self::Described(env, net)),
            None => board_of(env).map(Self::Board),
        }
    }

    /// Plays one generation of members of `state` and updates it; their scores.
    ///
    /// # Errors
    /// If no code is compiled for the sizes, lengths or the network do not fit, an episode fails, or
    /// `poll` does; `state` is unchanged.
    pub fn step(
        self,
        state: &mut State,
        config: &EsConfig,
        optimizer: &Optimizer,
        seed: u64,
        poll: Poll<'_>,
    ) -> Result<Vec<Score>> {
        let scores = self.scores(state, config, 0..config.num_pairs, seed, poll)?;
        self.update(state, config, optimizer, &scores, seed)?;
        Ok(scores)
    }

    /// What the members of `pairs` of the generation reach, two of each: what they reach in the whole.
    ///
    /// # Errors
    /// As [`Evolving::step`], and if there are no such pairs.
    pub fn scores(
        self,
        state: &State,
        config: &EsConfig,
        pairs: Range<usize>,
        seed: u64,
        poll: Poll<'_>,
    ) -> Result<Vec<Score>> {
        if pairs.is_empty() || pairs.end > config.num_pairs {
            let expected = format!("some of 0..{}", config.num_pairs);
            return Err(Error::invalid("pairs", expected, format!("{pairs:?}")));
        }
        match self {
            Self::Board(env) => {
                let hidden = layout_of(env, state)?.hidden;
                specialized!(env, hidden, scores(env, state, config, pairs, seed, poll))
            }
            Self::Described(env, net) => {
                described::scores(env, net, state, config, pairs, seed, poll)
            }
        }
    }

    /// Moves the weights as the `scores` of all members of the generation say.
    ///
    /// # Errors
    /// If the scores are not of all members, or lengths do not fit; `state` is unchanged.
    pub fn update(
        self,
        state: &mut State,
        config: &EsConfig,
        optimizer: &Optimizer,
        scores: &[Score],
        seed: u64,
    ) -> Result<()> {
        if scores.len() != 2 * config.num_pairs {
            let expected = format!("{} of them", 2 * config.num_pairs);
            return Err(Error::invalid("scores", expected, scores.len()));
        }
        let differences = rank_differences(scores);
        let update = Update::new(optimizer, state.generation);
        match self {
            Self::Board(env) => {
                let layout = layout_of(env, state)?;
                let is_trained = |index| is_trained(layout, config.player, index);
                evolve(state, layout.blocks(), &is_trained, config, &differences, &update, seed)?;
            }
            Self::Described(_, net) => {
                let trained = net.trained(config.player);
                let num_blocks = described::checked(net, state)?.div_ceil(LANES);
                evolve(state, num_blocks, &|i| trained[i], config, &differences, &update, seed)?;
            }
        }
        state.generation += 1;
        Ok(())
    }
}

/// What a generation reached, over all members.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generation {
    /// Mean of an episode.
    pub fitness: f64,
    /// Mean of an episode of the best member.
    pub best_fitness: f64,
    /// Share of the episodes that were solved.
    pub success: f64,
    /// Steps of all episodes.
    pub steps: usize,
}

impl Generation {
    /// Of members that played `num_episodes` each.
    pub fn of(scores: &[Score], num_episodes: usize) -> Self {
        let episodes = (scores.len() * num_episodes) as f64;
        let total: f64 = scores.iter().map(|score| f64::from(score.fitness)).sum();
        let best = scores.iter().map(|score| score.fitness).fold(f32::NEG_INFINITY, f32::max);
        let solved: usize = scores.iter().map(|score| score.solved).sum();
        Self {
            fitness: total / episodes,
            best_fitness: f64::from(best / num_episodes as f32),
            success: solved as f64 / episodes,
            steps: scores.iter().map(|score| score.steps).sum(),
        }
    }
}

/// An episode of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Played {
    /// Actions until solved, -1 if it was not.
    pub moves: i32,
    /// Sum of the rewards of all states, first and last included.
    pub reward: f32,
}

/// Plays greedily from `num_episodes` starts of the streams (`seed`, 0, episode) of evaluation.
///
/// # Errors
/// As [`Evolving::step`].
pub fn evaluate(
    env: &Puzzle,
    weights: &[f32],
    config: &EsConfig,
    start: Start,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Played>> {
    let layout = layout_of(env, &State::of(weights.to_vec()))?;
    let reset = &mut |env: &mut Puzzle, rng: &mut Rng| match start {
        Start::Uniform => env.try_reset_uniform(rng),
        Start::Reset => env.try_reset(rng),
    };
    specialized!(env, layout.hidden, judge(env, weights, config, reset, seed, poll))
}

/// The layout that has as many weights as `state`; its blocks are whole if code is compiled for it.
fn layout_of(env: &Puzzle, state: &State) -> Result<Layout> {
    let features = num_features(env);
    let count = state.weights.len();
    let hidden = count.saturating_sub(NUM_ACTIONS + 1) / (features + NUM_ACTIONS + 2);
    let layout = Layout { features, hidden };
    let fits = [&state.first, &state.second].iter().all(|moments| moments.len() == count);
    if fits && layout.size() == count {
        return Ok(layout);
    }
    Err(Error::invalid("weights", "those of a policy with one hidden layer, and moments", count))
}

/// The starts of the episodes, each drawn by `reset` from its own stream.
fn starts<const CELLS: usize>(
    env: &Puzzle,
    config: &EsConfig,
    seed: u64,
    generation: u64,
    reset: &mut dyn FnMut(&mut Puzzle, &mut Rng) -> Result<()>,
    poll: Poll<'_>,
) -> Result<Starts<CELLS>> {
    let mut env = env.clone();
    let mut draw = |episode: usize| {
        poll()?;
        reset(&mut env, &mut Rng::stream(seed, generation, episode as u64))?;
        Ok(Board::new(&env))
    };
    let boards = (0..config.num_episodes).map(&mut draw).collect::<Result<_>>()?;
    Ok(Starts { tables: Tables::new(&env), boards })
}

fn scores<const CELLS: usize>(
    play: Play<CELLS>,
    env: &Puzzle,
    state: &State,
    config: &EsConfig,
    pairs: Range<usize>,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Score>> {
    let most = env.get_difficulty();
    let mut reset = |env: &mut Puzzle, rng: &mut Rng| {
        if config.difficulty_distribution == DifficultyDistribution::Uniform {
            env.set_difficulty(draw_difficulty(most, rng));
        }
        env.try_reset(rng)
    };
    let starts = starts::<CELLS>(env, config, seed, state.generation, &mut reset, poll)?;
    let weights = to_blocks(&state.weights);
    let level = CpuLevel::detect();
    let next_pair = AtomicUsize::new(pairs.start);
    let parts = run(num_workers(config.num_cores).min(pairs.len()), poll, |_, poll| {
        let [mut plus, mut minus] = [weights.clone(), weights.clone()];
        let mut moves = vec![-1; config.num_episodes];
        let mut scores = Vec::new();
        loop {
            poll()?;
            let pair = next_pair.fetch_add(1, Ordering::Relaxed);
            if pair >= pairs.end {
                return Ok(scores);
            }
            let noise = Noise::new(seed, state.generation, pair);
            let half_sigma = (config.sigma * 0.5) as f32;
            let members = [&mut plus[..], &mut minus[..]];
            run_at(level, Pair { weights: &weights, noise, half_sigma, members });
            let mut play =
                |member: &[Block]| play(level, config.player, member, &starts, &mut moves, poll);
            scores.push((pair, [play(&plus)?, play(&minus)?]));
        }
    })?;
    let mut scores = vec![Score::default(); 2 * pairs.len()];
    for (pair, both) in parts.into_iter().flatten() {
        let place = 2 * (pair - pairs.start);
        scores[place..place + 2].copy_from_slice(&both);
    }
    Ok(scores)
}

fn judge<const CELLS: usize>(
    play: Play<CELLS>,
    env: &Puzzle,
    weights: &[f32],
    config: &EsConfig,
    reset: &mut dyn FnMut(&mut Puzzle, &mut Rng) -> Result<()>,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Played>> {
    let starts = starts::<CELLS>(env, config, seed ^ EVALUATION_TAG, 0, reset, poll)?;
    let weights = to_blocks(weights);
    let workers = num_workers(config.num_cores);
    let level = CpuLevel::detect();
    let share = starts.boards.len().div_ceil(workers);
    let parts = run(workers, poll, |worker, poll| {
        let boards = starts.boards.chunks(share).nth(worker).unwrap_or_default().to_vec();
        let mut moves = vec![-1; boards.len()];
        let part = Starts { tables: starts.tables.clone(), boards };
        play(level, config.player, &weights, &part, &mut moves, poll)?;
        Ok(moves)
    })?;
    let running = env.running_reward();
    let played = |(moves, board): (i32, &Board<CELLS>)| Played {
        moves,
        reward: match u32::try_from(moves) {
            Ok(moves) => 1.0 + moves as f32 * running,
            Err(_) => -0.5 + board.depth as f32 * running,
        },
    };
    Ok(parts.concat().into_iter().zip(&starts.boards).map(played).collect())
}

/// For each pair the doubled rank of its first member less that of its second.
///
/// Equal fitness shares the mean of its ranks, which is why ranks are doubled.
pub fn rank_differences(scores: &[Score]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let fitness = |member: usize| scores[member].fitness;
    order.sort_by(|&a, &b| fitness(a).total_cmp(&fitness(b)));
    let mut doubled = vec![0; scores.len()];
    let mut begin = 0;
    while begin < order.len() {
        let equal = |&&member: &&usize| fitness(member) == fitness(order[begin]);
        let end = begin + order[begin..].iter().take_while(equal).count();
        order[begin..end].iter().for_each(|&member| doubled[member] = (begin + end - 1) as i32);
        begin = end;
    }
    doubled.chunks_exact(2).map(|pair| pair[0] - pair[1]).collect()
}

/// Adds up the gradient and applies it to the weights that the player reads.
fn evolve(
    state: &mut State,
    num_blocks: usize,
    is_trained: &dyn Fn(usize) -> bool,
    config: &EsConfig,
    differences: &[i32],
    update: &Update,
    seed: u64,
) -> Result<()> {
    let noises: Vec<Noise> =
        (0..differences.len()).map(|pair| Noise::new(seed, state.generation, pair)).collect();
    // Ranks come doubled and so does the noise: a quarter, and the ranks' width, scale back.
    let members = 2.0 * config.num_pairs as f64;
    let scale = (0.25 / ((members - 1.0) * members * config.sigma)) as f32;
    let workers = num_workers(config.num_cores);
    let twos = num_blocks.div_ceil(2);
    let share = twos.div_ceil(workers);
    let level = CpuLevel::detect();
    let sums = run(workers, &mut || Ok(()), |worker, _| {
        let blocks = (worker * share).min(twos)..twos.min((worker + 1) * share);
        Ok(run_at(level, Sums { noises: &noises, differences, blocks }))
    })?;
    let State { weights, first, second, .. } = state;
    let moments = first.iter_mut().zip(second);
    for (index, (sum, (weight, (first, second)))) in
        sums.iter().flatten().flatten().flatten().zip(weights.iter_mut().zip(moments)).enumerate()
    {
        if is_trained(index) {
            update.apply(*sum as f32 * scale, weight, first, second);
        }
    }
    Ok(())
}

/// Whether `player` reads weight `index`: both layers, and its own head.
fn is_trained(layout: Layout, player: Player, index: usize) -> bool {
    let block = index / LANES;
    let is_value = if block == layout.biases() {
        index % LANES == NUM_ACTIONS
    } else if block >= layout.action_weight() {
        block >= layout.value_weight()
    } else {
        return true;
    };
    is_value == (player == Player::Value)
}
