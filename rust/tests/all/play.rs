//! Collecting, evaluating and solving: what they promise whatever the threads and the cache.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use crate::common::random_policy;
use twisterl::collector::ppo::{collect, DifficultyDistribution, PpoConfig, Truncation};
use twisterl::collector::{Table, Work};
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::{Env, Twists};
use twisterl::solve::{evaluate, solve, EvalConfig, Starts};
use twisterl::{Error, Result};

fn config() -> PpoConfig {
    PpoConfig {
        num_episodes: 150,
        gamma: 0.99,
        gae_lambda: 0.95,
        num_cores: 1,
        truncation: Truncation::Terminal,
        difficulty_distribution: DifficultyDistribution::Uniform,
        max_episode_steps: None,
        cache: true,
    }
}

fn collected(env: &dyn Env, config: &PpoConfig, iteration: u64) -> Result<Table> {
    collect(env, &random_policy(env, 5), config, &config.work(11, iteration), &mut || Ok(()))
}

#[test]
fn threads_and_cache_change_nothing() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let one = collected(&env, &config(), 0).unwrap();
    for (num_cores, cache) in [(2, true), (1, false), (2, false)] {
        assert_eq!(collected(&env, &PpoConfig { num_cores, cache, ..config() }, 0).unwrap(), one);
    }
    assert_ne!(collected(&env, &config(), 1).unwrap(), one);
    assert_eq!(one.episode_starts.len(), 151);
    assert!(one.episode_starts.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(env.solved(), "the caller's environment was touched");
}

#[test]
fn rollouts_obey_the_environment() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let table = collected(&env, &config(), 0).unwrap();
    let (rows, masks) = (table.rows("obs").unwrap(), table.get::<bool>("masks").unwrap());
    let (actions, all_logits) =
        (table.get::<i64>("actions").unwrap(), table.get::<f32>("logits").unwrap());
    let log_probs = table.get::<f32>("log_probs").unwrap();
    let rewards = table.get::<f32>("rewards").unwrap();
    for pair in table.episode_starts.windows(2) {
        let (from, to) = (pair[0] as usize, pair[1] as usize);
        let state: Vec<i64> = rows.row(from).iter().map(|&k| i64::from(k % 9)).collect();
        let mut replay = env.clone();
        replay.try_set_state(&state).unwrap();
        for row in from..to {
            let seen: Vec<usize> = rows.row(row).iter().map(|&k| k as usize).collect();
            assert_eq!(replay.observe(), seen);
            assert_eq!(masks[row * 4..][..4], replay.masks());
            let action = actions[row] as usize;
            assert!(replay.masks()[action]);
            let logits = &all_logits[row * 4..][..4];
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            let log_prob = f64::from(logits[action]) - sum.ln();
            assert!((log_prob - f64::from(log_probs[row])).abs() < 1e-5);
            replay.step(action);
        }
        let last = rewards[to - 1];
        assert!(last == 1.0 || last == -0.5);
    }
}

#[test]
fn a_part_of_the_work_has_the_rows_of_the_whole() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let whole = collected(&env, &config(), 3).unwrap();
    for episodes in [0..1, 40..97, 149..150] {
        let work = Work { seed: 11, iteration: 3, episodes: episodes.clone() };
        let part = collect(&env, &policy, &config(), &work, &mut || Ok(())).unwrap();
        let starts = &whole.episode_starts[episodes.start as usize..=episodes.end as usize];
        let first = starts[0];
        let shifted: Vec<i64> = starts.iter().map(|start| start - first).collect();
        assert_eq!(part.episode_starts, shifted);
        let rows = first as usize..*starts.last().unwrap() as usize;
        for name in ["log_probs", "values", "rewards", "advantages", "returns"] {
            assert_eq!(
                part.get::<f32>(name).unwrap(),
                &whole.get::<f32>(name).unwrap()[rows.clone()]
            );
        }
        for row in 0..part.len() {
            let (part, whole) = (part.rows("obs").unwrap(), whole.rows("obs").unwrap());
            assert_eq!(part.row(row), whole.row(rows.start + row));
        }
    }
    let none = Work { seed: 11, iteration: 3, episodes: 60..60 };
    let error = collect(&env, &policy, &config(), &none, &mut || Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "episodes: expected at least one, got 60..60");
}

