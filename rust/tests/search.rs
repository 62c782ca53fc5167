//! Searching, and playing by it: what it promises whatever the threads and the cache.

mod common;

use common::random_policy;
use twisterl::collector::az::{collect, AzConfig};
use twisterl::collector::ppo::DifficultyDistribution;
use twisterl::collector::Rollout;
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;
use twisterl::rl::evaluate::{evaluate, EvalConfig, Strategy};
use twisterl::rl::starts::Starts;
use twisterl::search::{SelfPlay, TreeConfig};
use twisterl::Result;

fn config() -> AzConfig {
    AzConfig {
        num_episodes: 60,
        tree: TreeConfig { num_simulations: 12, gamma: 0.9, ..TreeConfig::default() },
        self_play: SelfPlay { exploration_fraction: 0.25, ..SelfPlay::default() },
        num_cores: 1,
        difficulty_distribution: DifficultyDistribution::Uniform,
        max_moves: 20,
        resign_threshold: None,
        resign_exempt: 0.0,
        cache: true,
    }
}

fn collected(env: &dyn Env, config: &AzConfig, iteration: u64) -> Result<Rollout> {
    Ok(collect(env, &random_policy(env, 5), config, 11, iteration, &mut || Ok(()))?.0)
}

#[test]
fn threads_and_cache_change_nothing() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    for max_expand_depth in [1, 3] {
        let mut config = config();
        config.tree.max_expand_depth = max_expand_depth;
        let one = collected(&env, &config, 0).unwrap();
        for (num_cores, cache) in [(2, true), (1, false), (2, false)] {
            let other = AzConfig { num_cores, cache, ..config.clone() };
            assert_eq!(collected(&env, &other, 0).unwrap(), one);
        }
        assert_ne!(collected(&env, &config, 1).unwrap(), one);
        assert_eq!(one.episode_starts.len(), 61);
        assert!(env.solved(), "the caller's environment was touched");
    }
}

#[test]
fn targets_are_visits_and_discounted_rewards() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let rollout = collected(&env, &config(), 0).unwrap();
    let mut longest = 0;
    for pair in rollout.episode_starts.windows(2) {
        let (from, to) = (pair[0] as usize, pair[1] as usize);
        longest = longest.max(to - from);
        let mut following = 0.0;
        for row in (from..to).rev() {
            following = rollout.rewards[row] + 0.9 * following;
            assert!((rollout.returns[row] - following).abs() < 1e-5);
            let ended = [1.0, -0.5].contains(&rollout.rewards[row]);
            let target = &rollout.logits[row * 4..][..4];
            let masks = &rollout.masks[row * 4..][..4];
            let sum: f32 = target.iter().sum();
            assert!((sum - if ended { 0.0 } else { 1.0 }).abs() < 1e-6, "{target:?}");
            assert!(target.iter().zip(masks).all(|(&share, &legal)| legal || share == 0.0));
            // Twelve simulations, none lost.
            assert!(target
                .iter()
                .all(|share| (share * 12.0 - (share * 12.0).round()).abs() < 1e-5));
            assert!(ended || target[rollout.actions[row] as usize] > 0.0);
        }
    }
    assert_eq!(longest, 20, "max_moves");
}

#[test]
fn a_search_solves_more_than_its_policy() {
    let env = Puzzle::new(3, 3, 10, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let solved = |strategy, num_cores| {
        let config =
            EvalConfig { strategy, num_cores, deterministic: true, ..EvalConfig::default() };
        let starts = Starts::Reset(200);
        let episodes = evaluate(&env, &policy, starts, &config, 3, &mut || Ok(())).unwrap();
        episodes.iter().filter(|episode| episode.success).count()
    };
    let tree = TreeConfig { num_simulations: 64, ..TreeConfig::default() };
    let searched = solved(Strategy::Mcts(tree), 1);
    assert_eq!(solved(Strategy::Mcts(tree), 2), searched);
    assert!(searched > solved(Strategy::Policy, 1) + 20, "{searched} of 200");
}
