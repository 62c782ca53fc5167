//! Environments that never end, and those that end late.

use crate::common::random_policy;
use twisterl::collector::az::{self, AzConfig};
use twisterl::collector::ppo::{self, PpoConfig};
use twisterl::collector::walk::{self, WalkConfig};
use twisterl::engine::DEFAULT_MAX_EPISODE_STEPS;
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::{explore, Budget, RootSelection, TreeConfig};
use twisterl::solve::{evaluate, BeamConfig, EvalConfig, Starts, Strategy};
use twisterl::{Error, Result};

/// Counts modulo ten, for ever or to the last of its steps.
#[derive(Clone)]
struct Clock {
    hour: usize,
    left: Option<u32>,
}

impl Env for Clock {
    as_any!();
    fn num_actions(&self) -> usize {
        2
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![10]
    }
    fn set_state(&mut self, _: Vec<i64>) {}
    fn reset(&mut self) {}
    fn step(&mut self, action: usize) {
        self.hour = (self.hour + 1 + action) % 10;
        self.left = self.left.map(|left| left - 1);
    }
    fn is_final(&self) -> bool {
        self.left == Some(0)
    }
    fn success(&self) -> bool {
        false
    }
    fn reward(&self) -> f32 {
        -0.1
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.hour]
    }
}

const ENDLESS: Clock = Clock { hour: 0, left: None };

fn self_play(env: &dyn Env, config: AzConfig) -> Result<usize> {
    let (policy, work) = (random_policy(env, 1), config.work(0, 0));
    Ok(az::collect(env, &policy, &config, &work, &mut || Ok(()))?.0.len())
}

fn rollout(env: &dyn Env, config: PpoConfig) -> Result<usize> {
    let (policy, work) = (random_policy(env, 1), config.work(0, 0));
    Ok(ppo::collect(env, &policy, &config, &work, &mut || Ok(()))?.len())
}

fn judged(env: &dyn Env, config: EvalConfig) -> Result<usize> {
    let policy = random_policy(env, 1);
    let found = evaluate(env, &policy, Starts::Current, &config, 0, &mut || Ok(()))?;
    Ok(found[0].actions.len())
}

/// Longest episodes of everything that plays.
fn lengths(env: &dyn Env, max_episode_steps: Option<u32>) -> Vec<Result<usize>> {
    let mut all = Vec::new();
    for num_cores in [1, 2] {
        all.push(rollout(
            env,
            PpoConfig { num_episodes: 1, num_cores, max_episode_steps, ..Default::default() },
        ));
        let eval = EvalConfig { num_cores, max_episode_steps, ..Default::default() };
        all.push(judged(env, EvalConfig { deterministic: true, ..eval }));
        let beam =
            Strategy::Beam(BeamConfig { width: 4, value_weight: 0.0, ..BeamConfig::default() });
        all.push(judged(env, EvalConfig { strategy: beam, ..eval }));
        all.push(judged(env, EvalConfig { strategy: Strategy::Value, ..eval }));
        for root_selection in [RootSelection::Puct, RootSelection::Gumbel] {
            let tree = TreeConfig { num_simulations: 4, root_selection, ..TreeConfig::default() };
            all.push(judged(env, EvalConfig { strategy: Strategy::Mcts(tree), ..eval }));
            let az = AzConfig {
                num_episodes: 1,
                tree,
                num_cores,
                max_episode_steps,
                ..AzConfig::default()
            };
            all.push(self_play(env, az));
        }
    }
    all
}

#[test]
fn an_episode_without_end_is_an_error_that_names_all() {
    for length in lengths(&ENDLESS, Some(30)) {
        let error = length.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        let error = error.to_string();
        let start = "max_episode_steps: expected the episodes of Clock to end within 30 steps";
        assert!(error.starts_with(start) && error.contains("raise max_episode_steps"), "{error}");
    }
}

