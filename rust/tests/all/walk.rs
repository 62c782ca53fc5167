//! Random walks from the goal: what a sample is, whatever the threads.

use std::collections::HashMap;

use crate::common::random_policy;
use serde_json::json;
use twisterl::collector::walk::{check, collect, collect_ahead, WalkConfig, Walks};
use twisterl::collector::Work;
use twisterl::envs::find;
use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::{Policy, Scratch};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::spaces::Rows;
use twisterl::{Error, Result};

fn puzzle(width: usize, height: usize) -> Puzzle {
    Puzzle::new(width, height, 1, 2, 64).unwrap()
}

fn walks(env: &dyn Env, config: &WalkConfig, iteration: u64) -> Result<Walks> {
    collect(env, config, &config.work(7, iteration), &mut || Ok(()))
}

fn config(num_walks: usize, walk_length: usize) -> WalkConfig {
    WalkConfig { num_walks, walk_length, num_cores: 1, ..Default::default() }
}

#[test]
fn threads_change_nothing() {
    let one = walks(&puzzle(3, 3), &config(301, 30), 0).unwrap();
    let two = walks(&puzzle(3, 3), &WalkConfig { num_cores: 2, ..config(301, 30) }, 0).unwrap();
    assert_eq!(two, one);
    assert_ne!(walks(&puzzle(3, 3), &config(301, 30), 1).unwrap(), one);
}

#[test]
fn parts_joined_are_the_whole() {
    let config = config(60, 30);
    require_joined(&puzzle(3, 3), &config);
    let commuting = WalkConfig { commuting: true, ..config };
    require_joined(&*lights_out(3), &commuting);
    let [whole, mixed] = [&config, &commuting].map(|c| walks(&*lights_out(3), c, 0).unwrap());
    assert!(Walks::joined(&[whole.clone(), mixed], &mut || Ok(())).is_err());
    let other = Walks { masks: vec![true], ..walks(&puzzle(2, 2), &config, 0).unwrap() };
    assert!(Walks::joined(&[whole, other], &mut || Ok(())).is_err());
}

fn require_joined(env: &dyn Env, config: &WalkConfig) {
    let whole = walks(env, config, 0).unwrap();
    for cuts in [vec![0, 60], vec![0, 1, 60], vec![0, 13, 14, 40, 60]] {
        let part = |ends: &[u64]| {
            let work = Work { episodes: ends[0]..ends[1], ..config.work(7, 0) };
            collect(env, config, &work, &mut || Ok(())).unwrap()
        };
        let parts: Vec<Walks> = cuts.windows(2).map(part).collect();
        assert_eq!(Walks::joined(&parts, &mut || Ok(())).unwrap(), whole);
    }
}

#[test]
fn the_best_of_the_next_states_is_told() {
    let env = puzzle(3, 3);
    let policy = random_policy(&env, 4);
    let told = |num_cores| {
        let config = WalkConfig { num_cores, ..config(300, 20) };
        let work = config.work(7, 0);
        collect_ahead(&env, &config, &work, Some(&policy), &mut || Ok(())).unwrap()
    };
    let walks = told(1);
    assert_eq!(told(2), walks);
    let value = |env: &Puzzle| {
        let (mut rows, mut logits, mut values) = (Rows::default(), [0.0; 4], [0.0]);
        rows.push_with(|words| env.try_observe(words)).unwrap();
        let scratch = &mut Scratch::default();
        policy.forward_batch(&rows, None, scratch, &mut logits, &mut values).unwrap();
        values[0]
    };
    for (row, &next) in walks.next_values.iter().enumerate() {
        let mut state = vec![0; 9];
        walks.rows.row(row).iter().for_each(|&it| state[it as usize / 9] = i64::from(it) % 9);
        let mut start = env.clone();
        start.try_set_state(&state).unwrap();
        let best = (0..4).filter(|&action| start.masks()[action]).map(|action| {
            let mut next = start.clone();
            next.step(action);
            if next.solved() {
                1.0
            } else {
                value(&next)
            }
        });
        assert_eq!(next, best.fold(f32::NEG_INFINITY, f32::max), "{state:?}");
    }
    assert_eq!(Walks::joined(std::slice::from_ref(&walks), &mut || Ok(())).unwrap(), walks);
    let without = Walks { next_values: Vec::new(), ..walks.clone() };
    assert!(Walks::joined(&[walks, without], &mut || Ok(())).is_err());
}

/// The same walks, one sample at a time: undo counts and moves by board.
fn slow_walks(env: &Puzzle, config: &WalkConfig) -> HashMap<Vec<i32>, ([f32; 4], Vec<f32>)> {
    let inverses = env.spec().inverse_actions.clone().unwrap();
    let mut known: HashMap<Vec<i32>, ([f32; 4], Vec<f32>)> = HashMap::new();
    for walk in 0..config.num_walks {
        let mut rng = Rng::stream(7, 0, walk as u64);
        let mut env = env.clone();
        let (mut last, mut moves) = (None, 0.0);
        for _ in 0..config.walk_length {
            let undo = last.map(|last: usize| inverses[last]);
            let legal: Vec<usize> = (0..4).filter(|&a| env.masks()[a] && Some(a) != undo).collect();
            let action = legal[rng.below(legal.len() as u32) as usize];
            env.step(action);
            (last, moves) = (Some(action), if env.solved() { 0.0 } else { moves + 1.0 });
            if !env.solved() {
                let row = env.observe().into_iter().map(|index| index as i32).collect();
                let (counts, all) = known.entry(row).or_default();
                counts[inverses[action]] += 1.0;
                all.push(moves);
            }
        }
    }
    known
}

