//! What plays many episodes at once: collection, Evolution Strategies.

use twisterl::collector::ppo::{Collector, PpoConfig};
use twisterl::envs::puzzle::Puzzle;
use twisterl::es::{self, EsConfig, Evolving, Optimizer, Player, Rule, State};
use twisterl::nn::Policy;
use twisterl::rl::env::Env;
use twisterl::rl::start::{DifficultyDistribution, Start};
use twisterl::Result;

use crate::figure::{time, Figure, Unit};
use crate::options::Options;

/// Evolution Strategies are compiled for boards up to this side.
const WIDEST_EVOLVED: usize = 5;
/// Episodes of one call of the policy steps.
const PLAYED: usize = 1024;

pub fn collection(
    options: &Options,
    env: &Puzzle,
    policy: &dyn Policy,
    num_cores: usize,
    cache: bool,
) -> Result<Option<Figure>> {
    let num_episodes = options.episodes;
    let config = PpoConfig { num_episodes, num_cores, cache, ..PpoConfig::default() };
    let name =
        format!("collection, {num_cores} threads, {}", if cache { "cached" } else { "exact" });
    let mut iteration = 0;
    let mut collector = Collector::default();
    time(name, Unit::StepsPerSecond, options, |repeats| {
        let mut steps = 0;
        for _ in 0..repeats {
            iteration += 1;
            let rollout =
                collector
                    .collect(env, policy, &config, &config.work(0, iteration), &mut || Ok(()))?;
            steps += rollout.len();
        }
        Ok(steps)
    })
}

/// Episodes by the likeliest action of a policy with one hidden layer, and generations of it.
pub fn evolution(options: &Options, env: &Puzzle) -> Result<Vec<Figure>> {
    if options.width.max(options.height) > WIDEST_EVOLVED {
        return Ok(Vec::new());
    }
    let features = (options.width * options.height).pow(2);
    let config = EsConfig {
        num_pairs: 16,
        num_episodes: PLAYED,
        sigma: 0.1,
        difficulty_distribution: DifficultyDistribution::Fixed,
        player: Player::Policy,
        num_cores: 1,
    };
    let mut state = State::new(env, options.hidden, 1)?;
    let name = format!("policy step {features}-{}-4", options.hidden);
    let depth = 2 * env.get_difficulty();
    let played = time(name, Unit::NanosecondsEach, options, |repeats| {
        let mut steps = 0;
        for seed in 0..repeats as u64 {
            let episodes =
                es::evaluate(env, &state.weights, &config, Start::Reset, seed, &mut || Ok(()))?;
            let taken = |moves: i32| usize::try_from(moves).unwrap_or(depth);
            steps += episodes.iter().map(|episode| taken(episode.moves)).sum::<usize>();
        }
        Ok(steps)
    })?;
    let config = EsConfig { num_episodes: 32, ..config };
    let generation = time("ES generation, a policy step", Unit::NanosecondsEach, options, |n| {
        let mut steps = 0;
        for _ in 0..n {
            let evolving = Evolving::Board(env);
            let scores = evolving.step(&mut state, &config, &ADAM, 1, &mut || Ok(()))?;
            steps += scores.iter().map(|score| score.steps).sum::<usize>();
        }
        Ok(steps)
    })?;
    Ok([played, generation].into_iter().flatten().collect())
}

const ADAM: Optimizer = Optimizer {
    rule: Rule::Adam,
    rate: 0.01,
    decline: es::Decline::Constant,
    decline_generations: 1,
    final_ratio: 1.0,
    betas: (0.9, 0.999),
    epsilon: 1e-8,
    weight_decay: 0.0,
};