#[test]
fn the_last_step_may_be_the_end() {
    let env = Clock { hour: 0, left: Some(30) };
    for length in lengths(&env, Some(30)) {
        assert!([30, 31].contains(&length.unwrap()));
    }
    assert!(lengths(&env, Some(29)).into_iter().all(|length| length.is_err()));
}

#[test]
fn there_is_a_cap_where_none_is_asked_for() {
    let named = format!("Clock to end within {DEFAULT_MAX_EPISODE_STEPS} steps");
    let error =
        rollout(&ENDLESS, PpoConfig { num_episodes: 1, num_cores: 1, ..PpoConfig::default() })
            .unwrap_err()
            .to_string();
    assert!(error.contains(&named), "{error}");
    let left = Some(DEFAULT_MAX_EPISODE_STEPS);
    let last = rollout(
        &Clock { hour: 0, left },
        PpoConfig { num_episodes: 1, num_cores: 1, ..PpoConfig::default() },
    )
    .unwrap();
    assert_eq!(last, DEFAULT_MAX_EPISODE_STEPS as usize + 1);
    assert!(rollout(
        &ENDLESS,
        PpoConfig { num_episodes: 1, max_episode_steps: Some(0), ..Default::default() }
    )
    .is_err_and(|error| error.to_string() == "max_episode_steps: expected at least 1, got 0"));
}

#[test]
fn what_counts_its_steps_has_no_cap() {
    let most = DEFAULT_MAX_EPISODE_STEPS as usize + 1000;
    let mut env = Puzzle::new(3, 3, 1, 1, most).unwrap();
    env.set_state(vec![8, 7, 6, 5, 4, 3, 2, 0, 1]);
    let greedy = EvalConfig { deterministic: true, ..EvalConfig::default() };
    assert_eq!(judged(&env, greedy).unwrap(), most);
    let error = judged(&env, EvalConfig { max_episode_steps: Some(9), ..greedy }).unwrap_err();
    assert!(error.to_string().contains("Puzzle to end within 9 steps"), "{error}");
}

#[test]
fn what_else_ends_an_episode_is_no_error() {
    let tree = TreeConfig { num_simulations: 4, ..TreeConfig::default() };
    let moves = DEFAULT_MAX_EPISODE_STEPS as usize + 10;
    let cut = AzConfig { num_episodes: 1, max_moves: Some(5), tree, ..AzConfig::default() };
    assert_eq!(self_play(&ENDLESS, cut).unwrap(), 5);
    let tree = TreeConfig { num_simulations: 1, ..tree };
    let late = AzConfig { num_episodes: 1, max_moves: Some(moves), tree, ..AzConfig::default() };
    assert_eq!(self_play(&ENDLESS, late).unwrap(), moves);
    let budget = Budget { nodes: Some(100), ..Budget::default() };
    for strategy in [
        Strategy::Mcts(tree),
        Strategy::Beam(BeamConfig { width: 4, value_weight: 0.0, ..BeamConfig::default() }),
    ] {
        judged(&ENDLESS, EvalConfig { strategy, budget, ..EvalConfig::default() }).unwrap();
    }
    let policy = random_policy(&ENDLESS, 1);
    let tree = TreeConfig { max_expand_depth: 200_000, ..tree };
    explore(&ENDLESS, &policy, &tree, Rng::new(0), &mut || Ok(())).unwrap();
}

#[test]
fn a_walk_ends_where_its_environment_has_no_steps_left() {
    let walks = |max_depth, walk_length| {
        let env = Puzzle::new(3, 3, 1, 2, max_depth).unwrap();
        let config = WalkConfig { num_walks: 3, walk_length, num_cores: 1, ..Default::default() };
        Ok(walk::collect(&env, &config, &config.work(0, 0), &mut || Ok(()))?.num_samples)
    };
    assert_eq!(walks(8, 8).unwrap(), 24);
    let error: Error = walks(8, 9).unwrap_err();
    let said = "walk_length: expected at most the 8 steps that Puzzle leaves, got 9";
    assert_eq!(error.to_string(), said);
}
