//! What the board keeps about itself, and what it refuses.

use super::*;
use crate::rl::env::Env;

#[test]
fn misplaced_follows_every_move() {
    let mut rng = Rng::new(1);
    let mut env = Puzzle::new(4, 3, 50, 2, 64).unwrap();
    for _ in 0..1000 {
        env.try_step(rng.below(4) as usize).unwrap();
        let counted = env.misplaced;
        env.count_misplaced();
        assert_eq!(env.misplaced, counted);
    }
}

#[test]
fn a_reflected_square_moves_as_its_image() {
    let mut rng = Rng::new(3);
    let mut env = Puzzle::new(4, 4, 50, 2, 500).unwrap();
    assert!(env.twists().0.is_empty());
    env.set_reflection(true).unwrap();
    let (features, actions) = env.twists();
    assert_eq!((features.len(), &actions[..]), (2, &[vec![0, 1, 2, 3], vec![1, 0, 3, 2]][..]));
    let mut image = env.clone();
    for _ in 0..300 {
        let action = rng.below(4) as usize;
        assert_eq!(env.masks()[action], image.masks()[actions[1][action]]);
        env.try_step(action).unwrap();
        image.try_step(actions[1][action]).unwrap();
        let mut seen: Vec<usize> = env.observe().iter().map(|&at| features[1][at]).collect();
        seen.sort_unstable();
        assert_eq!(seen, image.observe());
    }
    env.set_reflection(false).unwrap();
    assert!(env.twists().0.is_empty());
    let error = Puzzle::new(4, 3, 1, 2, 9).unwrap().set_reflection(true).unwrap_err();
    assert!(error.to_string().starts_with("reflection: expected false, got true for a board of 4"));
}

#[test]
fn parity_agrees_with_moves() {
    let mut rng = Rng::new(2);
    for (width, height) in [(2, 2), (3, 3), (4, 4), (5, 2)] {
        let mut env = Puzzle::new(width, height, 101, 2, 64).unwrap();
        for _ in 0..50 {
            env.try_reset(&mut rng).unwrap();
            env.check_solvable().unwrap();
            let mut state: Vec<i64> = env.random_state(&mut rng);
            env.try_set_state(&state).unwrap();
            env.check_solvable().unwrap();
            let cells: Vec<usize> = (0..state.len()).filter(|&cell| state[cell] != 0).collect();
            state.swap(cells[0], cells[1]);
            env.try_set_state(&state).unwrap();
            assert!(env.check_solvable().is_err());
        }
    }
}

#[test]
fn a_row_keeps_its_order() {
    let mut rng = Rng::new(5);
    for (width, height) in [(1, 1), (1, 2), (5, 1), (1, 16)] {
        let mut env = Puzzle::new(width, height, 40, 2, 64).unwrap();
        let mut drawn = std::collections::HashSet::new();
        for _ in 0..400 {
            env.try_reset(&mut rng).unwrap();
            env.check_solvable().unwrap();
            env.try_reset_uniform(&mut rng).unwrap();
            env.check_solvable().unwrap();
            drawn.insert(env.get_state());
        }
        assert_eq!(drawn.len(), width * height);
    }
    let mut env = Puzzle::new(3, 1, 1, 2, 64).unwrap();
    // A permutation of the solved board's parity.
    env.try_set_state(&[2, 0, 1]).unwrap();
    let error = env.check_solvable().unwrap_err().to_string();
    assert!(
        error.ends_with("[2, 0, 1], whose tiles are not in order: no moves solve it"),
        "{error}"
    );
}

#[test]
fn a_copy_is_equal_and_independent() {
    let mut rng = Rng::new(3);
    let mut from = Puzzle::new(3, 3, 40, 2, 64).unwrap();
    from.try_reset(&mut rng).unwrap();
    let mut to = Puzzle::new(4, 3, 7, 3, 9).unwrap();
    to.clone_from(&from);
    assert_eq!(format!("{to:?}"), format!("{from:?}"));
    to.step(if to.masks()[0] { 0 } else { 2 });
    assert_ne!(to.state_key(), from.state_key());
}

#[test]
fn inverse_actions_undo() {
    let mut rng = Rng::new(4);
    let mut env = Puzzle::new(4, 3, 1, 2, 64).unwrap();
    let inverse = env.spec().inverse_actions.clone().unwrap();
    env.try_reset_goal(&mut rng).unwrap();
    assert!(env.success());
    for _ in 0..1000 {
        let (key, action) = (env.state_key().unwrap(), rng.below(4) as usize);
        let changes = env.masks()[action];
        env.step(action);
        assert_eq!(changes, env.state_key().unwrap() != key);
        if changes {
            env.step(inverse[action]);
            assert_eq!(env.state_key().unwrap(), key);
            env.step(action);
        }
    }
    assert!(Puzzle::new(5, 5, 1, 2, 64).unwrap().state_key().is_some());
    assert!(Puzzle::new(6, 6, 1, 2, 64).unwrap().state_key().is_none());
}

#[test]
fn bad_input_is_named() {
    assert!(Puzzle::new(0, 3, 1, 2, 256).unwrap_err().to_string().starts_with("width"));
    assert!(Puzzle::new(3, 1_000_000_000, 1, 2, 256)
        .unwrap_err()
        .to_string()
        .starts_with("height"));
    let mut env = Puzzle::new(2, 2, 1, 2, 256).unwrap();
    for state in [vec![0, 1, 2], vec![0, 1, 1, 2], vec![0, 1, 2, 4], vec![0, 1, 2, -1]] {
        assert!(env.try_set_state(&state).is_err());
        assert!(env.solved());
    }
    assert!(env.try_step(4).is_err());
}
