//! Ctrl-C is asked for all the while, however large a single piece of the work is.

use twisterl::collector::az::{self, AzConfig};
use twisterl::collector::distinct_rows;
use twisterl::collector::ppo::{self, PpoConfig};
use twisterl::collector::walk::{self, WalkConfig};
use twisterl::engine::pool::Poll;
use twisterl::envs::cube2::Cube2;
use twisterl::envs::parameters::Parameters;
use twisterl::envs::puzzle::Puzzle;
use twisterl::envs::Listed;
use twisterl::es::{self, EsConfig, Player, State};
use twisterl::rl::env::Env;
use twisterl::rl::start::{DifficultyDistribution, Start};
use twisterl::rng::Rng;
use twisterl::search::{Budget, TreeConfig};
use twisterl::solve::{evaluate, BeamConfig, EvalConfig, Starts, Strategy};
use twisterl::spaces::Rows;
use twisterl::testing::{random_policy, Widths};
use twisterl::Result;

/// How often `work` asks.
fn polls<T>(work: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<T>) -> usize {
    let mut asked = 0;
    work(&mut || {
        asked += 1;
        Ok(())
    })
    .unwrap();
    asked
}

fn policy(env: &dyn Env) -> twisterl::nn::Network {
    random_policy(env, Widths { embedding: 8, common: 8 }, 1).unwrap()
}

#[test]
fn in_a_long_walk() {
    let env = Puzzle::new(3, 3, 1, 2, 20_000).unwrap();
    let config =
        WalkConfig { num_walks: 1, walk_length: 20_000, num_cores: 1, ..Default::default() };
    assert!(polls(|poll| walk::collect(&env, &config, &config.work(0, 0), poll)) > 250);
}

#[test]
fn among_hard_resets() {
    let ppo = PpoConfig { num_episodes: 200, num_cores: 1, ..PpoConfig::default() };
    let tree = TreeConfig { num_simulations: 2, ..TreeConfig::default() };
    let az = AzConfig { num_episodes: 200, num_cores: 1, tree, ..AzConfig::default() };
    let [easy, hard] = [1_000, 300_000].map(|difficulty| {
        let env = Puzzle::new(2, 2, difficulty, 2, 64).unwrap();
        let policy = policy(&env);
        let by_ppo = |poll: Poll<'_>| ppo::collect(&env, &policy, &ppo, &ppo.work(1, 0), poll);
        let by_az = |poll: Poll<'_>| az::collect(&env, &policy, &az, &az.work(1, 0), poll);
        [polls(by_ppo), polls(by_az)]
    });
    for (easy, hard) in easy.into_iter().zip(hard) {
        assert!(hard > easy + 100, "{hard}, {easy}");
    }
}

#[test]
fn in_long_episodes_of_evolution_strategies() {
    let mut env = Puzzle::new(3, 3, 100_000, 25, 64).unwrap();
    env.set_forbid_undo(true);
    let config = EsConfig {
        num_pairs: 1,
        num_episodes: 2,
        sigma: 0.1,
        difficulty_distribution: DifficultyDistribution::Fixed,
        player: Player::Policy,
        num_cores: 1,
    };
    let weights = State::new(&env, 32, 3).unwrap().weights;
    let judged = polls(|poll| es::evaluate(&env, &weights, &config, Start::Reset, 1, poll));
    assert!(judged > 12, "{judged}");
}

#[test]
fn where_simulations_end_in_known_states() {
    let mut env = Puzzle::new(2, 2, 1, 2, 12).unwrap();
    env.try_set_state(&[3, 2, 1, 0]).unwrap();
    let tree = TreeConfig { num_simulations: 250_000, ..TreeConfig::default() };
    let config =
        EvalConfig { strategy: Strategy::Mcts(tree), num_cores: 1, ..EvalConfig::default() };
    let policy = policy(&env);
    let mut nodes = 0;
    let asked = polls(|poll| {
        nodes = evaluate(&env, &policy, Starts::Current, &config, 0, poll)?[0].nodes as usize;
        Ok(())
    });
    // Each new state is waited for, and asked at, once; a few moves are made.
    assert!(asked > nodes + 100, "{asked}, {nodes}");
}

#[test]
fn in_a_wide_beam() {
    let mut env = Puzzle::new(4, 4, 1, 2, 40).unwrap();
    env.try_reset_uniform(&mut Rng::new(1)).unwrap();
    let beam = BeamConfig { width: 20_000, value_weight: 0.0, ..BeamConfig::default() };
    let config = EvalConfig {
        strategy: Strategy::Beam(beam),
        budget: Budget { nodes: Some(60_000), time: None },
        ..EvalConfig::default()
    };
    let policy = policy(&env);
    let asked = polls(|poll| evaluate(&env, &policy, Starts::Current, &config, 0, poll));
    // By network and ranks, for each depth of each search and each part of a wide one.
    assert!(asked > 500, "{asked}");
}

#[test]
fn between_starts_that_take_long() {
    let parameters = Parameters::new(&Cube2::parameters(), &serde_json::Map::new()).unwrap();
    let mut env = Cube2::build(&parameters).unwrap();
    env.set_difficulty(1_000);
    let policy = policy(&env);
    // For every eighth start and every batch; a beam asks at each start and on what it finds there.
    let beam = Strategy::Beam(BeamConfig { width: 1, value_weight: 0.0, ..BeamConfig::default() });
    for (strategy, least) in [(Strategy::Policy, 60), (beam, 740)] {
        let config = EvalConfig {
            strategy,
            num_cores: 1,
            budget: Budget { nodes: Some(1), time: None },
            ..EvalConfig::default()
        };
        let asked = polls(|poll| evaluate(&env, &policy, Starts::Reset(250), &config, 0, poll));
        assert!(asked >= least, "{asked}");
    }
}

#[test]
fn among_many_rows() {
    let mut rows = Rows::default();
    (0..200_000).for_each(|row| rows.push(&[row % 7]));
    let twists = vec![-1; rows.len()];
    assert!(polls(|poll| distinct_rows(&rows, &twists, poll)) >= 12);
}