/// So many that the columns are merged in several shares.
#[test]
fn the_last_of_many_rows_are_those_of_their_episode() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let config = PpoConfig { num_episodes: 2000, ..config() };
    let whole = collected(&env, &config, 3).unwrap();
    assert!(whole.len() > 2 << 13, "{}", whole.len());
    let work = Work { seed: 11, iteration: 3, episodes: 1999..2000 };
    let last = collect(&env, &policy, &config, &work, &mut || Ok(())).unwrap();
    let first = whole.len() - last.len();
    let (rows, all) = (last.rows("obs").unwrap(), whole.rows("obs").unwrap());
    assert!((0..last.len()).all(|row| rows.row(row) == all.row(first + row)));
    assert_eq!(last.get::<f32>("values").unwrap(), &whole.get::<f32>("values").unwrap()[first..]);
}

#[test]
fn truncation_is_as_configured() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let terminal = collected(&env, &config(), 0).unwrap();
    let truncation = Truncation::Bootstrap;
    let bootstrap = collected(&env, &PpoConfig { truncation, ..config() }, 0).unwrap();
    let floats = |table: &'_ Table, name| table.get::<f32>(name).unwrap().to_vec();
    let (rewards, returns) = (floats(&terminal, "rewards"), floats(&terminal, "returns"));
    let (values, bootstrapped) = (floats(&bootstrap, "values"), floats(&bootstrap, "returns"));
    let mut cut = 0;
    for end in &terminal.episode_starts[1..] {
        let last = *end as usize - 1;
        if rewards[last] == -0.5 {
            assert_eq!(returns[last], -0.5);
            assert_eq!(bootstrapped[last], values[last]);
            cut += 1;
        } else {
            assert_eq!(bootstrapped[last], 1.0);
        }
    }
    assert!(cut > 0);
}

#[test]
fn evaluation_is_reproducible_and_more_tries_help() {
    let env = Puzzle::new(3, 3, 10, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let play = |num_searches, num_cores, starts| {
        let config = EvalConfig { num_searches, num_cores, ..EvalConfig::default() };
        evaluate(&env, &policy, starts, &config, 3, &mut || Ok(())).unwrap()
    };
    let once = play(1, 1, Starts::Reset(300));
    assert_eq!(play(1, 2, Starts::Reset(300)), once);
    let often = play(8, 1, Starts::Reset(300));
    assert_eq!(play(8, 2, Starts::Reset(300)), often);
    for (once, often) in once.iter().zip(&often) {
        assert!((often.success, often.reward) >= (once.success, once.reward));
    }
    let solved = |episodes: &[twisterl::solve::Episode]| {
        episodes.iter().filter(|episode| episode.success).count()
    };
    assert!(solved(&often) > solved(&once));
    let uniform = play(1, 2, Starts::Uniform(50));
    assert_eq!(uniform.len(), 50);
}

#[test]
fn a_solution_solves() {
    let mut env = Puzzle::new(2, 2, 4, 2, 200).unwrap();
    let policy = random_policy(&env, 9);
    let config = EvalConfig { num_searches: 50, ..EvalConfig::default() };
    for state in [[0, 1, 2, 3], [1, 0, 2, 3], [3, 2, 1, 0]] {
        env.set_state(state.map(i64::from).to_vec());
        let solution = solve(&env, &policy, &config, 0, &mut || Ok(()));
        if env.check_solvable().is_err() {
            assert!(solution.unwrap_err().to_string().contains("parity"));
            continue;
        }
        let solution = solution.unwrap();
        assert!(solution.success);
        let mut replay = env.clone();
        for action in &solution.actions {
            replay.step(*action as usize);
        }
        assert!(replay.solved());
    }
}

#[test]
fn bad_input_is_refused_before_any_work() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let message = |config: PpoConfig| collected(&env, &config, 0).unwrap_err().to_string();
    assert!(message(PpoConfig { num_episodes: 0, ..config() }).starts_with("num_episodes"));
    assert!(message(PpoConfig { gamma: 1.5, ..config() }).starts_with("gamma"));
    assert!(message(PpoConfig { gae_lambda: f32::NAN, ..config() }).starts_with("lambda"));
    let other = Puzzle::new(4, 4, 12, 2, 64).unwrap();
    let policy = random_policy(&other, 0);
    let work = config().work(0, 0);
    let error = collect(&env, &policy, &config(), &work, &mut || Ok(())).unwrap_err();
    assert!(error.to_string().contains("features"), "{error}");
    let eval = EvalConfig { deterministic: true, ..EvalConfig::default() };
    let states = [vec![0, 1, 2, 3, 4, 5, 6, 7, 8], vec![0, 2, 1, 3, 4, 5, 6, 7, 8]];
    let policy = random_policy(&env, 0);
    let error = evaluate(&env, &policy, Starts::States(states.into()), &eval, 0, &mut || Ok(()));
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("states[1]") && error.contains("parity"), "{error}");
}