#[test]
fn samples_are_those_of_walks_that_never_turn_back() {
    // On 2x2 boards a walk goes round the ring of twelve and passes the goal.
    for (env, config) in [(puzzle(2, 2), config(50, 40)), (puzzle(3, 3), config(200, 12))] {
        let found = walks(&env, &config, 0).unwrap();
        let expected = slow_walks(&env, &config);
        assert_eq!(found.rows.len(), expected.len());
        let samples: f32 = found.undo_counts.iter().sum();
        assert_eq!(samples as usize, found.num_samples);
        for row in 0..found.rows.len() {
            let (counts, moves) = &expected[found.rows.row(row)];
            assert_eq!(found.undo_counts[row * 4..][..4], *counts);
            let mean = moves.iter().sum::<f32>() / moves.len() as f32;
            assert!((found.mean_moves[row] - mean).abs() < 1e-4);
            let masks = &found.masks[row * 4..][..4];
            assert!(counts.iter().zip(masks).all(|(&count, &legal)| legal || count == 0.0));
        }
    }
    let found = walks(&puzzle(2, 2), &config(50, 40), 0).unwrap();
    // Every walk of 40 passes the goal three times: no sample there, and the moves begin again.
    assert_eq!((found.rows.len(), found.num_samples), (11, 50 * 37));
    assert!(found.mean_moves.iter().all(|&moves| moves < 12.0));
}

#[test]
fn undoing_is_learned_even_where_it_is_forbidden() {
    let mut env = puzzle(3, 3);
    let free = walks(&env, &config(50, 10), 0).unwrap();
    env.set_forbid_undo(true);
    let found = walks(&env, &config(50, 10), 0).unwrap();
    assert_eq!((found.rows, &found.undo_counts), (free.rows, &free.undo_counts));
    assert!(found.undo_counts.iter().zip(&found.masks).all(|(&n, &legal)| legal || n == 0.0));
}

#[test]
fn bad_input_is_refused_before_any_work() {
    let message = |config: WalkConfig| walks(&puzzle(3, 3), &config, 0).unwrap_err().to_string();
    assert!(message(config(0, 5)).starts_with("num_walks"));
    assert!(message(config(5, 0)).starts_with("walk_length"));
    let expected = "num_walks: expected at most 10000000, got 10000001";
    assert_eq!(message(config(10_000_001, 5)), expected);
    let short = Puzzle::new(2, 2, 1, 2, 3).unwrap();
    assert!(check(&short, &config(5, 3)).is_ok());
    let error = check(&short, &config(5, 1 << 40)).unwrap_err().to_string();
    let expected =
        "walk_length: expected at most the 3 steps that Puzzle leaves, got 1099511627776";
    assert_eq!(error, expected);
    assert!(check(&Puzzle::new(2, 2, 1, 2, 1 << 30).unwrap(), &config(5, 1 << 40)).is_ok());
}

#[test]
fn an_interrupt_ends_the_work() {
    for num_cores in [1, 2] {
        let config = WalkConfig { num_cores, ..config(10_000_000, 10) };
        let found =
            collect(&puzzle(3, 3), &config, &config.work(0, 0), &mut || Err(Error::Interrupted));
        assert!(matches!(found, Err(Error::Interrupted)));
    }
}

#[test]
fn commuting_moves_are_made_once_and_all_undone() {
    let env = lights_out(3);
    let walks = walks(&*env, &WalkConfig { commuting: true, ..config(200, 30) }, 0).unwrap();
    // No walk goes beyond the nine lamps; their presses are independent, so that none meets the goal.
    assert_eq!(walks.num_samples, 200 * 9);
    for row in 0..walks.rows.len() {
        let shares = &walks.undo_counts[row * 9..][..9];
        let presses: Vec<usize> = (0..9).filter(|&action| shares[action] > 0.0).collect();
        assert_eq!(presses.len() as f32, walks.mean_moves[row]);
        assert!(presses.iter().all(|&a| (shares[a] - shares[presses[0]]).abs() < 1e-4));
        let mut state = vec![0; 9];
        walks.rows.row(row).iter().for_each(|&lamp| state[lamp as usize] = 1);
        let mut env = env.clone();
        env.try_set_state(&state).unwrap();
        presses.into_iter().for_each(|action| env.step(action));
        assert!(env.success());
    }
    let shares: f32 = walks.undo_counts.iter().sum();
    assert!((shares - walks.num_samples as f32).abs() < 0.1, "{shares}");
}

#[test]
fn moves_that_do_not_commute_are_told() {
    let config = WalkConfig { commuting: true, ..config(10, 10) };
    check(&*lights_out(4), &config).unwrap();
    let error = check(&puzzle(3, 3), &config).unwrap_err().to_string();
    assert!(error.starts_with("commuting: expected false: the order of actions"), "{error}");
}

fn lights_out(side: usize) -> Box<dyn Env> {
    let parameters = json!({"width": side, "height": side});
    find("LightsOut").unwrap().make(parameters.as_object().unwrap()).unwrap()
}