#[test]
fn an_interrupt_ends_the_work() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let policy = random_policy(&env, 0);
    for num_cores in [1, 2] {
        let config = PpoConfig { num_cores, num_episodes: 10_000_000, ..config() };
        let result =
            collect(&env, &policy, &config, &config.work(0, 0), &mut || Err(Error::Interrupted));
        assert!(matches!(result, Err(Error::Interrupted)));
    }
}

/// Walks a ring; every observation draws a mirror image that the next step undoes.
#[derive(Clone)]
struct Mirrored {
    at: usize,
    left: usize,
    observations: Arc<AtomicUsize>,
    no_action: bool,
}

impl Env for Mirrored {
    as_any!();
    fn num_actions(&self) -> usize {
        2
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![10]
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.at = state[0] as usize;
    }
    fn reset(&mut self) {
        self.at = 4;
        self.left = 6;
    }
    fn step(&mut self, action: usize) {
        self.at = (self.at + if action == 0 { 9 } else { 1 }) % 10;
        self.left -= 1;
    }
    fn masks(&self) -> Vec<bool> {
        vec![!self.no_action; 2]
    }
    fn is_final(&self) -> bool {
        self.at == 0 || self.left == 0
    }
    fn success(&self) -> bool {
        self.at == 0
    }
    fn reward(&self) -> f32 {
        f32::from(u8::from(self.success()))
    }
    fn observe(&self) -> Vec<usize> {
        self.observations.fetch_add(1, Ordering::Relaxed);
        vec![self.at]
    }
    fn twists(&self) -> Twists {
        let mirror = (0..10).map(|k| (10 - k) % 10).collect();
        (vec![(0..10).collect(), mirror], vec![vec![0, 1], vec![1, 0]])
    }
    fn track_solution(&self) -> bool {
        true
    }
    fn solution(&self) -> Vec<usize> {
        vec![1 << 40, self.at]
    }
}

fn mirrored() -> Mirrored {
    Mirrored { at: 4, left: 6, observations: Arc::default(), no_action: false }
}

#[test]
fn each_decision_observes_once_and_twists_are_recorded() {
    let env = mirrored();
    let config = PpoConfig { cache: false, ..config() };
    let table = collected(&env, &config, 0).unwrap();
    assert_eq!(env.observations.load(Ordering::Relaxed), table.len());
    let twists = table.get::<i64>("twists").unwrap();
    assert!(twists.contains(&0) && twists.contains(&1) && !twists.contains(&-1));
    assert_eq!(collected(&env, &PpoConfig { cache: true, ..config }, 0).unwrap(), table);
}

#[test]
fn a_tracked_solution_is_returned_verbatim() {
    let env = mirrored();
    let policy = random_policy(&env, 1);
    let config = EvalConfig { num_searches: 4, ..EvalConfig::default() };
    let solution = solve(&env, &policy, &config, 0, &mut || Ok(())).unwrap();
    assert_eq!(solution.actions[0], 1 << 40);
}

#[test]
fn no_legal_action_is_an_error() {
    let env = Mirrored { no_action: true, ..mirrored() };
    let error = collected(&env, &config(), 0).unwrap_err();
    assert!(error.to_string().contains("no action"), "{error}");
}
